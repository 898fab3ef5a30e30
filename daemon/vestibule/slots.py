"""Where capture threads leave frames for the one that looks; the one policy of backpressure: the newest counts."""

import threading
from collections.abc import Collection

from vestibule.types import Frame


class Slots:
    """The newest frame of each camera; putting a newer one drops the one that nobody fetched."""

    def __init__(self) -> None:
        self._frames: dict[str, Frame] = {}
        self._ready = threading.Condition()

    def put(self, frame: Frame) -> bool:
        """Return whether an older frame was dropped."""
        with self._ready:
            dropped = self._frames.pop(frame.camera_id, None) is not None
            self._frames[frame.camera_id] = frame  # at the end: the camera that waited longest goes first
            self._ready.notify()
        return dropped

    def forget(self, camera_ids: Collection[str]) -> None:
        """Drop what these cameras have put."""
        with self._ready:
            for camera_id in camera_ids:
                self._frames.pop(camera_id, None)

    def get(self, timeout_s: float, most: int = 1) -> list[Frame]:
        """Return the frames that waited longest, each of another camera; nothing if there was none in time.

        Args:
            timeout_s: for the first one; nobody waits for more.
            most: of them.
        """
        with self._ready:
            if not self._frames:
                self._ready.wait(timeout_s)
            return [self._frames.pop(camera_id) for camera_id in list(self._frames)[:most]]
