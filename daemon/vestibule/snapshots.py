"""Pictures of those whom an alert is about: kept in memory while they are in view, on disk only at an alert."""

import json
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
import structlog

from vestibule.errors import ConfigError
from vestibule.pixelation import head_regions, pixelate
from vestibule.privacy_sections import SnapshotsConfig
from vestibule.snapshot_folder import SnapshotFolder, forget
from vestibule.types import Crop, Message, Tracks, Visit

log = structlog.get_logger()

_MOST_VIEWS = 64
_GONE_S = 10.0
"""Of somebody who is out of view for so long, the picture is forgotten."""
_MARGIN = 0.1
_TALLEST_PX = 640
_JPEG_QUALITY = 85
_WAITING = 8
_SWEEP_EVERY_S = 60.0
_END_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """The best picture of somebody so far.

    Attributes:
        image: uint8 (h, w, 3) BGR, heads unrecognisable unless snapshots are `full`.
        quality: of the crop that it was made with, 0 to 1.
        seen_at_s: when its person was last in view, Unix seconds, UTC.
    """

    image: npt.NDArray[np.uint8]
    quality: float
    seen_at_s: float


class Album:
    """Makes the snapshots. Shown frames by the thread that looks, and alerts by the one that decides.

    Args:
        config: mode, folder, how long and how much is kept.
        clock: Unix seconds, UTC.

    Raises:
        ConfigError: there is no folder, or it cannot be used.
    """

    def __init__(self, config: SnapshotsConfig, clock: Callable[[], float]) -> None:
        path = config.path()
        if path is None:
            raise ConfigError("snapshots.folder: not set, and there is no state directory; name a folder")
        self.folder = SnapshotFolder(path, keep_s=config.keep_s, max_bytes=config.max_mb * 1_000_000)
        self._blurred, self._clock = config.mode != "full", clock
        self._views: OrderedDict[tuple[str, int], View] = OrderedDict()
        self._turn = threading.Lock()
        self._orders: queue.Queue[tuple[str, float, npt.NDArray[np.uint8]] | None] = queue.Queue(_WAITING)
        self._problem = ""
        self._writer = threading.Thread(target=self._write, name="snapshots", daemon=True)
        self._writer.start()

    def saw(self, tracks: Tracks, crops: Sequence[Crop]) -> None:
        """Keep the best picture of everybody in view; forget those who have gone."""
        camera_id, at_s = tracks.frame.camera_id, tracks.frame.captured_at_s
        quality = {crop.track_id: crop.quality for crop in crops}
        with self._turn:
            for index, track_id in enumerate(tracks.ids.tolist()):
                before = self._views.get((camera_id, track_id))
                if track_id in quality and (before is None or quality[track_id] >= before.quality):
                    image = self._picture(tracks, index)
                    before = View(image=image, quality=quality[track_id], seen_at_s=at_s)
                if before is not None:
                    self._views[camera_id, track_id] = replace(before, seen_at_s=at_s)
                    self._views.move_to_end((camera_id, track_id))
            for key, view in list(self._views.items()):
                if key[0] == camera_id and abs(at_s - view.seen_at_s) > _GONE_S:
                    del self._views[key]
            while len(self._views) > _MOST_VIEWS:
                self._views.popitem(last=False)

    def changed(self, anew: frozenset[str]) -> None:
        """Forget whom these cameras have seen: their tracks are counted from 1 again, and may be somebody else's."""
        with self._turn:
            for key in [key for key in self._views if key[0] in anew]:
                del self._views[key]

    def decided(
        self, tracks: Tracks | None, messages: Sequence[Message], visit_of: Callable[[str, int], Visit | None]
    ) -> None:
        """Order a snapshot for each alert; nothing waits for it to be written."""
        del tracks
        for message in messages:
            if not message.topic.endswith("/alerts"):
                continue
            alert = json.loads(message.payload)
            image = self._best(alert["camera"], alert["visit_id"], visit_of)
            if image is not None:
                with suppress(queue.Full):  # a disk that is this slow is no reason to keep pictures in memory
                    self._orders.put_nowait((alert["alert_id"], alert["raised_at_s"], image))

    def close(self) -> None:
        """Forget what is in memory; what was ordered is still written, if that is quick."""
        with self._turn:
            self._views.clear()
        with suppress(queue.Full):
            self._orders.put_nowait(None)
        self._writer.join(_END_S)

    def _picture(self, tracks: Tracks, index: int) -> npt.NDArray[np.uint8]:
        """Cut somebody out, at most so tall, with every head that is on it made unrecognisable."""
        frame_height, frame_width = tracks.frame.image.shape[:2]
        x0, y0, x1, y1 = (float(value) for value in tracks.boxes_xyxy[index])
        dx, dy = (x1 - x0) * _MARGIN, (y1 - y0) * _MARGIN
        left, top = max(0, int(x0 - dx)), max(0, int(y0 - dy))
        right, bottom = min(frame_width, int(x1 + dx) + 1), min(frame_height, int(y1 + dy) + 1)
        image = tracks.frame.image[top:bottom, left:right].copy()
        if self._blurred:
            for region in head_regions(tracks.boxes_xyxy, (frame_height, frame_width)):
                pixelate(image, region - (left, top, left, top))
        scale = _TALLEST_PX / image.shape[0]
        if scale >= 1:
            return image
        size = (max(1, round(image.shape[1] * scale)), _TALLEST_PX)
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)

    def _best(
        self, camera_id: str, visit_id: str, visit_of: Callable[[str, int], Visit | None]
    ) -> npt.NDArray[np.uint8] | None:
        with self._turn:
            views = [(track_id, view) for (camera, track_id), view in self._views.items() if camera == camera_id]
        theirs = [view for track_id, view in views if (v := visit_of(camera_id, track_id)) and v.visit_id == visit_id]
        return max(theirs, key=lambda view: view.quality).image if theirs else None

    def _write(self) -> None:
        """Delete what is over and write what was ordered, until there is no more; its own thread."""
        more = True
        while more:
            with self._told():
                self.folder.sweep(self._clock())
            try:
                order = self._orders.get(timeout=_SWEEP_EVERY_S)
            except queue.Empty:
                continue
            more = order is not None
            if order is not None:
                with self._told():
                    alert_id, at_s, image = order
                    _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
                    self.folder.put(alert_id, jpeg.tobytes(), at_s)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Log what goes wrong inside, once, and go on: staff are told all the same."""
        try:
            yield
        except (OSError, ValueError, cv2.error) as error:
            if str(error) != self._problem:
                self._problem = str(error)
                log.error("snapshots fail", problem=self._problem)  # noqa: TRY400 - one line says it


def open_album(config: SnapshotsConfig, clock: Callable[[], float]) -> Album | None:
    """Return the album if snapshots are on; else delete those that are left from when they were.

    Raises:
        ConfigError: they are on, and there is no folder or it cannot be used.
    """
    path = config.path()
    if config.mode != "off":
        return Album(config, clock)
    if path is not None and path.is_dir():
        try:
            forget(path, float("inf"))
        except OSError as error:
            raise ConfigError(f"snapshots.folder {path}: cannot be emptied ({error.strerror}); delete it") from error
    return None
