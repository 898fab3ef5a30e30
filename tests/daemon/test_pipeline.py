import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from fakes import claim_request
from mqtt_client import wait_until
from structlog.testing import capture_logs
from toyshop import ToyBatchDetector, ToyClassifier, ToyDetector, crossing, frames, toy_stages

from vestibule.claims import ClaimInbox
from vestibule.config import Settings
from vestibule.errors import SourceError
from vestibule.health import Health
from vestibule.pipeline import LivePipeline
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources import Count
from vestibule.stages import Models
from vestibule.types import ClaimRequest, Crop, CropBatch, Detections, Frame, Message, Reading, Tracks, Visit

DOOR = CameraConfig(id="door", source="0")
FLOOR = CameraConfig(id="floor", source="1")
CAPTURE = CaptureConfig(retry_initial_s=0.05, retry_max_s=0.2, max_frame_age_s=60)


class Collector:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.arrived = threading.Event()

    def publish(self, message: Message) -> None:
        self.messages.append(message)
        self.arrived.set()

    def close(self) -> None:
        pass

    def payloads(self, last_level: str) -> list[dict[str, object]]:
        return [json.loads(m.payload) for m in self.messages if m.topic.endswith("/" + last_level)]


class Script:
    """A camera that does what a function says."""

    def __init__(self, play: Callable[[], Iterator[Frame]]) -> None:
        self._play = play
        self.closed = threading.Event()

    def frames(self) -> Iterator[Frame]:
        return self._play()

    def close(self) -> None:
        self.closed.set()


def live(
    play: dict[str, Callable[[], Iterator[Frame]]],
    models: Models | None = None,
    capture: CaptureConfig = CAPTURE,
    claims: ClaimInbox | None = None,
) -> tuple[LivePipeline, Collector, list[Script]]:
    cameras = tuple(CameraConfig(id=name, source="0") for name in play)
    opened: list[Script] = []

    def open_camera(camera: CameraConfig, _count: Count) -> Script:
        opened.append(Script(play[camera.id]))
        return opened[-1]

    sink = Collector()
    pipeline = LivePipeline(
        stages=toy_stages(*cameras, models=models),
        cameras=cameras,
        capture=capture,
        open_camera=open_camera,
        sinks=[sink],
        health=Health(list(play), time.time),
        clock=time.time,
        claims=claims,
    )
    return pipeline, sink, opened


def paced(
    walk: Callable[[float], list[tuple[str, float, float]]], camera: str, seconds: float = 5.0
) -> Iterator[Frame]:
    """Five times as fast as life, stamped with the real clock in step, so that nothing is too old."""
    for frame in frames(seconds, walk, camera=camera):
        yield replace(frame, captured_at_s=1_000_000 + frame.captured_at_s)
        time.sleep(0.02)


def run_to_the_end(pipeline: LivePipeline, timeout_s: float = 30) -> list[Exception]:
    failures: list[Exception] = []

    def body() -> None:
        try:
            pipeline.run()
        except Exception as error:  # noqa: BLE001 - whatever a thread failed with
            failures.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join(timeout_s)
    pipeline.stop.set()
    thread.join(15)
    assert not thread.is_alive()
    return failures


def test_live_files_end_by_themselves_with_their_visits_finished() -> None:
    capture = CAPTURE.model_copy(update={"max_frame_age_s": 1e12})
    walk = crossing("Dress", 0.3)
    pipeline, sink, opened = live(
        {"door": lambda: paced(walk, "door"), "floor": lambda: paced(crossing("Jeans", 0.3), "floor")}, capture=capture
    )
    assert run_to_the_end(pipeline) == []
    visits = sink.payloads("visits")
    assert Counter((v["camera"], v["type"]) for v in visits)[("door", "end")] == 1
    assert Counter((v["camera"], v["type"]) for v in visits)[("floor", "end")] == 1
    assert [alert["camera"] for alert in sink.payloads("alerts")] == ["door"]
    assert all(script.closed.is_set() for script in opened)


def test_live_claims_are_decided_while_nothing_else_happens() -> None:
    claims, told = ClaimInbox(), threading.Event()

    def play() -> Iterator[Frame]:
        yield from paced(crossing("Dress", 0.3), "door", 3.0)
        told.wait(20)  # nobody moves, no frame comes

    pipeline, sink, _ = live(
        {"door": play}, capture=CAPTURE.model_copy(update={"max_frame_age_s": 1e12}), claims=claims
    )

    def claim_it() -> None:
        wait_until(lambda: bool(sink.payloads("alerts")), "the alert")
        alert = next(message for message in sink.messages if message.topic.endswith("/alerts"))
        for request in (
            ClaimRequest(alert_id="nobody", payload=b"{"),
            claim_request(alert, "Ana"),
            claim_request(alert, "Ben"),
        ):
            claims.put(request)
        wait_until(lambda: any(message.retain for message in sink.messages), "the claim's state")
        told.set()

    staff = threading.Thread(target=claim_it)
    with capture_logs() as log:
        staff.start()
        assert run_to_the_end(pipeline) == []
        staff.join()
    states = [message.payload for message in sink.messages if message.retain]
    assert [json.loads(payload)["by"] if payload else None for payload in states] == ["Ana", None]
    assert [entry["why"] for entry in log if entry["event"] == "claim ignored"] == ["malformed"]


def test_a_camera_that_fails_is_tried_again_and_the_other_goes_on() -> None:
    tries = Counter[str]()

    def broken() -> Iterator[Frame]:
        tries["floor"] += 1
        raise SourceError("camera floor: no answer")
        yield

    capture = CAPTURE.model_copy(update={"max_frame_age_s": 1e12})
    pipeline, sink, opened = live(
        {"door": lambda: paced(crossing("Dress", 0.3), "door"), "floor": broken}, capture=capture
    )
    timer = threading.Timer(4.0, pipeline.stop.set)
    timer.start()
    assert run_to_the_end(pipeline) == []
    timer.join()
    assert tries["floor"] >= 3
    assert len(sink.payloads("alerts")) == 1
    assert all(script.closed.is_set() for script in opened)


def test_a_file_that_turns_out_damaged_is_not_played_again() -> None:
    plays = Counter[str]()

    def torn() -> Iterator[Frame]:
        plays["file"] += 1
        yield from frames(1, camera="file")
        raise SourceError("clip.mp4: cut short")

    sink, camera = Collector(), CameraConfig(id="file", source="clip.mp4")
    pipeline = LivePipeline(
        stages=toy_stages(camera),
        cameras=(camera,),
        capture=CAPTURE,
        open_camera=lambda *_: Script(torn),
        health=Health(["file"], time.time),
        clock=time.time,
        sinks=[sink],
    )
    assert run_to_the_end(pipeline) == []
    assert plays["file"] == 1


def test_a_stage_that_fails_ends_the_daemon_with_its_error() -> None:
    class Broken(ToyDetector):
        def detect(self, frame: Frame) -> Detections:
            raise RuntimeError(f"no more memory for {frame.camera_id}")

    pipeline, _, opened = live(
        {"door": lambda: paced(crossing("Dress", 0), "door", 60)},
        models=Models(detector=Broken(), classifier=ToyClassifier()),
        capture=CAPTURE.model_copy(update={"max_frame_age_s": 1e12}),
    )
    failures = run_to_the_end(pipeline)
    assert [str(failure) for failure in failures] == ["no more memory for door"]
    assert all(script.closed.is_set() for script in opened)


class FailingClassifier(ToyClassifier):
    """Fails on the batches of these numbers."""

    def __init__(self, *fails: int) -> None:
        self.fails, self.batch = fails, 0

    def classify(self, batch: CropBatch) -> tuple[Reading, ...]:
        self.batch += 1
        if self.batch in self.fails:
            raise RuntimeError(f"batch {self.batch} is too much")
        return super().classify(batch)


def test_a_batch_that_the_classifier_fails_on_is_dropped_and_counted() -> None:
    pipeline, sink, _ = live(
        {"door": lambda: paced(crossing("Dress", 0.3), "door")},
        models=Models(detector=ToyDetector(), classifier=FailingClassifier(1)),
        capture=CAPTURE.model_copy(update={"max_frame_age_s": 1e12}),
    )
    assert run_to_the_end(pipeline) == []
    assert pipeline._health.counts["batches_dropped"] == 1
    assert len(sink.payloads("alerts")) == 1


def test_three_failed_batches_in_a_row_end_the_daemon() -> None:
    pipeline, _, _ = live(
        {"door": lambda: paced(crossing("Dress", 0.3), "door", 60)},
        models=Models(detector=ToyDetector(), classifier=FailingClassifier(2, 3, 4)),
        capture=CAPTURE.model_copy(update={"max_frame_age_s": 1e12}),
    )
    assert [str(failure) for failure in run_to_the_end(pipeline)] == ["batch 4 is too much"]
    assert pipeline._health.counts["batches_dropped"] == 3


def test_a_stop_publishes_the_visits_though_the_classifier_is_stuck() -> None:
    release = threading.Event()

    class Stuck(ToyClassifier):
        def classify(self, batch: CropBatch) -> tuple[Reading, ...]:
            release.wait()
            return super().classify(batch)

    pipeline, sink, _ = live(
        {"door": lambda: paced(crossing("Dress", 0.3), "door", 60)},
        models=Models(detector=ToyDetector(), classifier=Stuck()),
        capture=CAPTURE.model_copy(update={"max_frame_age_s": 1e12}),
    )

    def stop_once_somebody_is_there() -> None:
        sink.arrived.wait(20)
        pipeline.stop.set()

    threading.Thread(target=stop_once_somebody_is_there, daemon=True).start()
    assert run_to_the_end(pipeline) == []
    release.set()
    assert [visit["type"] for visit in sink.payloads("visits")][-1] == "end"


def test_live_drops_the_oldest_frame_and_counts_it() -> None:
    class Slow(ToyDetector):
        def detect(self, frame: Frame) -> Detections:
            time.sleep(0.1)
            return super().detect(frame)

    pipeline, _, _ = live(
        {"door": lambda: paced(crossing("Dress", 0), "door")},
        models=Models(detector=Slow(), classifier=ToyClassifier()),
        capture=CAPTURE.model_copy(update={"max_frame_age_s": 1e12}),
    )
    assert run_to_the_end(pipeline) == []
    counts = pipeline._health.counts
    assert counts["frames_overtaken"] > 0
    assert counts["frames_analysed"] + counts["frames_overtaken"] == 50


def test_frames_that_are_too_old_are_not_analysed() -> None:
    capture = CAPTURE.model_copy(update={"max_frame_age_s": 0.5})
    pipeline, sink, _ = live({"door": lambda: paced(crossing("Dress", 0.3), "door")}, capture=capture)
    assert run_to_the_end(pipeline) == []
    counts = pipeline._health.counts
    assert "frames_analysed" not in counts
    assert counts["frames_too_old"] + counts.get("frames_overtaken", 0) == 50
    assert sink.messages == []


def test_frames_that_wait_are_looked_at_together_and_none_waits_for_another() -> None:
    """`a` comes alone, and goes alone; while it is looked at, two frames of each other camera come."""
    looking, wait_for = threading.Event(), threading.Event()
    all_have_put = threading.Barrier(4, action=wait_for.set)

    class Detector(ToyBatchDetector):
        def detect(self, frame: Frame) -> Detections:
            looking.set()
            wait_for.wait(20)
            return super().detect(frame)

    def play(camera: str) -> Iterator[Frame]:
        if camera != "a":
            looking.wait(20)
        for frame in itertools.islice(frames(1, crossing("Dress", 0.0), camera=camera), 1 if camera == "a" else 2):
            yield replace(frame, captured_at_s=time.time())
        if camera != "a":
            all_have_put.wait(20)

    detector = Detector()
    pipeline, _, _ = live(
        {name: lambda name=name: play(name) for name in "abcde"},  # type: ignore[misc]
        models=Models(detector=detector, classifier=ToyClassifier()),
    )
    assert run_to_the_end(pipeline) == []
    assert (detector.goes[0], sorted(detector.goes[1])) == (["a"], ["b", "c", "d", "e"])
    assert len(detector.goes) == 2
    counts = pipeline._health.counts
    assert (counts["frames_analysed"], counts["frames_overtaken"]) == (5, 4)


def test_a_frame_that_is_too_old_is_not_taken_along() -> None:
    capture, detector = CAPTURE.model_copy(update={"max_frame_age_s": 5.0}), ToyBatchDetector()

    def play(camera: str) -> Iterator[Frame]:
        for frame in itertools.islice(frames(1, camera=camera), 3):
            yield replace(frame, captured_at_s=time.time() - (60 if camera == "late" else 0))

    pipeline, _, _ = live(
        {name: lambda name=name: play(name) for name in ("door", "late")},  # type: ignore[misc]
        models=Models(detector=detector, classifier=ToyClassifier()),
        capture=capture,
    )
    assert run_to_the_end(pipeline) == []
    assert {camera for go in detector.goes for camera in go} == {"door"}
    assert pipeline._health.counts["frames_too_old"] >= 1


def test_frames_between_stages_carry_no_pixels() -> None:
    kept: list[npt.NDArray[np.uint8]] = []
    pipeline, _, _ = live(
        {"door": lambda: paced(crossing("Dress", 0.3), "door", 1)},
        capture=CAPTURE.model_copy(update={"max_frame_age_s": 1e12}),
    )
    desk = pipeline._stages.desk
    see = desk.see

    def spy(tracks: Tracks, now_s: float) -> list[Message]:
        kept.append(tracks.frame.image)
        return see(tracks, now_s)

    desk.see = spy  # type: ignore[method-assign]
    assert run_to_the_end(pipeline) == []
    assert kept
    assert {image.shape for image in kept} == {(240, 400, 3)}
    assert all(image.strides == (0, 0, 0) for image in kept)


class Watcher:
    """An onlooker that notes what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[str | float] = []

    def saw(self, tracks: Tracks, crops: Sequence[Crop]) -> None:
        assert not tracks.frame.image.flags.writeable
        assert all(crop.track_id in tracks.ids for crop in crops)
        self.told.append(tracks.frame.captured_at_s)

    def changed(self, anew: frozenset[str]) -> None:
        self.told += sorted(anew)

    def decided(
        self, tracks: Tracks | None, messages: Sequence[Message], visit_of: Callable[[str, int], Visit | None]
    ) -> None:
        if tracks is not None:
            assert not tracks.frame.image.any()  # the picture is vision's alone
            assert all(visit is None or visit.camera_id for visit in (visit_of("door", one) for one in tracks.ids))
        self.told += [f"{message.topic.rpartition('/')[2]}" for message in messages]


def test_an_onlooker_is_shown_every_frame_and_what_comes_of_it() -> None:
    watcher, capture = Watcher(), CAPTURE.model_copy(update={"max_frame_age_s": 1e12})
    pipeline, sink, _ = live({"door": lambda: paced(crossing("Dress", 0.5), "door", 6)}, capture=capture)
    pipeline._onlookers = (watcher,)
    assert run_to_the_end(pipeline) == []
    assert len([one for one in watcher.told if isinstance(one, float)]) == pipeline._health.counts["frames_analysed"]
    assert {"alerts", "visits"} < set(watcher.told)
    assert len(sink.payloads("alerts")) == 1


def test_what_was_filmed_before_a_change_is_not_looked_at_after_it() -> None:
    """The change may have put a mask over it."""
    opened, watcher = Counter[str](), Watcher()
    late = next(frames(1))

    def play() -> Iterator[Frame]:
        opened["door"] += 1
        if opened["door"] > 1:
            time.sleep(0.5)  # the change has reached the thread that looks
            yield replace(late, captured_at_s=changed_s - 1.0)
            time.sleep(0.5)
        for number in range(200):
            yield replace(late, seq=number, captured_at_s=time.time())
            time.sleep(0.02)

    pipeline, _, _ = live({"door": play})
    pipeline._onlookers = (watcher,)
    changed_s = 0.0

    def change() -> None:
        nonlocal changed_s
        if watcher.told and not changed_s:
            changed_s = time.time()
            pipeline.change(Settings(cameras=(DOOR,)), anew=frozenset({"door"}), reopened=frozenset())
        if watcher.told and isinstance(watcher.told[-1], float) and "door" in watcher.told:
            pipeline.stop.set()

    pipeline.run(change)
    after = watcher.told[watcher.told.index("door") + 1 :]
    assert after
    assert all(isinstance(at_s, float) and at_s >= changed_s for at_s in after)
    assert pipeline._health.counts["frames_too_old"] == 1
