"""Which frames are worth the detector's time: where nothing happens, comparing two small grey pictures is enough."""

import cv2
import numpy as np
import numpy.typing as npt

from vestibule.motion_section import MotionConfig
from vestibule.types import Frame

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
    a frame adds up. People who stand still are thus neither lost nor looked for again and again.
    """

    def __init__(self, config: MotionConfig) -> None:
        self._config = config
        self._looked: tuple[float, tuple[int, ...], Grey] | None = None  # when, the frame's shape, the small picture

    def opens(self, frame: Frame, *, anyway: bool) -> bool:
        """Return whether to look at a frame; if so, the caller does.

        Args:
            frame: the newest of the camera.
            anyway: there is a reason besides a change of the picture.
        """
        if not self._config.enabled:
            return True
        small = small_grey(frame.image)
        if self._looked is not None and not anyway:
            at_s, shape, before = self._looked
            waited = abs(frame.captured_at_s - at_s) >= self._config.look_every_s - _TOLERANCE_S
            if not waited and shape == frame.image.shape and not self._changed(before, small):
                return False
        self._looked = (frame.captured_at_s, frame.image.shape, small)
        return True

    def _changed(self, before: Grey, now: Grey) -> bool:
        apart = cv2.threshold(cv2.absdiff(before, now), self._config.min_change - 1, 1, cv2.THRESH_BINARY)[1]
        return cv2.countNonZero(apart) > self._config.min_share * now.size


def small_grey(image: npt.NDArray[np.uint8]) -> Grey:
    """Return the green channel of a uint8 (H, W, 3) BGR picture, uint8 (90, 160): near enough to how bright it is."""
    height, width = image.shape[:2]
    step = max(1, min(width // (_SAMPLES * _SMALL_WH[0]), height // (_SAMPLES * _SMALL_WH[1])))
    green = np.ascontiguousarray(image[::step, ::step, 1])
    small = cv2.resize(green, _SMALL_WH, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.blur(small, (_BLURRED, _BLURRED)), np.uint8)  # the grain of a dim picture is no change
