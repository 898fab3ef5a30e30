"""What a store's camera does to a picture: distance, compression, light, blur, boxes that do not fit."""

import cv2
import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import InputSpec
from vestibule_models.letterbox import letterbox

Image = NDArray[np.uint8]
WHITE = 238
"""A background is white where all corners are at least that bright in each channel."""


def augment(image: Image, rng: np.random.Generator, spec: InputSpec) -> Image:
    """Return a changed copy, letterboxed to the network's input, uint8 (height, width, 3) RGB.

    Args:
        image: uint8 (H, W, 3) RGB, or RGBA (a rendered person), which is first put before a background.
        rng: where all chances come from.
        spec: the network's input.
    """
    if image.shape[2] == 4:  # noqa: PLR2004 - colour and cover
        image = place(image, rng)
    image = jitter_box(image, rng)
    if chance(rng, 0.5):
        image = image[:, ::-1]
    image = change_light(image, rng)
    image = film(image, rng)
    image, _ = letterbox(np.ascontiguousarray(image), spec)
    if chance(rng, 0.2):
        hide_part(image, rng)
    return image


def chance(rng: np.random.Generator, share: float) -> bool:
    """Return true in that share of the calls."""
    return bool(rng.random() < share)


def jitter_box(image: Image, rng: np.random.Generator) -> Image:
    """Cut to a box that is loose, tight, or lacks the head or the legs; then stretch it a little.

    The stretch stands for a high camera, which sees people shortened, and for lenses.
    """
    height, width = image.shape[:2]
    top, left, right = rng.uniform(0, 0.10), rng.uniform(0, 0.14), rng.uniform(0, 0.14)
    bottom = rng.uniform(0, 0.10)
    if chance(rng, 0.15):
        bottom = rng.uniform(0.10, 0.35)
    elif chance(rng, 0.10):
        top = rng.uniform(0.10, 0.20)
    cut = image[int(top * height) : max(int((1 - bottom) * height), 8), int(left * width) : int((1 - right) * width)]
    stretched = (
        max(8, round(cut.shape[1] * rng.uniform(0.9, 1.12))),
        max(8, round(cut.shape[0] * rng.uniform(0.8, 1.1))),
    )
    return np.asarray(cv2.resize(cut, stretched, interpolation=cv2.INTER_LINEAR), np.uint8)


def change_light(image: Image, rng: np.random.Generator) -> Image:
    """Change gamma, brightness, contrast, saturation and white balance."""
    x = (image.astype(np.float32) / 255) ** np.float32(np.exp(rng.normal(0, 0.25)))
    grey = x.mean(axis=2, keepdims=True)
    x = grey + (x - grey) * np.float32(rng.uniform(0.6, 1.3))
    middle = x.mean()
    x = middle + (x - middle) * np.float32(rng.uniform(0.7, 1.2))
    x *= rng.normal(1, 0.06, 3).astype(np.float32) * np.float32(rng.uniform(0.65, 1.2))
    return np.asarray(np.clip(x * 255, 0, 255), np.uint8)


def film(image: Image, rng: np.random.Generator) -> Image:
    """Shrink to a person's height in a camera's picture, blur, add noise, compress."""
    if chance(rng, 0.7):
        scale = min(1.0, float(np.exp(rng.uniform(np.log(60), np.log(280)))) / image.shape[0])
        size = (max(8, round(image.shape[1] * scale)), max(8, round(image.shape[0] * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    if chance(rng, 0.2):
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2)), np.uint8)
    if chance(rng, 0.2):
        image = np.asarray(np.clip(image + rng.normal(0, rng.uniform(2, 8), image.shape), 0, 255), np.uint8)
    if chance(rng, 0.5):
        _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 90))])
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return image


def hide_part(image: Image, rng: np.random.Generator) -> None:
    """Cover a rectangle with one colour, in place: a shelf, a bag, another person."""
    height, width = image.shape[:2]
    tall, wide = int(height * rng.uniform(0.08, 0.28)), int(width * rng.uniform(0.15, 0.5))
    top, left = int(rng.integers(0, height - tall)), int(rng.integers(0, width - wide))
    image[top : top + tall, left : left + wide] = rng.integers(0, 256, 3)


def place(sprite: Image, rng: np.random.Generator) -> Image:
    """Put RGBA (H, W, 4) before a plain room: wall, floor and a few things, with room to spare on each side."""
    height, width = sprite.shape[:2]
    pad_y, pad_x = int(height * rng.uniform(0.02, 0.1)), int(width * rng.uniform(0.05, 0.3))
    full_h, full_w = height + 2 * pad_y, width + 2 * pad_x
    room = np.empty((full_h, full_w, 3), np.float32)
    horizon = int(full_h * rng.uniform(0.1, 0.9))
    room[:horizon], room[horizon:] = _surface(rng), _surface(rng)
    for _ in range(int(rng.integers(0, 6))):
        y, x = int(rng.integers(0, full_h)), int(rng.integers(0, full_w))
        room[y : y + int(rng.integers(5, full_h)), x : x + int(rng.integers(3, full_w))] = rng.uniform(0, 255, 3)
    room *= np.linspace(rng.uniform(0.7, 1.1), rng.uniform(0.7, 1.1), full_w, dtype=np.float32)[None, :, None]
    room = cv2.GaussianBlur(room, (0, 0), rng.uniform(0.5, 3)) + rng.normal(0, 4, (full_h, full_w, 3))
    cover = sprite[:, :, 3:].astype(np.float32) / 255
    part = room[pad_y : pad_y + height, pad_x : pad_x + width]
    part[:] = part * (1 - cover) + sprite[:, :, :3] * cover
    return np.asarray(np.clip(room, 0, 255), np.uint8)


def cover_of(image: Image, outline: Image | None) -> Image:
    """Return RGBA of what stands before the background, by the outline or because the background is white.

    Args:
        image: uint8 (H, W, 3) RGB.
        outline: uint8 (H, W), above 0 on the person; None where nobody drew it.

    Returns:
        uint8 (H, W, 4), or the image itself where neither helps.
    """
    if outline is not None:
        cover = np.where(outline > 0, 255, 0).astype(np.uint8)
    else:
        height, width = image.shape[:2]
        corners = [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)]
        if not all((image[y, x] >= WHITE).all() for x, y in corners):
            return image
        seen = np.zeros((height + 2, width + 2), np.uint8)
        flags = 4 | cv2.FLOODFILL_MASK_ONLY | (255 << 8)
        writable = image.copy()  # floodFill asks for it, though only the mask is changed
        for corner in corners:
            cv2.floodFill(writable, seen, corner, 0, (6,) * 3, (6,) * 3, flags)
        cover = 255 - seen[1:-1, 1:-1]
    return np.dstack([image, cv2.GaussianBlur(cover, (3, 3), 0)])


def _surface(rng: np.random.Generator) -> NDArray[np.float64]:
    return np.clip(rng.uniform(30, 235) + rng.normal(0, 18, 3), 0, 255)
