"""The one place where a camera's pixels become a Frame: what its privacy masks cover is black from here on."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from vestibule.privacy_sections import MaskConfig
from vestibule.sections import CameraConfig
from vestibule.types import Detail, Frame, NoDetail

Image = npt.NDArray[np.uint8]

_NO_DETAIL = NoDetail()
_SHIFT = 8
"""Bits of a corner's place behind the point, so that an edge is where the fractions say."""
_EDGE_PX = 3
"""Width of the line along a mask's edge: pixels that it merely touches are black too."""
_TO_EDGE = 0.5
"""OpenCV counts from the middle of the first pixel."""


class Framing:
    """Makes the frames of one camera. Every source has one and makes its frames with nothing else.

    Args:
        camera: its id and masks.

    Attributes:
        copies: pictures that had to be copied, since they may not be written to.
    """

    def __init__(self, camera: CameraConfig) -> None:
        self._camera_id = camera.id
        self._masks = camera.masks
        self._size: tuple[int, ...] | None = None
        self._corners: list[npt.NDArray[np.int32]] = []
        self.copies = 0

    def frame(self, *, seq: int, captured_at_s: float, image: Image, detail: Detail = _NO_DETAIL) -> Frame:
        """Return a frame without what is under the masks.

        Args:
            seq: number of the decoded frame.
            captured_at_s: Unix seconds, UTC.
            image: uint8 (H, W, 3) BGR, of any size from frame to frame; blackened in place where that is possible.
            detail: what another stream shows of it.
        """
        black = self._blackened(image)
        return Frame(camera_id=self._camera_id, seq=seq, captured_at_s=captured_at_s, image=black, detail=detail)

    def _blackened(self, image: Image) -> Image:
        if not self._masks:
            return image
        if not (image.flags.writeable and image.flags.c_contiguous):
            image = image.copy()
            self.copies += 1
        if self._size != image.shape[:2]:
            self._size = image.shape[:2]
            self._corners = _corners(self._masks, *self._size)
        for corners in self._corners:  # one by one: where two overlap, OpenCV would leave the overlap open
            cv2.fillPoly(image, [corners], (0, 0, 0), cv2.LINE_8, _SHIFT)
            cv2.polylines(image, [corners], True, (0, 0, 0), _EDGE_PX, cv2.LINE_8, _SHIFT)
        return image


def _corners(masks: Sequence[MaskConfig], height: int, width: int) -> list[npt.NDArray[np.int32]]:
    """Return each mask's corners, int32 (N, 2) in fractions of a pixel."""
    places = (np.array(mask.polygon) * (width, height) - _TO_EDGE for mask in masks)
    return [np.rint(place * (1 << _SHIFT)).astype(np.int32) for place in places]
