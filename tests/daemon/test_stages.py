"""The desk and the vision while a configuration is changed under them."""

import json
import weakref
from collections.abc import Sequence
from dataclasses import replace

import pytest
from fakes import Larger
from toyshop import ToyBatchDetector, ToyClassifier, crossing, frames, picture, toy_models

from vestibule.config import Settings
from vestibule.stages import Change, Models, Stages, build_stages
from vestibule.types import Frame, Message, Reading, Tracks

Table = dict[str, object]
CAMERAS: tuple[Table, Table] = ({"id": "door", "source": "0"}, {"id": "floor", "source": "1"})
DRESS: Table = {"name": "dresses", "any_of": ["Dress"]}
JEANS: Table = {"name": "jeans", "any_of": ["Jeans"]}


def settings(*cameras: Table, alerts: Sequence[Table] = (JEANS,)) -> Settings:
    return Settings.model_validate({"cameras": list(cameras), "alerts": list(alerts), "visits": {"min_readings": 8}})


class Shop:
    """Somebody in a dress before both cameras, from second 0.5 on; what was told of it."""

    def __init__(self) -> None:
        before = settings(*CAMERAS)
        self.stages: Stages = build_stages(before, before.cameras, toy_models())
        self.told: list[tuple[str, str]] = []
        self.late: list[tuple[Tracks, tuple[Reading, ...]]] = []

    def tell(self, messages: Sequence[Message]) -> None:
        for payload in (json.loads(message.payload) for message in messages):
            self.told.append((payload["camera"], payload.get("type") or payload["rule"]))

    def watch(self, camera: str, begin_s: float, end_s: float, *, keep_back: bool = False) -> None:
        for frame in frames(end_s, crossing("Dress", 0.5, seconds=4), camera=camera):
            if frame.captured_at_s < begin_s:
                continue
            ((tracks, crops),) = self.stages.vision.look([frame], lambda _: frozenset())
            self.stages.batcher.add(crops, frame.captured_at_s)
            batch = self.stages.batcher.take(frame.captured_at_s, all_of_them=True)
            readings = () if batch is None else self.stages.classifier.classify(batch)
            if keep_back:
                self.late.append((tracks, readings))
            else:
                self.hand_in(tracks, readings)

    def hand_in(self, tracks: Tracks, readings: tuple[Reading, ...]) -> None:
        self.tell(self.stages.desk.see(tracks, tracks.frame.captured_at_s))
        self.tell(self.stages.desk.read(readings, tracks.frame.captured_at_s))

    def change(self, after: Settings, anew: set[str], at_s: float) -> None:
        change = Change(settings=after, anew=frozenset(anew), at_s=at_s)
        self.stages.vision.change(change)
        self.tell(self.stages.desk.change(change))


@pytest.fixture
def shop() -> Shop:
    shop = Shop()
    for camera in ("door", "floor"):
        shop.watch(camera, 0, 2)
    assert shop.told.count(("door", "new")) == shop.told.count(("floor", "new")) == 1
    shop.told.clear()
    return shop


def test_a_visit_goes_on_where_nothing_changed_and_ends_where_the_camera_is_another(shop: Shop) -> None:
    shop.change(settings(CAMERAS[0], {**CAMERAS[1], "source": "2"}), {"floor"}, 2.0)
    assert shop.told == [("floor", "end")]
    for camera in ("door", "floor"):
        shop.watch(camera, 2, 6)
    shop.tell(shop.stages.desk.finish(6.0))
    assert [kind for camera, kind in shop.told if camera == "door"] == ["update", "end"]
    assert [kind for camera, kind in shop.told if camera == "floor"] == ["end", "new", "update", "end"]


def test_a_visit_under_way_is_judged_by_the_new_rules(shop: Shop) -> None:
    shop.change(settings(*CAMERAS, alerts=[DRESS]), set(), 2.0)
    assert shop.told == []
    shop.watch("door", 2, 6)
    assert [kind for camera, kind in shop.told if camera == "door"].count("dresses") == 1


def test_what_was_on_its_way_from_a_camera_that_is_gone_or_another_is_dropped(shop: Shop) -> None:
    for camera in ("door", "floor"):
        shop.watch(camera, 2, 4, keep_back=True)
    shop.change(settings({**CAMERAS[0], "source": "2"}), {"door", "floor"}, 4.0)
    assert shop.told == [("door", "end"), ("floor", "end")]
    for tracks, readings in shop.late:
        shop.hand_in(tracks, readings)
    shop.tell(shop.stages.desk.finish(5.0))
    assert shop.told == [("door", "end"), ("floor", "end")]


def test_frames_that_are_looked_at_together_tell_the_same_as_one_by_one() -> None:
    cameras: list[Table] = [{"id": name, "source": "0"} for name in ("door", "floor", "till")]
    config, detector = settings(*cameras), ToyBatchDetector()
    together = build_stages(config, config.cameras, Models(detector=detector, classifier=ToyClassifier())).vision
    one_by_one = build_stages(config, config.cameras, toy_models()).vision
    assert (together.most_frames, one_by_one.most_frames) == (4, 1)
    walks = {"door": crossing("Dress", 0.5), "floor": crossing("Jeans", 0.7), "till": crossing("Blazer", 9.0)}
    seen = 0
    for moment in zip(*(frames(3, walk, camera=name) for name, walk in walks.items()), strict=True):
        looks = together.look(moment, lambda _: frozenset())
        for frame, (tracks, crops) in zip(moment, looks, strict=True):
            ((alone, alone_crops),) = one_by_one.look([frame], lambda _: frozenset())
            assert tracks.frame is frame
            assert (tracks.ids.tolist(), tracks.boxes_xyxy.tolist()) == (alone.ids.tolist(), alone.boxes_xyxy.tolist())
            assert [crop.track_id for crop in crops] == [crop.track_id for crop in alone_crops]
            seen += len(tracks.ids)
    assert seen > 30
    # Nothing moves at the till, so that its frames stay out of the batches but for one a second.
    assert sum("till" in go for go in detector.goes) <= 4
    assert sum(go == ["door", "floor"] for go in detector.goes) > 15
    assert all(len(set(go)) == len(go) for go in detector.goes)


def test_what_is_kept_of_a_look_holds_no_picture() -> None:
    config = settings(*CAMERAS)
    vision = build_stages(config, config.cameras, toy_models()).vision
    image = picture([("Dress", 0.5, 0.8)])
    gone = weakref.ref(image)
    ((tracks, crops),) = vision.look(
        [Frame(camera_id="door", seq=0, captured_at_s=0.0, image=image)], lambda _: frozenset()
    )
    assert (len(tracks.ids), len(crops)) == (1, 1)
    del image, tracks
    assert gone() is None  # what is left is the crop


def test_detail_is_wanted_from_the_first_sight_of_somebody_until_they_are_read_and_not_before() -> None:
    """Before they are followed: the main stream's pictures are then ready once they are."""
    before = settings(*CAMERAS)
    vision, wants = build_stages(before, before.cameras, toy_models()).vision, []
    for number, frame in enumerate(frames(3, crossing("Dress", 1.0))):
        larger, settled = Larger(None), frozenset({1} if number > 20 else ())
        vision.look([replace(frame, detail=larger)], {"door": settled}.__getitem__)
        wants.append(larger.wants > 0)
    assert wants == [False] * 10 + [True] * 11 + [False] * 9
