"""How long the ways between cameras take: as configured, or as learned from those that were walked."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from vestibule.sections import CameraConfig
from vestibule.stay_sections import StaysConfig

LEARNT_FROM = 20
"""Walks of one way after which its window is learned."""
_REMEMBERED = 100
_PERCENTILES = (5, 95)
_LEEWAY = 2.0
"""The learned window is so much wider, at both ends, than what was walked, so that it can follow a change."""

Window = tuple[float, float]
"""Seconds from the last sight before one camera to the first before the other, at least and at most."""


class Walks:
    """The window of each way between two cameras, in one direction."""

    def __init__(self, cameras: Sequence[CameraConfig], config: StaysConfig) -> None:
        self._config = config
        self._walked: dict[tuple[str, str], deque[float]] = {}
        self.watch(cameras)

    def watch(self, cameras: Sequence[CameraConfig]) -> None:
        """Let people walk between these cameras from now on, and no others."""
        floor = {camera.id: camera.role == "floor" for camera in cameras}
        doors = {camera.id for camera in cameras if camera.role == "entrance" and camera.entrance is not None}
        usual = (0.0, self._config.max_walk_s)
        self._windows: dict[tuple[str, str], Window] = {}
        self._configured = {
            (walk.from_camera, walk.to_camera): (walk.min_s, walk.max_s)
            for walk in self._config.walks
            if walk.from_camera in floor and walk.to_camera in floor
        }
        if self._config.enabled:
            # Whoever crosses an entrance line inwards comes from outside.
            ways = [(a, b) for a in floor for b in floor if a != b and (floor[a] or floor[b]) and b not in doors]
            self._windows = dict.fromkeys(ways, usual) | self._configured
        self._walked = {way: times for way, times in self._walked.items() if way in self._windows}

    @property
    def any(self) -> bool:
        """Whether there is a way at all."""
        return bool(self._windows)

    @property
    def longest_s(self) -> float:
        """After so long nobody arrives any more, whatever is learned."""
        return max((max_s for _, max_s in self._windows.values()), default=0.0)

    def window_s(self, from_camera: str, to_camera: str) -> Window | None:
        """Return the window of a way, None if people are not linked over it."""
        window = self._windows.get((from_camera, to_camera))
        walked = self._walked.get((from_camera, to_camera), ())
        if window is None or len(walked) < LEARNT_FROM:
            return window
        low_s, high_s = np.percentile(walked, _PERCENTILES)
        return float(low_s / _LEEWAY), min(float(high_s * _LEEWAY), window[1])

    def note(self, from_camera: str, to_camera: str, walk_s: float) -> None:
        """Somebody was linked after walking for so long; of ways that are configured there is nothing to learn."""
        way = (from_camera, to_camera)
        if self._config.learn_walks and way not in self._configured:
            self._walked.setdefault(way, deque(maxlen=_REMEMBERED)).append(walk_s)
