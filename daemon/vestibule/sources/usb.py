"""USB cameras through OpenCV's V4L2 reader."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from vestibule.errors import SourceError
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources.decoding import Thinning
from vestibule.types import Frame


class UsbSource:
    """One USB camera, opened. Frames that are not analysed are grabbed but not decoded.

    A camera that hangs is noticed after V4L2's own 10 s, not after `read_timeout_s`.

    Args:
        camera: whose source is an index or a path under /dev.
        capture: how often a frame is analysed.
        clock: Unix seconds, UTC.
        open_device: makes OpenCV's capture of (path, backend).

    Raises:
        SourceError: there is no such device, it may not be read, or it gives no video.
    """

    def __init__(
        self,
        camera: CameraConfig,
        capture: CaptureConfig,
        clock: Callable[[], float],
        open_device: Callable[[str, int], cv2.VideoCapture] = cv2.VideoCapture,
    ) -> None:
        device = Path(f"/dev/video{camera.source}" if camera.source.isdecimal() else camera.source)
        self._name = f"camera {camera.id} ({device})"
        self._camera_id = camera.id
        self._thinning = Thinning(capture.analysed_fps)
        self._clock = clock
        self._reading = self._closing = False
        if problem := _unusable(device):
            raise SourceError(f"{self._name}: {problem}")
        cv2.utils.logging.setLogLevel(
            cv2.utils.logging.LOG_LEVEL_SILENT
        )  # what OpenCV would print says less than the errors raised here
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
        seq = 0
        try:
            while not self._closing:
                whole = self._device.grab()
                now_s = self._clock()
                if whole and self._thinning.due(now_s):
                    whole, image = self._device.retrieve()
                    if whole:
                        pixels = np.asarray(image, dtype=np.uint8)
                        yield Frame(camera_id=self._camera_id, seq=seq, captured_at_s=now_s, image=pixels)
                if not whole:
                    raise SourceError(f"{self._name}: gave no frame; check that it is plugged in, or plug it in again")
                seq += 1
        finally:
            self._device.release()

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
