"""The newest picture of each camera that somebody watches, with the people on it; nothing while nobody does."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from vestibule.drawing import Image, draw_person
from vestibule.types import Crop, Message, Tracks, Visit

_WATCHED_S = 5.0
"""Nobody has asked for a camera's picture for so long: nobody watches it."""
_EVERY_S = 0.2
"""Pictures are made no more often, however many people watch and however fast they ask."""
_WIDEST_PX = 1280
_SMALL_PX = 640
_JPEG_QUALITY = 80
_MOST_ALERTED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What is shown of a camera.

    Attributes:
        jpeg: the picture.
        captured_at_s: Unix seconds, UTC.
        size: width and height of the camera's own picture, pixels.
    """

    jpeg: bytes
    captured_at_s: float
    size: tuple[int, int]


@dataclass(slots=True, kw_only=True, eq=False)
class _Watched:
    """One camera that somebody watches."""

    asked_s: float
    tracks: Tracks | None = None
    visits: dict[int, Visit] = field(default_factory=dict)
    made: Picture | None = None
    made_s: float = float("-inf")


class LiveView:
    """Takes the newest frame of the cameras that are watched, by reference; draws and encodes when somebody asks.

    Args:
        monotonic: seconds that only grow.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._turn, self._drawing = threading.Lock(), threading.Lock()
        self._cameras: dict[str, _Watched] = {}
        self._alerted: dict[str, None] = {}
        self.encoded = 0

    def saw(self, tracks: Tracks, crops: Sequence[Crop]) -> None:
        """Take a frame in place of the one before, if its camera is watched."""
        del crops
        with self._turn:
            if watched := self._cameras.get(tracks.frame.camera_id):
                watched.tracks = tracks

    def changed(self, anew: frozenset[str]) -> None:
        """Show nothing any more that these cameras gave until now."""
        with self._turn:
            for camera_id in anew & self._cameras.keys():
                self._cameras[camera_id] = _Watched(asked_s=self._cameras[camera_id].asked_s)

    def decided(
        self, tracks: Tracks | None, messages: Sequence[Message], visit_of: Callable[[str, int], Visit | None]
    ) -> None:
        """Note what is known of the people on the frame, and whom staff were told of."""
        with self._turn:
            if not self._cameras:
                return
            for message in messages:
                if message.topic.endswith("/alerts"):
                    self._alerted[json.loads(message.payload)["visit_id"]] = None
            while len(self._alerted) > _MOST_ALERTED:
                del self._alerted[next(iter(self._alerted))]
            watched = None if tracks is None else self._cameras.get(tracks.frame.camera_id)
            if watched is not None and tracks is not None:
                visits = {one: visit_of(tracks.frame.camera_id, one) for one in tracks.ids.tolist()}
                watched.visits = {track_id: visit for track_id, visit in visits.items() if visit is not None}

    def forget_unwatched(self) -> None:
        """Let go of the pictures that nobody asks for any more."""
        now_s = self._monotonic()
        with self._turn:
            self._cameras = {name: one for name, one in self._cameras.items() if now_s - one.asked_s <= _WATCHED_S}

    def picture(self, camera_id: str) -> Picture | None:
        """Return the newest picture of a camera; None if there is none yet. From now on it is watched for a while."""
        now_s = self._monotonic()
        with self._turn:
            watched = self._cameras.setdefault(camera_id, _Watched(asked_s=now_s))
            watched.asked_s = now_s
            tracks, visits, made = watched.tracks, watched.visits, watched.made
            if tracks is None or now_s - watched.made_s < _EVERY_S:
                return made
            if made is not None and made.captured_at_s == tracks.frame.captured_at_s:
                return made
        if not self._drawing.acquire(blocking=False):  # one at a time: the cameras come first
            return made
        try:
            fresh = self._make(tracks, visits)
        finally:
            self._drawing.release()
        with self._turn:
            if self._cameras.get(camera_id) is watched:  # else the camera began anew meanwhile
                watched.made, watched.made_s = fresh, now_s
                return fresh
        return None

    def _make(self, tracks: Tracks, visits: dict[int, Visit]) -> Picture:
        self.encoded += 1
        height, width = tracks.frame.image.shape[:2]
        scale = 2.0 if width <= _SMALL_PX else min(1.0, _WIDEST_PX / width)
        how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        canvas: Image = np.array(cv2.resize(tracks.frame.image, None, fx=scale, fy=scale, interpolation=how), np.uint8)
        for track_id, box in zip(tracks.ids.tolist(), tracks.boxes_xyxy * scale, strict=True):
            visit = visits.get(track_id)
            draw_person(canvas, track_id, box, visit, alerted=visit is not None and visit.visit_id in self._alerted)
        _, jpeg = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        return Picture(jpeg=jpeg.tobytes(), captured_at_s=tracks.frame.captured_at_s, size=(width, height))
