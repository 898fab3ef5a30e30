"""What the daemon knows of itself: each camera's state, what became of its frames, and whether the work goes on."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from threading import Lock

import structlog

from vestibule.camera_payloads import CameraPayload, CamerasPayload, CameraState, cameras_topic
from vestibule.payload_fields import SCHEMA_VERSION, encode, to_ms
from vestibule.sources import Fate
from vestibule.types import Message

STUCK_AFTER_S = 30.0
"""A worker that stands still for so long does not come back."""
_BLANKS_IN_A_ROW = 10

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraHealth:
    """One camera at one moment.

    Attributes:
        camera_id: the camera.
        state: how it is.
        since_s: since when, Unix seconds, UTC.
        reason: what is wrong, in words; empty if nothing is.
        connects: how often it was opened.
        frames: what became of its frames, see `Fate`.
        main_problem: why people are cut out of its sub-stream, though it has a main stream; empty if they are not.
    """

    camera_id: str
    state: CameraState
    since_s: float
    reason: str
    connects: int
    frames: dict[Fate, int]
    main_problem: str = ""


class Health:
    """Written by every thread and read by the main one.

    Args:
        camera_ids: the cameras.
        clock: Unix seconds, UTC.
        monotonic: seconds that only grow, for signs of life.
    """

    def __init__(
        self,
        camera_ids: Sequence[str],
        clock: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._monotonic = clock, monotonic
        self._turn = Lock()
        now_s = clock()
        self._cameras: dict[str, CameraHealth] = {
            name: CameraHealth(camera_id=name, state="connecting", since_s=now_s, reason="", connects=0, frames={})
            for name in camera_ids
        }
        self._frames: dict[str, Counter[Fate]] = {name: Counter() for name in camera_ids}
        self._connects: Counter[str] = Counter()
        self._main_problems: dict[str, str] = {}
        self._blanks: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._beats_s: dict[str, float] = {}
        self._analysed_s = monotonic()

    def change(self, camera_ids: Sequence[str], reopened: Collection[str]) -> None:
        """Watch these cameras from now on; those that are opened anew wait to be tried, all counts go on.

        Args:
            camera_ids: the cameras.
            reopened: which of them are new or opened anew; those that are gone may be among them.
        """
        with self._turn:
            now_s, before = self._clock(), self._cameras
            self._cameras = {
                name: before[name]
                if name in before and name not in reopened
                else CameraHealth(camera_id=name, state="connecting", since_s=now_s, reason="", connects=0, frames={})
                for name in camera_ids
            }
            self._frames = {name: self._frames.get(name, Counter()) for name in camera_ids}
            for name in reopened:
                self._main_problems.pop(name, None)

    def frame(self, camera_id: str, fate: Fate) -> None:
        """Count what became of one frame."""
        with self._turn:
            if camera_id not in self._cameras:  # the last frames of one that is gone
                return
            self._frames[camera_id][fate] += 1
        if fate == "analysed":
            self._analysed_s = self._monotonic()
        elif fate == "blank":
            self._blanks[camera_id] += 1
            if self._blanks[camera_id] >= _BLANKS_IN_A_ROW:
                self.camera(camera_id, "blank", "its pictures are of one colour; look at its lens, light and cable")
        elif fate == "still":
            self.camera(camera_id, "still", "it sends the same picture again and again; its encoder hangs: restart it")

    def picture(self, camera_id: str) -> None:
        """Note that a camera gave a picture with something on it."""
        self._blanks[camera_id] = 0
        self.camera(camera_id, "online")

    def connected(self, camera_id: str) -> None:
        """Note that a camera was opened; it is online once it gives a picture."""
        with self._turn:
            self._connects[camera_id] += 1

    def camera(self, camera_id: str, state: CameraState, reason: str = "") -> None:
        """Set a camera's state; a change is logged, a repetition is not."""
        with self._turn:
            before = self._cameras.get(camera_id)
            if before is None or (before.state, before.reason) == (state, reason):
                return
            since_s = before.since_s if before.state == state else self._clock()
            self._cameras[camera_id] = CameraHealth(
                camera_id=camera_id, state=state, since_s=since_s, reason=reason, connects=0, frames={}
            )
        tell = log.info if state in ("online", "ended") else log.warning
        why = {"reason": reason} if reason else {}
        tell("camera state", camera=camera_id, state=state, before=before.state, **why)

    def main_stream(self, camera_id: str, problem: str) -> None:
        """Say what is wrong with a camera's main stream, empty if nothing is; a change is logged."""
        with self._turn:
            if camera_id not in self._cameras or self._main_problems.get(camera_id, "") == problem:
                return
            self._main_problems[camera_id] = problem
        if problem:
            log.warning("people are cut out of the sub-stream", camera=camera_id, reason=problem)
        else:
            log.info("main stream is back", camera=camera_id)

    def count(self, name: str, number: int = 1) -> None:
        """Count something of the whole pipeline."""
        with self._turn:
            self._counts[name] += number

    def beat(self, worker: str) -> None:
        """Note that a worker goes round its loop."""
        self._beats_s[worker] = self._monotonic()

    @property
    def idle_s(self) -> float:
        """Seconds since a frame of any camera was analysed; since the start if none was."""
        return self._monotonic() - self._analysed_s

    def stuck(self) -> list[str]:
        """Return the workers that have not gone round their loop for `STUCK_AFTER_S`."""
        now_s = self._monotonic()
        return [worker for worker, beat_s in self._beats_s.copy().items() if now_s - beat_s > STUCK_AFTER_S]

    @property
    def counts(self) -> dict[str, int]:
        """What was counted of the whole pipeline, and the cameras' frames added up."""
        with self._turn:
            total: Counter[str] = Counter(self._counts)
            for fates in self._frames.values():
                total.update({f"frames_{fate}": number for fate, number in fates.items()})
            return dict(total)

    def cameras(self) -> tuple[CameraHealth, ...]:
        """Return every camera as it is now."""
        with self._turn:
            return tuple(
                CameraHealth(
                    camera_id=name,
                    state=camera.state,
                    since_s=camera.since_s,
                    reason=camera.reason,
                    connects=self._connects[name],
                    frames=dict(self._frames[name]),
                    main_problem=self._main_problems.get(name, ""),
                )
                for name, camera in self._cameras.items()
            )


class MainStreams:
    """Tells `Health` of the main streams of cameras that are detected on another: as a `capture.Watcher`."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def connected(self, camera_id: str) -> None:
        """It was opened, and all is well."""
        self._health.main_stream(camera_id, "")

    def picture(self, camera_id: str) -> None:
        """It gives none."""

    def frame(self, camera_id: str, fate: Fate) -> None:
        """Its packets are not the camera's frames."""

    def camera(self, camera_id: str, state: CameraState, reason: str = "") -> None:
        """It is lost, whatever the camera's state is by its sub-stream."""
        self._health.main_stream(camera_id, reason or state)


def summary(cameras: Sequence[CameraHealth]) -> str:
    """Say in a few words how the cameras are: `2 of 3 cameras online; floor offline`."""
    well = sum(camera.state in ("online", "ended") for camera in cameras)
    ill = [f"{camera.camera_id} {camera.state}" for camera in cameras if camera.state not in ("online", "ended")]
    coarse = [f"{camera.camera_id} without its main stream" for camera in cameras if camera.main_problem]
    return "; ".join([f"{well} of {len(cameras)} cameras online", *ill, *coarse])


def cameras_message(health: Health, *, site: str, prefix: str, at_s: float) -> Message:
    """Publishable form, for `<prefix>/<site>/cameras`, to be retained: states and counts, no picture and no secret.

    Args:
        health: what is published.
        site: the store's id.
        prefix: of the topics.
        at_s: Unix seconds, UTC.
    """
    cameras = health.cameras()
    payload = CamerasPayload(
        schema_version=SCHEMA_VERSION,
        site=site,
        at_s=to_ms(at_s) / 1000,
        summary=summary(cameras),
        cameras={
            camera.camera_id: CameraPayload(
                state=camera.state,
                since_s=to_ms(camera.since_s) / 1000,
                reason=camera.reason or camera.main_problem,
                connects=camera.connects,
                frames={str(fate): number for fate, number in camera.frames.items()},
            )
            for camera in cameras
        },
        counts=health.counts,
    )
    return Message(topic=cameras_topic(prefix, site), at_s=at_s, payload=encode(payload))
