"""Wires the stages with threads and queues, for live cameras.

Each camera has a capture thread with a slot for its newest frame; one thread looks, one classifies, one decides and
publishes. Backpressure is one policy: live drops the oldest frame and counts it; inline (`inline.py`) takes every one.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import structlog

from vestibule.capture import Captures, OpenSource
from vestibule.claims import ClaimInbox
from vestibule.complaints import Complaints
from vestibule.config import Settings
from vestibule.health import Health, MainStreams
from vestibule.observers import Meter, NoMeter, Onlooker, Stage
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sinks import Sink
from vestibule.slots import Slots
from vestibule.stages import Change, Stages
from vestibule.types import Crop, CropBatch, Frame, Message, NoDetail, Reading, Tracks

log = structlog.get_logger()

_QUEUE_LENGTH = 64
"""From which on nobody puts more; several who put at a time may make it a few more."""
_TICK_S, _FULL_TICK_S = 0.2, 0.005
_BATCHES_IN_A_ROW = 3
"""So many that the classifier fails on end the daemon: it is not the batch."""
_CAPTURES_END_S, _WORKERS_END_S, _HURRIED_END_S = 1.0, 1.5, 1.0
"""How long the threads may take to end when somebody waits for it; systemd and people expect 5 s altogether."""
_FILES_END_S = 60.0
Item = TypeVar("Item")


class LivePipeline:
    """The daemon's threads.

    Ending, by `stop` or because all files are over, runs downstream: captures end, then each worker finishes what
    is queued for it; asked to stop, it gives up crops that take too long, so that the visits are still published. A
    worker that fails sets `_abort`, and everything ends at once.

    Args:
        stages: what the workers run.
        cameras: the cameras.
        capture: how they are read.
        open_camera: opens one of them.
        open_main: opens the main stream of one that is detected on its sub-stream; None if that is not wanted.
        sinks: where messages go.
        health: told of cameras, frames and workers.
        clock: Unix seconds, UTC.
        meter: told how long things take.
        onlookers: shown pictures and decisions.
        claims: what staff say that they go to; decided in the thread that decides.
    """

    def __init__(
        self,
        *,
        stages: Stages,
        cameras: Sequence[CameraConfig],
        capture: CaptureConfig,
        open_camera: OpenSource,
        open_main: OpenSource | None = None,
        sinks: Sequence[Sink],
        health: Health,
        clock: Callable[[], float],
        meter: Meter | None = None,
        onlookers: Sequence[Onlooker] = (),
        claims: ClaimInbox | None = None,
    ) -> None:
        self._meter, self._onlookers = meter or NoMeter(), onlookers
        self._claims, self._complaints = claims or ClaimInbox(), Complaints(time.monotonic)
        self._stages, self._cameras, self._capture = stages, cameras, capture
        self._open_camera, self._open_main = open_camera, open_main
        self._sinks, self._clock, self._health = sinks, clock, health
        self._slots = Slots()
        self._crops: queue.SimpleQueue[tuple[Crop, ...] | None] = queue.SimpleQueue()
        self._for_desk: queue.SimpleQueue[Tracks | tuple[Reading, ...] | Change | None] = queue.SimpleQueue()
        self._for_vision: queue.SimpleQueue[Change] = queue.SimpleQueue()
        self._captures: Captures | None = None
        self._mains: Captures | None = None
        self._captures_over, self._hurry, self._abort = threading.Event(), threading.Event(), threading.Event()
        self._begun_s: dict[str, float] = {}
        self._failed_in_a_row = 0
        self._failures: list[Exception] = []
        self.stop = threading.Event()

    def run(self, tick: Callable[[], None] = lambda: None) -> None:
        """Block until `stop` is set or all files are over; then finish and publish the visits under way.

        Args:
            tick: called a few times a second from this thread while it all runs.

        Raises:
            Exception: whatever a thread failed with.
        """
        self._captures = captures = Captures(
            cameras=self._cameras,
            config=self._capture,
            open_camera=self._open_camera,
            deliver=self._slots.put,
            health=self._health,
            start_thread=self._start,
        )
        if self._open_main is not None:
            self._mains = self._capture_mains(self._open_main)
        workers = [self._start(w.__name__.strip("_"), w) for w in (self._look, self._classify, self._decide)]
        while not self.stop.wait(_TICK_S) and captures.tend():
            if self._mains is not None:
                self._mains.tend()
            tick()
        patience_s = _WORKERS_END_S if self.stop.is_set() else _FILES_END_S
        captures.stop(_CAPTURES_END_S)
        if self._mains is not None:
            self._mains.stop(_CAPTURES_END_S)
        self._captures_over.set()
        if not _join(workers, patience_s):
            self._hurry.set()
            self._for_desk.put(None)  # the classifier may be at it still
            if not _join(workers, _HURRIED_END_S):
                log.error("workers did not end", workers=[worker.name for worker in workers if worker.is_alive()])
        log.info("stopped", **self._health.counts)
        if self._failures:
            raise self._failures[0]

    def change(self, settings: Settings, *, anew: frozenset[str], reopened: frozenset[str]) -> None:
        """Take over a configuration without a break for the cameras that it does not concern; from `tick` only.

        Args:
            settings: of what the stages look at, only cameras and alerts may differ.
            anew: ids of the cameras whose visits end, because they are new, gone, or not what they were.
            reopened: ids of those that are opened again and whose visits go on.
        """
        if self._captures is None:
            raise RuntimeError("nothing runs yet")
        self._health.change([camera.id for camera in settings.cameras], anew | reopened)
        self._captures.change(settings.cameras, anew | reopened, _CAPTURES_END_S)
        if self._mains is not None:
            self._mains.change(_with_two_streams(settings.cameras), anew | reopened, _CAPTURES_END_S)
        self._slots.forget(anew)
        change = Change(settings=settings, anew=anew, at_s=self._clock())
        self._for_vision.put(change)
        self._put(self._for_desk, change)

    def _capture_mains(self, open_main: OpenSource) -> Captures:
        """Read the main streams: they give no frames, and losing one costs nothing but detail."""
        return Captures(
            cameras=_with_two_streams(self._cameras),
            config=self._capture,
            open_camera=open_main,
            deliver=self._slots.put,
            health=MainStreams(self._health),
            start_thread=lambda name, loop: self._start(f"{name}-main", loop),
        )

    def _start(self, name: str, loop: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                loop()
            except Exception as error:  # the thread boundary: stop everything, exit non-zero
                log.exception("thread failed", thread=name)
                self._failures.append(error)
                self._abort.set()
                self.stop.set()

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread

    def _look(self) -> None:
        """Detect, follow, crop; then tell the classifier that there is no more."""
        while not self._abort.is_set():
            self._health.beat("look")
            if not self._for_vision.empty():  # nobody else takes from it
                self._take_over(self._for_vision.get_nowait())
            waiting = self._slots.get(_TICK_S, self._stages.vision.most_frames)
            if not waiting and self._captures_over.is_set():
                break
            if frames := [frame for frame in waiting if self._counts(frame)]:
                with self._timed("look"):
                    looks = self._stages.vision.look(frames, self._stages.desk.settled)
                for tracks, crops in looks:
                    self._hand_on(tracks, crops)
        self._put(self._crops, None)

    def _counts(self, frame: Frame) -> bool:
        """Whether to look at a frame; one that is too old is counted as such."""
        begun_s = self._begun_s.get(frame.camera_id, 0.0)  # a change may have put a mask over what it shows
        too_old = self._clock() - frame.captured_at_s > self._capture.max_frame_age_s or frame.captured_at_s < begun_s
        if too_old:
            self._health.frame(frame.camera_id, "too_old")
        return not too_old

    def _hand_on(self, tracks: Tracks, crops: tuple[Crop, ...]) -> None:
        self._health.frame(tracks.frame.camera_id, "analysed")
        for onlooker in self._onlookers:
            onlooker.saw(tracks, crops)
        self._put(self._for_desk, _without_picture(tracks))
        if crops:
            self._put(self._crops, crops)

    def _take_over(self, change: Change) -> None:
        self._stages.vision.change(change)
        for camera_id in change.anew:
            self._begun_s[camera_id] = change.at_s
        for onlooker in self._onlookers:
            onlooker.changed(change.anew)

    def _classify(self) -> None:
        """Batch and classify; then tell the desk that there is no more."""
        batcher, more = self._stages.batcher, True
        while (more or batcher.wait_s(0) is not None) and not (self._abort.is_set() or self._hurry.is_set()):
            self._health.beat("classify")
            wait_s = batcher.wait_s(time.monotonic())
            with suppress(queue.Empty):
                if more and wait_s != 0:
                    crops = self._crops.get(timeout=_TICK_S if wait_s is None else wait_s)
                    more = crops is not None
                    batcher.add(crops or (), time.monotonic())
            if batch := batcher.take(time.monotonic(), all_of_them=not more):
                self._put(self._for_desk, self._readings(batch))
        self._put(self._for_desk, None)

    def _readings(self, batch: CropBatch) -> tuple[Reading, ...]:
        """Classify; a batch that fails is dropped and counted, the third in a row is no accident."""
        self._health.count("crops", len(batch.crops))
        self._meter.batch(len(batch.crops))
        try:
            with self._timed("classify"):
                readings = self._stages.classifier.classify(batch)
        except Exception:
            self._failed_in_a_row += 1
            self._health.count("batches_dropped")
            if self._failed_in_a_row >= _BATCHES_IN_A_ROW:
                raise
            log.exception("classifier failed, batch dropped", crops=len(batch.crops), in_a_row=self._failed_in_a_row)
            return ()
        self._failed_in_a_row = 0
        return readings

    def _decide(self) -> None:
        """Visits and rules; publish; at the end finish what is under way."""
        desk = self._stages.desk
        while not self._abort.is_set():
            self._health.beat("decide")
            self._decide_claims()
            try:
                item = self._for_desk.get(timeout=_TICK_S)
            except queue.Empty:
                continue
            if item is None:
                self._publish(desk.finish(self._clock()))
                return
            now_s = self._clock()
            with self._timed("decide"):
                match item:
                    case Tracks():
                        messages = desk.see(item, now_s)
                    case Change():
                        messages = desk.change(item)
                    case _:
                        messages = desk.read(item, now_s)
            if messages:
                self._publish(messages, _captured_at_s(item))
            for onlooker in self._onlookers:
                onlooker.decided(item if isinstance(item, Tracks) else None, messages, desk.visit_of)

    def _decide_claims(self) -> None:
        for request in self._claims.take():
            decision = self._stages.desk.claim(request, self._clock())
            self._meter.claimed(decision)
            if decision.messages:
                self._publish(decision.messages)
            if decision.outcome in ("unknown", "malformed") and self._complaints.due("claim ignored"):
                log.warning("claim ignored", alert_id=request.alert_id, why=decision.outcome)

    def _publish(self, messages: Sequence[Message], captured_at_s: float | None = None) -> None:
        self._health.count("messages", len(messages))
        with self._timed("publish"):
            for message in messages:
                for sink in self._sinks:
                    sink.publish(message)
                self._meter.published(message, None if captured_at_s is None else self._clock() - captured_at_s)

    @contextmanager
    def _timed(self, stage: Stage) -> Iterator[None]:
        """Measure what is inside; what fails is not measured."""
        began_s = time.perf_counter()
        yield
        self._meter.took(stage, time.perf_counter() - began_s)

    def _put(self, target: queue.SimpleQueue[Item], item: Item) -> None:
        """Put, waiting while the next stage is busy, unless everything has failed."""
        while target.qsize() >= _QUEUE_LENGTH and not self._abort.wait(_FULL_TICK_S):
            pass
        if not self._abort.is_set():
            target.put(item)


def _captured_at_s(item: Tracks | Sequence[Reading] | Change) -> float | None:
    """When the newest picture was taken of what the desk is given."""
    if isinstance(item, Tracks):
        return item.frame.captured_at_s
    if isinstance(item, Change):
        return None
    return max((reading.captured_at_s for reading in item), default=None)


def _join(threads: Sequence[threading.Thread], timeout_s: float) -> bool:
    """Wait so long altogether; return whether all have ended."""
    deadline_s = time.monotonic() + timeout_s
    for thread in threads:
        thread.join(timeout=max(0.0, deadline_s - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


def _with_two_streams(cameras: Sequence[CameraConfig]) -> list[CameraConfig]:
    return [camera for camera in cameras if camera.detect_source is not None]


def _without_picture(tracks: Tracks) -> Tracks:
    """Keep the frame's shape and let go of its pixels, which only vision needs."""
    shape = tracks.frame.image.shape
    return replace(tracks, frame=replace(tracks.frame, image=_no_picture(shape), detail=NoDetail()))


@lru_cache(maxsize=64)
def _no_picture(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    return np.broadcast_to(np.uint8(0), shape)
