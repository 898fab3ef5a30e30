import json
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from fakes import claim_request
from toyshop import ToyBatchDetector, ToyClassifier, ToyDetector, crossing, frames, toy_stages

from vestibule.claims import ClaimInbox
from vestibule.errors import SourceError
from vestibule.inline import run_inline
from vestibule.sections import CameraConfig
from vestibule.stages import Models
from vestibule.types import CropBatch, Detections, Frame, Message, Reading

DOOR = CameraConfig(id="door", source="0")
FLOOR = CameraConfig(id="floor", source="1")


def inline(play: Iterator[Frame]) -> list[Message]:
    out: list[Message] = []
    run_inline(play, toy_stages(DOOR), out.append)
    return out


def kinds(messages: list[Message]) -> list[str]:
    payloads = [json.loads(message.payload) for message in messages]
    return ["alert" if "rule" in p else str(p["type"]) for p in payloads]


def test_a_dress_that_walks_by_is_one_visit_and_one_alert() -> None:
    messages = inline(frames(6, crossing("Dress", 0.5)))
    assert sorted(kinds(messages)) == ["alert", "end", "new", "update"]
    alert = next(json.loads(m.payload) for m in messages if m.topic.endswith("/alerts"))
    assert alert["summary"] == "customer wearing Dress"
    assert alert["raised_at_s"] - alert["first_seen_at_s"] < 2.5


def test_jeans_are_counted_and_raise_no_alert() -> None:
    assert sorted(kinds(inline(frames(6, crossing("Jeans", 0.5))))) == ["end", "new", "update"]


def test_nobody_in_view_publishes_nothing() -> None:
    assert inline(frames(3)) == []


def test_no_frame_at_all_publishes_nothing() -> None:
    assert inline(iter(())) == []


def test_the_same_frames_give_the_same_bytes() -> None:
    def once() -> list[Message]:
        return inline(frames(8, crossing("Dress", 0.5), crossing("Blazer", 3)))

    assert once() == once()


def test_a_detector_that_takes_several_frames_gets_them_one_by_one() -> None:
    """Which frames go together would decide about the bytes: a recording's frames never wait for each other."""

    def once(models: Models | None) -> list[Message]:
        walks = {"door": crossing("Dress", 0.5), "floor": crossing("Blazer", 1.0)}
        both = zip(*(frames(8, walk, camera=name) for name, walk in walks.items()), strict=True)
        out: list[Message] = []
        run_inline((one for moment in both for one in moment), toy_stages(DOOR, FLOOR, models=models), out.append)
        return out

    detector = ToyBatchDetector()
    assert once(Models(detector=detector, classifier=ToyClassifier())) == once(None) != []
    assert {len(go) for go in detector.goes} == {1}


def test_every_frame_goes_through_and_is_observed() -> None:
    seen: list[int] = []
    run_inline(frames(3), toy_stages(DOOR), lambda _: None, lambda frame, *_: seen.append(frame.seq))
    assert seen == list(range(30))


def test_no_more_than_a_few_frames_are_read_ahead() -> None:
    """Two tracked and one that is; two decoded and one that is: whatever the length of the recording."""
    given: list[int] = []
    ahead: list[int] = []

    def play() -> Iterator[Frame]:
        for frame in frames(3):
            given.append(frame.seq)
            yield frame

    def look(frame: Frame, *_: object) -> None:
        time.sleep(0.01)  # so that the others get ahead as far as they can
        ahead.append(given[-1] - frame.seq)

    run_inline(play(), toy_stages(DOOR), lambda _: None, look)
    assert len(ahead) == 30
    assert 2 <= max(ahead) <= 5


def test_the_next_frame_is_tracked_while_one_is_decided_on() -> None:
    """Each waits for the other: in one thread neither would go on."""
    tracked, patience_s = threading.Event(), 5.0

    class Slow(ToyDetector):
        def detect(self, frame: Frame) -> Detections:
            if frame.seq == 1:
                tracked.set()
            return super().detect(frame)

    waited: list[bool] = []

    def look(frame: Frame, *_: object) -> None:
        if not frame.seq:
            waited.append(tracked.wait(patience_s))

    stages = toy_stages(DOOR, models=Models(detector=Slow(), classifier=ToyClassifier()))
    run_inline(frames(1, crossing("Dress", 0.0)), stages, lambda _: None, look)
    assert waited == [True]


def test_what_a_stage_fails_with_comes_out_and_its_threads_end() -> None:
    class Broken(ToyDetector):
        def detect(self, frame: Frame) -> Detections:
            if frame.seq == 5:
                raise RuntimeError("no such operator")
            return super().detect(frame)

    stages = toy_stages(DOOR, models=Models(detector=Broken(), classifier=ToyClassifier()))
    seen: list[int] = []
    with pytest.raises(RuntimeError, match="no such operator"):
        run_inline(frames(3, crossing("Dress", 0.0)), stages, lambda _: None, lambda frame, *_: seen.append(frame.seq))
    assert seen == [0, 1, 2, 3, 4]

    def refuse(message: Message) -> None:
        raise OSError(message.topic)

    with pytest.raises(OSError, match="visits"):
        run_inline(frames(60, crossing("Dress", 0.5)), toy_stages(DOOR), refuse)
    assert not [each.name for each in threading.enumerate() if each.name.startswith(("decode", "track"))]


def test_frames_that_end_in_an_error_are_dealt_with_before_it_is_raised() -> None:
    def play() -> Iterator[Frame]:
        yield from frames(4, crossing("Dress", 0.5, seconds=8))
        raise SourceError("clip.mp4: cut short")

    out: list[Message] = []
    with pytest.raises(SourceError, match="cut short"):
        run_inline(play(), toy_stages(DOOR), out.append)
    assert sorted(kinds(out)) == ["alert", "end", "new", "update"]


def test_a_claim_is_decided_between_frames_and_forgotten_before_the_visit_s_end() -> None:
    out: list[Message] = []
    claims = ClaimInbox()

    def publish(message: Message) -> None:
        out.append(message)
        if message.topic.endswith("/alerts"):
            claims.put(claim_request(message, "Ana"))
            claims.put(claim_request(message, "Ben"))

    run_inline(frames(6, crossing("Dress", 0.5)), toy_stages(DOOR), publish, claims=claims)
    assert [message.retain for message in out] == [False, False, False, True, True, False]
    alert, state, cleared = (out[number] for number in (2, 3, 4))
    assert json.loads(state.payload)["by"] == "Ana"
    assert state.at_s == pytest.approx(alert.at_s + 0.1)  # at the next frame
    assert (cleared.topic, cleared.payload) == (state.topic, b"")
    assert json.loads(out[-1].payload)["type"] == "end"
    events = [message for message in out if not message.retain]
    assert events == inline(frames(6, crossing("Dress", 0.5)))


def test_two_cameras_share_batches_and_keep_their_visits_apart() -> None:
    both = [
        frame
        for pair in zip(
            frames(6, crossing("Dress", 0.5), camera="door"),
            frames(6, crossing("Jeans", 0.5), camera="floor"),
            strict=True,
        )
        for frame in pair
    ]
    sizes: list[int] = []

    class Counting(ToyClassifier):
        def classify(self, batch: CropBatch) -> tuple[Reading, ...]:
            sizes.append(len(batch.crops))
            return super().classify(batch)

    out: list[Message] = []
    models = Models(detector=ToyDetector(), classifier=Counting())
    run_inline(both, toy_stages(DOOR, FLOOR, models=models), out.append)
    new = Counter(json.loads(m.payload)["camera"] for m in out if '"type":"new"' in m.payload.decode())
    assert new == {"door": 1, "floor": 1}
    assert max(sizes) == 2
