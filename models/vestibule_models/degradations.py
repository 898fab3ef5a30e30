"""What a camera on a ceiling does to a picture, one thing at a time, to measure what it costs."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

_BLUR_SHARE = 0.012
"""Standard deviation of the blur as a share of the picture's height: about 3 px of a person 280 px tall."""
_DARK_GAIN, _DARK_NOISE = 0.3, 6.0
"""Light left, and the standard deviation of the sensor's noise at that light, in 0-255 values."""
_JPEG_QUALITY = 30


def scaled_to(height_px: int) -> Callable[[Bytes], Bytes]:
    """Return what shrinks a picture to a height, as if the person stood farther off; smaller ones stay as they are."""

    def scale(image: Bytes) -> Bytes:
        height, width = image.shape[:2]
        if height <= height_px:
            return image
        size = (max(1, round(width * height_px / height)), height_px)
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)

    return scale


def blurred(image: Bytes) -> Bytes:
    """Blur as a lens out of focus does; a Gaussian stands for it."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(0.3, _BLUR_SHARE * image.shape[0])), np.uint8)


def darkened(image: Bytes) -> Bytes:
    """Take seven tenths of the light away and add the noise of a sensor; equal pictures get equal noise."""
    noise = np.random.default_rng(image.shape[0] * 65536 + image.shape[1]).normal(0, _DARK_NOISE, image.shape)
    return np.clip(np.rint(image * _DARK_GAIN + noise), 0, 255).astype(np.uint8)


def compressed(image: Bytes) -> Bytes:
    """Write and read the picture as JPEG of quality 30, as frugal cameras send it."""
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


DEGRADATIONS: dict[str, Callable[[Bytes], Bytes]] = {
    "128 px tall": scaled_to(128),
    "96 px tall": scaled_to(96),
    "64 px tall": scaled_to(64),
    "blur": blurred,
    "dark": darkened,
    "JPEG 30": compressed,
}
"""By name; each takes and returns uint8 (H, W, 3) RGB."""
