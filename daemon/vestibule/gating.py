"""Which frames are worth the detector's time: where nothing happens, comparing two small grey pictures is enough."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from vestibule.motion_section import MotionConfig
from vestibule.types import WHOLE, Columns, Frame

Grey = npt.NDArray[np.uint8]

_SMALL_WH = (160, 90)
_SAMPLES = 2
"""Pixels averaged for one of the small picture, along each side; all of a large frame would cost more than the rest."""
_BLURRED = 3
_TOLERANCE_S = 1e-3
"""Frame times are good to a millisecond."""


class MotionGate:
    """One camera's. While the picture stays the same, what was found in it last still holds.

    What a frame is compared with is the one that was last looked at, not the one before it: somebody who moves a pixel
    a frame adds up. People who stand still are thus neither lost nor looked for again and again. Where columns were
    looked at, those are of that frame, and the others of the one in which they were.
    """

    def __init__(self, config: MotionConfig) -> None:
        self._config = config
        self._small: Grey | None = None  # of the newest frame
        self._looked: tuple[float, tuple[int, ...], Grey] | None = None
        """When all of it was looked at, the frame's shape, the small picture."""

    def opens(self, frame: Frame, *, also: Columns | None = None) -> Columns | None:
        """Return what of a frame to look at, if anything; if so, the caller does, and says `looked`.

        Args:
            frame: the newest of the camera.
            also: columns to look at for another reason than a change of the picture.
        """
        if not self._config.enabled:
            return WHOLE
        self._small = small_grey(frame.image)
        if self._looked is None or self._looked[1] != frame.image.shape:
            return WHOLE
        if abs(frame.captured_at_s - self._looked[0]) >= self._config.look_every_s - _TOLERANCE_S:
            return WHOLE
        reasons = [columns for columns in (self._changed(self._looked[2], self._small), also) if columns is not None]
        if not reasons:
            return None
        return (min(first for first, _ in reasons), max(last for _, last in reasons)) if self._config.regions else WHOLE

    def looked(self, frame: Frame, columns: Columns) -> None:
        """Take in what of the newest frame was looked at."""
        if self._small is None:
            return
        if columns == WHOLE or self._looked is None:
            self._looked = (frame.captured_at_s, frame.image.shape, self._small)
            return
        first, last = math.ceil(columns[0] * _SMALL_WH[0]), math.floor(columns[1] * _SMALL_WH[0])
        self._looked[2][:, first:last] = self._small[:, first:last]

    def _changed(self, before: Grey, now: Grey) -> Columns | None:
        apart = cv2.threshold(cv2.absdiff(before, now), self._config.min_change - 1, 1, cv2.THRESH_BINARY)[1]
        if cv2.countNonZero(apart) <= self._config.min_share * now.size:
            return None
        first, _, width, _ = cv2.boundingRect(apart)
        return first / _SMALL_WH[0], (first + width) / _SMALL_WH[0]


def small_grey(image: npt.NDArray[np.uint8]) -> Grey:
    """Return the green channel of a uint8 (H, W, 3) BGR picture, uint8 (90, 160): near enough to how bright it is."""
    height, width = image.shape[:2]
    step = max(1, min(width // (_SAMPLES * _SMALL_WH[0]), height // (_SAMPLES * _SMALL_WH[1])))
    green = np.ascontiguousarray(image[::step, ::step, 1])
    small = cv2.resize(green, _SMALL_WH, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.blur(small, (_BLURRED, _BLURRED)), np.uint8)  # the grain of a dim picture is no change
