"""Places drawn from random numbers: floors, walls, shelves, rails of garments, posters. Nobody is in them."""

import cv2
import numpy as np

from vestibule_models.persons_decode import Bytes

_HALF_A_SHIRT = ((0.3, 0), (0, 0.3), (0.15, 0.42), (0.25, 0.3), (0.25, 1))
_SHIRT = (*((1 - across, down) for across, down in _HALF_A_SHIRT), *reversed(_HALF_A_SHIRT))
_DRESS = ((0.35, 0), (0.65, 0), (0.62, 0.35), (1, 1), (0, 1), (0.38, 0.35))
"""Outlines of garments that hang on a poster: shares of its width and height."""


def draw_place(rng: np.random.Generator, height: int, width: int) -> Bytes:
    """Draw a room with shop-like clutter, uint8 (height, width, 3) BGR."""
    horizon = int(height * rng.uniform(-0.2, 0.6))
    image = _shaded(rng, height, width)
    if horizon > 0:
        image[:horizon] = _shaded(rng, horizon, width)
    if chance(rng, 0.4):
        _draw_tiles(rng, image, max(horizon, 0))
    for _ in range(int(rng.integers(0, 6))):
        draw = (_draw_box, _draw_shelf, _draw_rail, _draw_lamp, _draw_stand)[int(rng.integers(0, 5))]
        draw(rng, image)
    if chance(rng, 0.5):
        grain = rng.normal(0, rng.uniform(2, 12), (height // 2, width // 2, 1)).astype(np.float32)
        rough = np.asarray(cv2.resize(grain, (width, height)), np.float32)[..., np.newaxis]
        image = np.clip(image + rough, 0, 255).astype(np.uint8)
    return image


def furnish(rng: np.random.Generator, image: Bytes) -> None:
    """Hang posters into a room and add what its floor and a mirror show, in place."""
    hang_posters(rng, image)
    add_reflections(rng, image)


def hang_posters(rng: np.random.Generator, image: Bytes) -> None:
    """Hang one to four framed posters, in place: blocks of colour and words, or a garment that nobody wears."""
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(1, 5))):
        h = int(height * rng.uniform(0.15, 0.6))
        w = int(h * rng.uniform(0.5, 1.4))
        x, y = int(rng.integers(-w // 4, width - w // 2)), int(rng.integers(-h // 4, height // 2))
        cv2.rectangle(image, (x, y), (x + w, y + h), colour(rng), -1)
        if chance(rng, 0.5):
            _draw_garment(rng, image, (x + w // 6, y + h // 8, w * 2 // 3, h * 3 // 4))
        else:
            cut = y + int(h * rng.uniform(0.2, 0.8))
            cv2.rectangle(image, (x, y), (x + w, cut), colour(rng), -1)
        for line in range(int(rng.integers(0, 4))):
            place = (x + w // 10, y + h - 4 - line * max(6, h // 10))
            words = f"SALE {rng.integers(10, 90)}"
            cv2.putText(image, words, place, cv2.FONT_HERSHEY_SIMPLEX, h / 250, colour(rng), 1, cv2.LINE_AA)
        cv2.rectangle(image, (x, y), (x + w, y + h), colour(rng), int(rng.integers(1, 4)))


def add_reflections(rng: np.random.Generator, image: Bytes) -> None:
    """Let a polished floor show what stands on it and a mirror the other side of the room, in place."""
    height, width = image.shape[:2]
    if chance(rng, 0.7):
        floor = int(height * rng.uniform(0.55, 0.8))
        deep = min(height - floor, floor)
        shown = cv2.GaussianBlur(image[floor - deep : floor][::-1], (0, 0), rng.uniform(0.5, 4))
        share = np.linspace(rng.uniform(0.2, 0.6), 0, deep)[:, np.newaxis, np.newaxis]
        image[floor : floor + deep] = image[floor : floor + deep] * (1 - share) + shown * share
    if chance(rng, 0.5):
        w, h = int(width * rng.uniform(0.08, 0.3)), int(height * rng.uniform(0.3, 0.9))
        x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
        mirrored = image[:, ::-1][y : y + h, x : x + w] * rng.uniform(0.7, 1.0)
        image[y : y + h, x : x + w] = mirrored
        cv2.rectangle(image, (x, y), (x + w, y + h), colour(rng), int(rng.integers(1, 5)))


def _draw_garment(rng: np.random.Generator, image: Bytes, window: tuple[int, int, int, int]) -> None:
    """A shirt with sleeves, or a dress, as a flat shape."""
    x, y, w, h = window
    shape = _SHIRT if chance(rng, 0.5) else _DRESS
    points = np.array([[x + w * across, y + h * down] for across, down in shape], np.int32)
    cv2.fillPoly(image, [points], colour(rng), cv2.LINE_AA)


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Say yes with this probability."""
    return bool(rng.random() < probability)


def colour(rng: np.random.Generator) -> tuple[int, int, int]:
    """Choose a colour, mostly a dull one, often nearly white."""
    grey = rng.choice([rng.uniform(0, 255), rng.uniform(190, 255)])
    blue, green, red = np.clip(grey + rng.normal(0, rng.choice([6.0, 20.0, 60.0]), 3), 0, 255)
    return int(blue), int(green), int(red)


def _shaded(rng: np.random.Generator, height: int, width: int) -> Bytes:
    corners = np.array([colour(rng)], np.float32) + rng.normal(0, 25, (4, 3))
    small = np.clip(corners, 0, 255).reshape(2, 2, 3).astype(np.float32)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _window(rng: np.random.Generator, image: Bytes, low: float, high: float) -> tuple[int, int, int, int]:
    height, width = image.shape[:2]
    w, h = int(width * rng.uniform(low, high)) + 2, int(height * rng.uniform(low, high)) + 2
    return int(rng.integers(-w // 3, width - w // 3)), int(rng.integers(-h // 3, height - h // 3)), w, h


def _draw_tiles(rng: np.random.Generator, image: Bytes, top: int) -> None:
    height, width = image.shape[:2]
    line = tuple(int(max(0, value - rng.uniform(5, 40))) for value in image[-1, width // 2])
    vanishing = int(rng.uniform(-0.5, 1.5) * width), top - int(rng.uniform(5, height))
    for x in range(-width, 2 * width, int(rng.integers(15, 70))):
        cv2.line(image, vanishing, (x, height), line, 1, cv2.LINE_AA)
    for y in np.cumsum(np.geomspace(3, 40, 12)):
        cv2.line(image, (0, top + int(y)), (width, top + int(y)), line, 1)


def _draw_box(rng: np.random.Generator, image: Bytes) -> None:
    x, y, w, h = _window(rng, image, 0.02, 0.45)
    cv2.rectangle(image, (x, y), (x + w, y + h), colour(rng), -1)
    cv2.rectangle(image, (x, y), (x + w, y + h), colour(rng), 1)


def _draw_shelf(rng: np.random.Generator, image: Bytes) -> None:
    x, y, w, h = _window(rng, image, 0.2, 0.7)
    cv2.rectangle(image, (x, y), (x + w, y + h), colour(rng), -1)
    rows, columns = int(rng.integers(2, 6)), int(rng.integers(2, 12))
    for row in range(rows):
        for column in range(columns):
            if chance(rng, 0.8):
                low = x + column * w // columns, y + (row + int(chance(rng, 0.3))) * h // rows + 2
                high = x + (column + 1) * w // columns - 1, y + (row + 1) * h // rows - 2
                cv2.rectangle(image, low, high, colour(rng), -1)


def _draw_rail(rng: np.random.Generator, image: Bytes) -> None:
    """Garments on hangers: a row of narrow trapezia under a bar."""
    x, y, w, h = _window(rng, image, 0.15, 0.5)
    cv2.line(image, (x, y), (x + w, y), colour(rng), int(rng.integers(1, 4)))
    step = int(rng.integers(4, 18))
    base = np.array(colour(rng))
    for left in range(x, x + w, step):
        shade = np.clip(base + rng.normal(0, 30, 3), 0, 255)
        drop = int(h * rng.uniform(0.7, 1.0))
        shape = np.array(
            [[left, y + 3], [left + step // 2, y], [left + step, y + 3], [left + step + 1, y + drop], [left, y + drop]]
        )
        cv2.fillPoly(image, [shape.astype(np.int32)], shade.tolist(), cv2.LINE_AA)


def _draw_lamp(rng: np.random.Generator, image: Bytes) -> None:
    x, y, w, h = _window(rng, image, 0.02, 0.15)
    cv2.ellipse(image, ((x, y), (w, h), rng.uniform(0, 180)), (245, 250, 250), -1, cv2.LINE_AA)


def _draw_stand(rng: np.random.Generator, image: Bytes) -> None:
    """A pole with something round or square on it: a sign, a plant, a lamp, a bust."""
    x, y, w, h = _window(rng, image, 0.05, 0.3)
    cv2.line(image, (x + w // 2, y), (x + w // 2, y + 2 * h), colour(rng), int(rng.integers(1, 6)), cv2.LINE_AA)
    if chance(rng, 0.5):
        cv2.ellipse(image, ((x + w // 2, y), (w, h), 0), colour(rng), -1, cv2.LINE_AA)
    else:
        cv2.rectangle(image, (x, y - h // 2), (x + w, y + h // 2), colour(rng), -1)
