"""Places drawn from random numbers: floors, walls, shelves, rails of garments. Nobody is in them."""

import cv2
import numpy as np

from vestibule_models.persons_decode import Bytes


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
