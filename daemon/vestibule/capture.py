"""The capture threads: one a camera, opened again for ever, and left behind where a read never returns."""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import structlog

from vestibule.camera_payloads import CameraState
from vestibule.errors import ConfigError, SourceError, SourceProblem
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources import Count, Fate, Source, is_file
from vestibule.stillness import Stillness
from vestibule.types import Frame

log = structlog.get_logger()

OpenSource = Callable[[CameraConfig, Count], Source]
StartThread = Callable[[str, Callable[[], None]], threading.Thread]

_GRACE_S = 1.0
"""The libraries' own time-outs are to speak first: they know more."""
_MOST_LEFT_BEHIND = 3
_REFUSED_S = 60.0
"""Cameras lock out who brings a wrong password too often."""
_STEADY_S = 30.0
"""A connection that lasted so long makes the next failure a new one, tried again at once."""


class Watcher(Protocol):
    """Told how the cameras are, from their threads, by the camera's id."""

    def connected(self, camera_id: str) -> None:
        """It was opened."""
        ...

    def picture(self, camera_id: str) -> None:
        """It gave a picture with something on it."""
        ...

    def frame(self, camera_id: str, fate: Fate) -> None:
        """This became of one of its frames."""
        ...

    def camera(self, camera_id: str, state: CameraState, reason: str = "") -> None:
        """It is so."""
        ...


@dataclass(eq=False, kw_only=True)
class _Attempt:
    """One thread's time with one camera.

    Attributes:
        camera: the camera.
        over: set when the thread is to end; another may have taken its place.
        thread: the thread, once it is started.
        source: what it reads, if it has something open.
        due_s: until when, in monotonic seconds, the library must have returned; None outside of it.
    """

    camera: CameraConfig
    over: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    source: Source | None = None
    due_s: float | None = None

    @cached_property
    def is_file(self) -> bool:
        """Whether it reads recorded video; asked for with every picture."""
        return is_file(self.camera)

    @property
    def alive(self) -> bool:
        """Whether its thread still runs."""
        return self.thread is not None and self.thread.is_alive()

    def expect(self, within_s: float) -> None:
        """Give the library so long from now; a file may take its time."""
        if not self.is_file:
            self.due_s = time.monotonic() + within_s

    def end(self) -> None:
        """Ask the thread to end, as soon as the library lets it."""
        self.over.set()
        if self.source is not None:
            self.source.close()


class Captures:
    """All cameras' threads. `tend`, called often, replaces those whose library does not return in time.

    A thread cannot be ended from outside. One that is stuck in a read is left behind, and lets go of its camera when
    the read returns, if ever; a new one takes its place, up to three such at a time.

    Args:
        cameras: the cameras.
        config: time-outs, retries.
        open_camera: opens one of them, and is told what becomes of the frames that the source keeps to itself.
        deliver: takes a frame; returns whether it pushed out an older one.
        health: told how the cameras are.
        start_thread: starts a named thread, whose failure ends the daemon.
    """

    def __init__(
        self,
        *,
        cameras: Sequence[CameraConfig],
        config: CaptureConfig,
        open_camera: OpenSource,
        deliver: Callable[[Frame], bool],
        health: Watcher,
        start_thread: StartThread,
    ) -> None:
        self._config, self._open_camera, self._deliver = config, open_camera, deliver
        self._health, self._start_thread = health, start_thread
        self._left_behind: dict[str, list[_Attempt]] = defaultdict(list)
        self._attempts = {camera.id: self._begin(camera) for camera in cameras}

    def tend(self) -> bool:
        """Replace the threads that are stuck; return whether any camera is still read."""
        now_s = time.monotonic()
        for camera_id, attempt in self._attempts.items():
            if not attempt.over.is_set() and attempt.due_s is not None and now_s > attempt.due_s and attempt.alive:
                self._leave_behind(attempt)
            if attempt.over.is_set():
                stuck = self._left_behind[camera_id] = [one for one in self._left_behind[camera_id] if one.alive]
                if len(stuck) < _MOST_LEFT_BEHIND:
                    self._attempts[camera_id] = self._begin(attempt.camera, wait_s=self._config.retry_initial_s)
        return any(attempt.alive or attempt.over.is_set() for attempt in self._attempts.values())

    def change(self, cameras: Sequence[CameraConfig], reopened: Collection[str], timeout_s: float) -> None:
        """Open some cameras anew, and let go of those that are gone; the others notice nothing. As `tend`, one thread.

        Args:
            cameras: the cameras from now on.
            reopened: ids of those that are new, gone, or to be opened anew.
            timeout_s: how long to wait altogether until they are let go of; a read that lasts longer is left behind.
        """
        ended = [self._attempts.pop(name) for name in reopened if name in self._attempts]
        _end(ended, timeout_s)
        for attempt in ended:
            if attempt.alive:
                self._left_behind[attempt.camera.id].append(attempt)
        self._attempts |= {camera.id: self._begin(camera) for camera in cameras if camera.id in reopened}

    def stop(self, timeout_s: float) -> None:
        """End all threads, and wait so long altogether for those that can end."""
        _end(self._attempts.values(), timeout_s)

    def _begin(self, camera: CameraConfig, wait_s: float = 0.0) -> _Attempt:
        attempt = _Attempt(camera=camera)
        attempt.thread = self._start_thread(f"capture-{camera.id}", lambda: self._loop(attempt, wait_s))
        return attempt

    def _leave_behind(self, attempt: _Attempt) -> None:
        camera_id = attempt.camera.id
        attempt.end()
        self._left_behind[camera_id].append(attempt)
        reason = "its driver or library did not return in time; it is opened anew"
        if len(self._left_behind[camera_id]) >= _MOST_LEFT_BEHIND:
            reason = f"{_MOST_LEFT_BEHIND} reads of it never returned; it is opened again when one does, or restart"
        self._health.camera(camera_id, "frozen", reason)

    def _loop(self, attempt: _Attempt, wait_s: float) -> None:
        """Read one camera for ever; a file ends. Failures are noted, waited out and tried again."""
        camera, retry_s = attempt.camera, self._config.retry_initial_s
        attempt.over.wait(wait_s)
        while not attempt.over.is_set():
            began_s, refused = time.monotonic(), False
            try:
                self._give_out(attempt)
            except (SourceError, ConfigError) as error:
                if attempt.over.is_set():
                    return
                # A password file that is gone is no reason to end: it may be on its way to being replaced.
                problem: SourceProblem = error.problem if isinstance(error, SourceError) else "offline"
                self._health.camera(camera.id, problem, str(error))
                if attempt.is_file:
                    return
                refused = problem == "unauthorised"
            else:
                if not attempt.over.is_set():
                    self._health.camera(camera.id, "ended")
                return
            if time.monotonic() - began_s > _STEADY_S:
                retry_s = self._config.retry_initial_s
            # Jitter spreads the retries of cameras that failed together; nothing secret hangs on it.
            attempt.over.wait(_REFUSED_S if refused else random.uniform(retry_s / 2, retry_s))  # noqa: S311
            retry_s = min(2 * retry_s, self._config.retry_max_s)

    def _give_out(self, attempt: _Attempt) -> None:
        """Deliver the frames of one camera, until it has no more."""
        camera, stillness = attempt.camera, Stillness(self._config.still_after_s)
        for frame in self._frames(attempt):
            if not attempt.is_file and stillness.lasts(frame):  # a drawn film may well stand still
                self._health.frame(camera.id, "still")
            else:
                self._health.picture(camera.id)
            if self._deliver(frame):
                self._health.frame(camera.id, "overtaken")

    def _frames(self, attempt: _Attempt) -> Iterator[Frame]:
        """Open the camera and yield its frames while the attempt lasts; every sign of life puts the deadline off."""
        patience_s = self._config.read_timeout_s + _GRACE_S

        def count(fate: Fate) -> None:
            if attempt.due_s is not None:
                attempt.expect(patience_s)
            if not attempt.over.is_set():
                self._health.frame(attempt.camera.id, fate)

        # FFmpeg may take the time-out twice: to connect, and to find out what is sent.
        attempt.expect(2 * self._config.open_timeout_s + _GRACE_S)
        try:
            attempt.source = self._open_camera(attempt.camera, count)
            if attempt.over.is_set():
                return
            self._health.connected(attempt.camera.id)
            attempt.expect(patience_s)
            for frame in attempt.source.frames():
                if attempt.over.is_set():
                    return
                yield frame
                attempt.expect(patience_s)
        finally:
            attempt.due_s = None
            if attempt.source is not None:
                attempt.source.close()
                attempt.source = None


def _end(attempts: Collection[_Attempt], timeout_s: float) -> None:
    """Ask all of these to end, and wait so long altogether."""
    for attempt in attempts:
        attempt.end()
    deadline_s = time.monotonic() + timeout_s
    for attempt in attempts:
        if attempt.thread is not None:
            attempt.thread.join(timeout=max(0.0, deadline_s - time.monotonic()))
