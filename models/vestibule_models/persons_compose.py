"""Training frames for the person detector, composed from a random stream: the same stream gives the same frames."""

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vestibule_models.persons_decode import Bytes, Floats
from vestibule_models.persons_places import chance, colour, draw_place, furnish
from vestibule_models.persons_sources import Photo, Sources

PERSON, IGNORE = 1.0, -1.0
"""Fifth number of a target row; 0 is an empty row."""
MOST_TARGETS = 14
"""Rows of the target array; a frame with more people keeps the tallest."""
_SHORTEST = 9.0
"""Pixels of the network's input: smaller people count neither way."""
_FILLED_AT_LEAST = 0.09
"""Of the box around what is seen of somebody: rags of a hidden person count neither way."""
_LARGEST_ZOOM = 2.5
_SHAPES = 0.25, 0.5
"""Frames up to the first share are narrower than the input, up to the second lower, the others fill it."""
_KINDS = 0.3, 0.4, 0.93
"""Up to the first share one photo, to the second several, to the third composed scenes; the rest shows nobody."""
_SLIVER = 0.01
_SLICE = 0.12
"""Of a photo's person within the frame: less than a sliver is not there, less than a slice counts neither way."""
_OPAQUE = 127


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSize:
    """Of the network's input.

    Attributes:
        height: pixels.
        width: pixels.
        pad_value: of what a frame of another aspect leaves free at the right or below.
    """

    height: int
    width: int
    pad_value: int


Composed = tuple[Bytes, list[tuple[Floats, float]]]
"""A picture, and its boxes with PERSON or IGNORE."""


def compose(sources: Sources, size: FrameSize, rng: np.random.Generator) -> tuple[Bytes, Floats]:
    """Compose one frame.

    Returns:
        uint8 (height, width, 3) RGB and float32 (MOST_TARGETS, 5): box xyxy, PERSON or IGNORE, else rows of zeros.
    """
    height, width = size.height, size.width
    narrower, lower = _SHAPES
    shape = rng.random()
    if shape < narrower:
        width = int(width * rng.uniform(0.55, 1.0))
    elif shape < lower:
        height = int(height * rng.uniform(0.9, 1.0))
    zoomed, panelled, peopled = _KINDS
    kind = rng.random()
    if kind < zoomed:
        image, boxes = _zoom(sources, height, width, rng)
    elif kind < panelled:
        image, boxes = _panels(sources, height, width, rng)
    else:
        image, boxes = _scene(sources, height, width, rng, people=0 if kind > peopled else int(rng.integers(1, 6)))
    if chance(rng, 0.5):
        image = image[:, ::-1]
        boxes = [(np.array([width - b[2], b[1], width - b[0], b[3]], np.float32), kind) for b, kind in boxes]
    canvas = np.full((size.height, size.width, 3), size.pad_value, np.uint8)
    canvas[:height, :width] = _film(np.ascontiguousarray(image), rng)
    return np.asarray(canvas[..., ::-1], np.uint8), _targets(boxes)


def _targets(boxes: list[tuple[Floats, float]]) -> Floats:
    rows = np.zeros((MOST_TARGETS, 5), np.float32)
    boxes = sorted(boxes, key=lambda pair: pair[0][1] - pair[0][3])[:MOST_TARGETS]
    for row, (box, kind) in zip(rows, boxes, strict=False):
        row[:4] = box
        row[4] = kind if box[3] - box[1] >= _SHORTEST else IGNORE
    return rows


def _place(sources: Sources, height: int, width: int, rng: np.random.Generator) -> Bytes:
    """A place without people: a window of a photo, or a drawn room."""
    if chance(rng, 0.35) or not sources.places:
        image = draw_place(rng, height, width)
        if chance(rng, 0.5):
            furnish(rng, image)
    else:
        place = sources.places[int(rng.integers(len(sources.places)))]
        share = rng.uniform(0.5, 1.0)
        h = int(place.shape[0] * share)
        w = min(place.shape[1], max(8, int(h * width / height)))
        y, x = int(rng.integers(place.shape[0] - h + 1)), int(rng.integers(place.shape[1] - w + 1))
        image = np.asarray(
            cv2.resize(place[y : y + h, x : x + w], (width, height), interpolation=cv2.INTER_AREA), np.uint8
        )
    for _ in range(int(rng.integers(1, 5)) if chance(rng, 0.35) else 0):
        _paste_thing(sources, image, rng)
    return image


def _paste_thing(sources: Sources, image: Bytes, rng: np.random.Generator) -> None:
    """Put a garment that nobody wears into the picture, upright or lying, as a picture of it or roughly cut out."""
    thing = sources.things[int(rng.integers(len(sources.things)))]
    tall = max(6, int(image.shape[0] * rng.uniform(0.1, 0.8)))
    thing = _resized(thing, tall / thing.shape[0], rng.uniform(0.7, 1.2))
    if chance(rng, 0.3):
        thing = np.ascontiguousarray(np.rot90(thing))
    alpha = np.full(thing.shape[:2], 255, np.uint8)
    if chance(rng, 0.5):
        alpha[:] = 0
        h, w = thing.shape[:2]
        cv2.ellipse(alpha, ((w / 2, h / 2), (w, h), 0), 255, -1)
    x = int(rng.integers(-thing.shape[1] // 2, image.shape[1]))
    y = int(rng.integers(-thing.shape[0] // 2, image.shape[0]))
    _paste(image, np.dstack([thing, alpha]), x, y)


def _resized(image: Bytes, scale: float, stretch: float = 1.0) -> Bytes:
    width, height = max(2, round(image.shape[1] * scale * stretch)), max(2, round(image.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


def _paste(image: Bytes, cutout: Bytes, x: int, y: int) -> npt.NDArray[np.bool_] | None:
    """Lay a picture with alpha over another in place; return where it is opaque, or None where nothing is inside."""
    height, width = image.shape[:2]
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + cutout.shape[1], width), min(y + cutout.shape[0], height)
    if left >= right or top >= bottom:
        return None
    part = cutout[top - y : bottom - y, left - x : right - x]
    alpha = part[..., 3:].astype(np.float32) / 255
    under = image[top:bottom, left:right]
    under[:] = (under * (1 - alpha) + part[..., :3] * alpha).astype(np.uint8)
    covered = np.zeros((height, width), np.bool_)
    covered[top:bottom, left:right] = part[..., 3] > _OPAQUE
    return covered


def _target_height(height: int, rng: np.random.Generator) -> float:
    """A person's height in pixels: 20 % to 170 % of the frame, small and large alike."""
    return float(height * np.exp(rng.uniform(np.log(0.2), np.log(1.7))))


def _zoom(sources: Sources, height: int, width: int, rng: np.random.Generator) -> Composed:
    """A photo, scaled so that one of its people has a random height, seen through a random window."""
    photos = sources.photos
    photo = photos[int(rng.integers(len(photos)))]
    if photo.source == "ccp" and chance(rng, 0.6):
        photo = photos[int(rng.integers(len(photos)))]
    box = photo.people[int(rng.integers(len(photo.people)))]
    scale = min(_target_height(height, rng) / max(float(box[3] - box[1]), 1.0), _LARGEST_ZOOM)
    scale = max(scale, 0.7 * height / photo.image.shape[0])
    stretch = float(rng.uniform(0.85, 1.15))
    image: Bytes = _place(sources, height, width, rng)
    middle = np.array([(box[0] + box[2]) / 2 * scale * stretch, (box[1] + box[3]) / 2 * scale])
    x, y = (np.array([width, height]) * rng.uniform(0.05, 0.95, 2) - middle).astype(int)
    return image, _paste_photo(image, photo, scale, stretch, (int(x), int(y)))


def _paste_photo(
    image: Bytes, photo: Photo, scale: float, stretch: float, corner: tuple[int, int]
) -> list[tuple[Floats, float]]:
    """Lay a photo into the picture; return its boxes, clipped."""
    small = _resized(photo.image, scale, stretch)
    x, y = corner
    _paste(image, np.dstack([small, np.full(small.shape[:2], 255, np.uint8)]), x, y)
    limits = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
    found = []
    for boxes, kind in ((photo.people, PERSON), (photo.ignore, IGNORE)):
        for box in boxes:
            whole = box * np.array([scale * stretch, scale] * 2, np.float32) + np.array([x, y] * 2, np.float32)
            seen = np.clip(whole, 0, limits).astype(np.float32)
            share = np.prod(seen[2:] - seen[:2]) / max(np.prod(whole[2:] - whole[:2]), 1.0)
            if share > _SLIVER:
                found.append((seen, kind if share > _SLICE else IGNORE))
    return found


def _panels(sources: Sources, height: int, width: int, rng: np.random.Generator) -> Composed:
    """Several photos side by side, each through its own window."""
    count = int(rng.integers(2, 5))
    edges = np.linspace(0, width, count + 1).astype(int)
    image = np.zeros((height, width, 3), np.uint8)
    boxes = []
    for left, right in itertools.pairwise(edges):
        panel, found = _zoom(sources, height, int(right - left), rng)
        image[:, left:right] = panel
        boxes += [(box + np.array([left, 0, left, 0], np.float32), kind) for box, kind in found]
    return image, boxes


def _scene(sources: Sources, height: int, width: int, rng: np.random.Generator, *, people: int) -> Composed:
    """People cut out of photos, or rendered, in a place; those nearer hide those behind."""
    image = _place(sources, height, width, rng)
    owner = np.zeros((height, width), np.int32)
    sizes: list[int] = []
    base = _target_height(height, rng)
    for tall in sorted(base * rng.uniform(0.75, 1.3, people)):
        cutout = _person(sources, tall, rng)
        x = int(rng.uniform(-0.4 * cutout.shape[1], width - 0.6 * cutout.shape[1]))
        y = int(rng.uniform(-0.45 * cutout.shape[0], max(height - 0.5 * cutout.shape[0], 1)))
        if chance(rng, 0.4):
            _cast_shadow(image, x, y, cutout, rng)
        covered = _paste(image, cutout, x, y)
        sizes.append(int(np.count_nonzero(cutout[..., 3] > _OPAQUE)))
        if covered is not None:
            owner[covered] = len(sizes)
    if people and chance(rng, 0.2):
        _hide(image, owner, rng)
    return image, _seen(owner, sizes)


def _seen(owner: npt.NDArray[np.int32], sizes: list[int]) -> list[tuple[Floats, float]]:
    """Box what is visible of each person; too little counts neither way."""
    boxes = []
    for number, size in enumerate(sizes, start=1):
        mask = owner == number
        visible = int(np.count_nonzero(mask))
        if visible <= 0.02 * size:
            continue
        columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
        box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
        filled = visible / float(np.prod(box[2:] - box[:2]))
        enough = visible > _SLICE * size and filled > _FILLED_AT_LEAST
        boxes.append((box, PERSON if enough else IGNORE))
    return boxes


def _person(sources: Sources, tall: float, rng: np.random.Generator) -> Bytes:
    """One person, scaled, mirrored, bent a little, seen from higher up, in another light."""
    rendered = bool(sources.sprites) and chance(rng, 0.4)
    pool = sources.sprites if rendered else sources.cutouts
    cutout = pool[int(rng.integers(len(pool)))]
    squat = 1.0 if rendered else float(rng.uniform(0.65, 1.1))
    cutout = _resized(cutout, tall / cutout.shape[0] * squat, float(rng.uniform(0.85, 1.2)) / squat)
    if chance(rng, 0.5):
        cutout = np.ascontiguousarray(cutout[:, ::-1])
    if chance(rng, 0.4):
        cutout = _leant(cutout, rng)
    light = rng.uniform(0.5, 1.25) * (1 + rng.normal(0, 0.06, 3))
    if chance(rng, 0.15):
        light = light[::-1] * rng.uniform(0.4, 0.8)
    lit = np.clip(cutout[..., :3] * light, 0, 255).astype(np.uint8)
    alpha = cutout[..., 3]
    if chance(rng, 0.5):
        alpha = np.asarray(cv2.GaussianBlur(alpha, (3, 3), 0), np.uint8)
    return np.dstack([lit, alpha])


def _leant(cutout: Bytes, rng: np.random.Generator) -> Bytes:
    """Turn and shear a cut-out within a border wide enough for it, and narrow its feet as a high camera does."""
    height, width = cutout.shape[:2]
    border = int(0.15 * height) + 1
    cutout = np.asarray(cv2.copyMakeBorder(cutout, 0, 0, border, border, cv2.BORDER_CONSTANT), np.uint8)
    total = width + 2 * border
    corners = np.array([[border, 0], [border + width, 0], [border + width, height], [border, height]], np.float32)
    lean, pinch = rng.uniform(-0.12, 0.12) * height, rng.uniform(0.0, 0.2) * width
    moved = corners + np.array([[lean, 0], [lean, 0], [-pinch, 0], [pinch, 0]], np.float32)
    turn = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    return np.asarray(cv2.warpPerspective(cutout, turn, (total, height)), np.uint8)


def _cast_shadow(image: Bytes, x: int, y: int, cutout: Bytes, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    shade = np.zeros((height, width), np.float32)
    foot = (x + cutout.shape[1] / 2, y + cutout.shape[0] * 0.97)
    cv2.ellipse(shade, (foot, (cutout.shape[1] * 1.3, cutout.shape[0] * 0.12), rng.uniform(-20, 20)), 1.0, -1)
    shade = np.asarray(cv2.blur(shade, (5, 5)), np.float32) * rng.uniform(0.2, 0.6)
    image[:] = (image * (1 - shade[..., np.newaxis])).astype(np.uint8)


def _hide(image: Bytes, owner: npt.NDArray[np.int32], rng: np.random.Generator) -> None:
    """Put a counter, a shelf or a post in front of everybody."""
    height, width = owner.shape
    if chance(rng, 0.6):
        top, left = int(height * rng.uniform(0.45, 0.95)), int(width * rng.uniform(-0.3, 0.8))
        right, bottom = left + int(width * rng.uniform(0.2, 0.9)), height
    else:
        top, bottom, left = 0, height, int(width * rng.uniform(0, 1))
        right = left + int(width * rng.uniform(0.01, 0.06)) + 1
    cv2.rectangle(image, (left, top), (right, bottom), colour(rng), -1)
    owner[top : bottom + 1, max(left, 0) : max(right + 1, 0)] = 0


def _film(image: Bytes, rng: np.random.Generator) -> Bytes:
    """What a camera does to a picture: light, colour, blur, noise, few pixels, compression."""
    height, width = image.shape[:2]
    if chance(rng, 0.15):
        few = rng.uniform(0.35, 0.9)
        small = cv2.resize(image, (int(width * few), int(height * few)), interpolation=cv2.INTER_AREA)
        image = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    if chance(rng, 0.15):
        length = int(rng.integers(2, 6))
        kernel = np.eye(length) if chance(rng, 0.3) else np.ones((1, length))
        image = np.asarray(cv2.filter2D(image, -1, (kernel / kernel.sum()).astype(np.float32)), np.uint8)
    if chance(rng, 0.7):
        ramp = np.linspace(0, 1, 256) ** rng.uniform(0.65, 1.6)
        gain, lift = rng.uniform(0.35, 1.25), rng.uniform(-0.05, 0.12)
        tint = 1 + rng.normal(0, 0.07, 3)
        table = np.clip(255 * (ramp[:, np.newaxis] * gain * tint + lift), 0, 255).astype(np.uint8)
        image = np.asarray(cv2.LUT(image, table[:, np.newaxis]), np.uint8)
    if chance(rng, 0.1):
        image = np.repeat(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)[..., np.newaxis], 3, axis=2)
    if chance(rng, 0.25):
        image = np.clip(image + rng.normal(0, rng.uniform(1, 10), image.shape), 0, 255).astype(np.uint8)
    if chance(rng, 0.5):
        coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(18, 90))])[1]
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return image
