"""Reading photos as people have them: turned by EXIF, 16 bits, transparent, grey, cut off, or no photos at all."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
"""Of the files that are taken for photos, in small letters."""
_JPEG_BEGINS, _JPEG_ENDS = b"\xff\xd8\xff", b"\xff\xd9"
_TAIL_BYTES = 65536
"""Cameras append things behind the picture; its end is looked for in so many last bytes."""


Pixels = NDArray[np.uint8 | np.uint16 | np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A photo that could not be read, and why."""

    path: Path
    reason: str


def read_picture(path: Path, *, keep_cover: bool = False) -> NDArray[np.uint8]:
    """Return a photo as uint8 (H, W, 3) RGB, upright: EXIF's turn is applied, 16 bits become 8, transparent is white.

    Args:
        path: of the photo.
        keep_cover: where it has transparency, return uint8 (H, W, 4) RGBA instead.

    Raises:
        ArtifactError: the file is missing, no picture, or ends before the picture does.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"picture {path}: {error.strerror}") from error
    jpeg = data.startswith(_JPEG_BEGINS)
    if jpeg and _JPEG_ENDS not in data[-_TAIL_BYTES:]:
        raise ArtifactError(f"picture {path}: cut off, the end of the JPEG is missing")
    pixels = np.frombuffer(data, np.uint8)
    # Only without IMREAD_UNCHANGED does OpenCV turn by EXIF; only with it does it keep transparency, which JPEG lacks.
    image = None if jpeg else _decode(pixels, cv2.IMREAD_UNCHANGED)
    if image is not None and image.ndim == 3 and image.shape[2] == 4:  # noqa: PLR2004 - colour and cover
        return _eight_bits(image) if keep_cover else _on_white(image)
    image = _decode(pixels, cv2.IMREAD_COLOR)
    if image is None:
        raise ArtifactError(f"picture {path}: not a picture that OpenCV can read")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def find_unreadable(paths: Sequence[Path], *, threads: int = 4) -> list[Skipped]:
    """Return the photos that `read_picture` refuses, in order. Reads every one of them."""
    with ThreadPoolExecutor(threads) as pool:
        return [skipped for skipped in pool.map(_try, paths) if skipped is not None]


def _try(path: Path) -> Skipped | None:
    try:
        read_picture(path)
    except ArtifactError as error:
        return Skipped(path=path, reason=str(error))
    return None


def _decode(data: NDArray[np.uint8], flags: int) -> Pixels | None:
    try:
        return cast("Pixels | None", cv2.imdecode(data, flags))
    except cv2.error:  # an empty file, or a size beyond OpenCV's limits
        return None


def _eight_bits(image: Pixels) -> NDArray[np.uint8]:
    """Return (H, W, 4) BGRA as uint8 RGBA."""
    rgba = image[:, :, [2, 1, 0, 3]]
    return np.asarray(np.clip(_shares(rgba) * 255 + 0.5, 0, 255), np.uint8)


def _on_white(image: Pixels) -> NDArray[np.uint8]:
    share = _shares(image)
    cover = share[:, :, 3:]
    rgb = share[:, :, 2::-1] * cover + (1 - cover)
    return np.asarray(np.clip(rgb * 255 + 0.5, 0, 255), np.uint8)


def _shares(image: Pixels) -> NDArray[np.float32]:
    """Return values as shares of the most that their type holds."""
    return image.astype(np.float32) / np.float32({"uint8": 255, "uint16": 65535}.get(str(image.dtype), 1))
