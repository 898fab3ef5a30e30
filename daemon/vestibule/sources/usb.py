"""USB cameras through OpenCV's V4L2 reader."""

import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from vestibule.errors import SourceError
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources.decoding import Count, Thinning, is_blank
from vestibule.sources.framing import Framing
from vestibule.types import Frame


class UsbSource:
    """One USB camera, opened. Frames that are not analysed are grabbed but not decoded.

    Args:
        camera: whose source is an index or a path under /dev.
        capture: the read time-out, which the first USB camera sets for all, and how often a frame is analysed.
        clock: Unix seconds, UTC.
        count: told what becomes of each frame that is not given out.
        open_device: makes OpenCV's capture of (path, backend).

    Raises:
        SourceError: there is no such device, it may not be read, or it gives no video.
    """

    def __init__(
        self,
        camera: CameraConfig,
        capture: CaptureConfig,
        clock: Callable[[], float],
        count: Count,
        open_device: Callable[[str, int], cv2.VideoCapture] = cv2.VideoCapture,
    ) -> None:
        device = Path(f"/dev/video{camera.source}" if camera.source.isdecimal() else camera.source)
        self._name = f"camera {camera.id} ({device})"
        self._framing = Framing(camera)
        self._read_timeout_s = capture.read_timeout_s
        self._thinning = Thinning(capture.analysed_fps)
        self._clock, self._count = clock, count
        self._reading = self._closing = False
        if problem := _unusable(device):
            raise SourceError(f"{self._name}: {problem}")
        cv2.utils.logging.setLogLevel(
            cv2.utils.logging.LOG_LEVEL_SILENT
        )  # what OpenCV would print says less than the errors raised here
        # OpenCV waits 10 s for a frame otherwise, and reads this once.
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(math.ceil(capture.read_timeout_s)))
        self._device = open_device(str(device), cv2.CAP_V4L2)
        if not self._device.isOpened():
            self._device.release()
            found = "is used by another program or is no camera"
            raise SourceError(f"{self._name}: {found}; close that program, or try the device's next number")

    def frames(self) -> Iterator[Frame]:
        """Yield the frames to analyse as they arrive, until `close`; once.

        Raises:
            SourceError: the camera gave no frame.
        """
        self._reading = True
        seq, read_timeout_s = 0, self._read_timeout_s
        try:
            while not self._closing:
                asked_s = time.monotonic()
                if not self._device.grab():
                    frozen = time.monotonic() - asked_s >= read_timeout_s
                    remedy = "check that it is plugged in, or plug it in again"
                    raise SourceError(f"{self._name}: gave no frame; {remedy}", "frozen" if frozen else "offline")
                now_s = self._clock()
                self._count("captured")
                if not self._thinning.due(now_s):
                    self._count("thinned")
                elif (image := self._picture()) is not None:
                    yield self._framing.frame(seq=seq, captured_at_s=now_s, image=image)
                seq += 1
        finally:
            self._device.release()

    def _picture(self) -> npt.NDArray[np.uint8] | None:
        """Decode the frame in hand; None, counted, if nothing can be seen on it."""
        whole, image = self._device.retrieve()
        if not whole or image is None:
            self._count("corrupt")
            return None
        pixels = np.asarray(image, dtype=np.uint8)
        if not pixels.size:
            self._count("empty")
            return None
        if is_blank(pixels):
            self._count("blank")
            return None
        return pixels

    def close(self) -> None:
        """Stop; idempotent. From another thread, the reading one lets go of the device after the frame in hand."""
        self._closing = True
        if not self._reading:
            self._device.release()


def _unusable(device: Path) -> str | None:
    if not device.exists():
        others = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*"))) or "none"
        return f"no such device; check the cable, devices present: {others}"
    if not os.access(device, os.R_OK | os.W_OK):
        return "no permission to use the device; add the service's user to the group `video`"
    return None
