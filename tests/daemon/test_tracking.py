"""Who is who from frame to frame."""

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from fakes import Box, detections
from hypothesis import given
from hypothesis import strategies as st

from vestibule import colours
from vestibule.sections import TrackingConfig
from vestibule.tracking import Tracker, iou
from vestibule.types import Detections, Frame, Tracks

CONFIG = TrackingConfig()
FPS = 10.0


def new(**changes: float) -> Tracker:
    return Tracker(TrackingConfig.model_validate(changes), usual_score=0.4)


def person(x: float, y: float = 180.0, height: float = 150.0, width: float = 60.0) -> Box:
    """A box around a centre, pixels."""
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def feed(tracker: Tracker, *frames: Detections) -> list[list[int]]:
    return [tracker.update(one).ids.tolist() for one in frames]


def still(start_s: float, seconds: float, box: Box, fps: float = FPS) -> list[Detections]:
    return [detections([box], start_s + n / fps) for n in range(round(seconds * fps))]


def walk(
    tracker: Tracker, times: Iterable[float], people: list[Callable[[float], Box | None]]
) -> list[dict[int, int | None]]:
    """Play people; return per frame which id each of those in view got (None: not tracked)."""
    history = []
    for t in times:
        boxes = {who: box for who, path in enumerate(people) if (box := path(t)) is not None}
        seen = tracker.update(detections(list(boxes.values()), t))
        by_box = {tuple(box.tolist()): track for box, track in zip(seen.boxes_xyxy, seen.ids.tolist(), strict=True)}
        history.append({who: by_box.get(tuple(np.array(box, np.float32).tolist())) for who, box in boxes.items()})
    return history


def ids_of(history: list[dict[int, int | None]], who: int) -> set[int]:
    return {track for frame in history if (track := frame.get(who)) is not None}


def test_those_of_whom_it_is_not_sure_are_looked_for_where_they_should_be() -> None:
    tracker = new()
    assert tracker.open_boxes_xyxy.shape == (0, 4)
    feed(tracker, *(detections([person(100 + 20 * n), person(500)], n / FPS) for n in range(10)))
    assert tracker.is_sure
    feed(tracker, *(detections([person(500)], 1.0 + n / FPS) for n in range(3)))  # the one who walks is hidden
    assert not tracker.is_sure
    (box,) = tracker.open_boxes_xyxy
    assert 300 < (box[0] + box[2]) / 2 < 360
    feed(tracker, detections([person(500), person(50)], 1.3))  # and somebody new is not confirmed yet
    assert sorted((tracker.open_boxes_xyxy[:, 0] < 100).tolist()) == [False, True]
    feed(tracker, *(detections([person(500), person(50)], 1.4 + n / FPS) for n in range(20)))
    assert tracker.is_sure


def test_nobody_in_view() -> None:
    tracker = new()
    for n in range(5):
        seen = tracker.update(detections([], n / FPS))
        assert seen.ids.shape == (0,)
        assert seen.boxes_xyxy.shape == (0, 4)
        assert seen.scores.shape == (0,)


def test_what_comes_out_is_typed_read_only_and_in_the_order_of_the_ids() -> None:
    tracker = new()
    tracker.update(detections([person(400), person(100)], 0.0))
    found = detections([person(100), person(400)], 0.1, scores=[0.7, 0.8])
    seen = tracker.update(found)
    assert seen.frame is found.frame
    assert [a.dtype.name for a in (seen.ids, seen.boxes_xyxy, seen.scores)] == ["int64", "float32", "float32"]
    assert seen.ids.tolist() == [1, 2]
    assert seen.boxes_xyxy.tolist() == [list(person(400)), list(person(100))]
    np.testing.assert_array_equal(seen.scores, np.array([0.8, 0.7], np.float32))
    for array in (seen.ids, seen.boxes_xyxy, seen.scores):
        assert not array.flags.writeable


def test_everybody_in_the_first_frame_of_all_counts_at_once() -> None:
    assert feed(new(), detections([person(100), person(400)])) == [[1, 2]]


def test_the_first_frame_counts_as_such_although_nobody_is_in_it() -> None:
    ids = feed(new(), detections([], 0.0), *still(0.1, 0.3, person(100)))
    assert ids == [[], [], [1], [1]]


@pytest.mark.parametrize("hits", [1, 2, 3])
def test_somebody_new_counts_after_confirm_hits_frames(hits: int) -> None:
    ids = feed(new(confirm_hits=hits), detections([], 0.0), *still(0.1, 0.5, person(100)))
    assert ids[1:] == [[]] * (hits - 1) + [[1]] * (6 - hits)


def test_a_ghost_of_a_single_frame_gets_no_id_and_uses_none_up() -> None:
    tracker = new()
    feed(
        tracker, detections([], 0.0), detections([person(500)], 0.1), detections([], 0.2), detections([person(50)], 0.3)
    )
    assert feed(tracker, *still(0.4, 0.3, person(50))) == [[1], [1], [1]]


def test_a_ghost_that_flickers_gets_no_id() -> None:
    boxes: list[list[Box]] = [[person(300)] if n % 2 else [] for n in range(30)]
    assert feed(new(), *(detections(found, n / FPS) for n, found in enumerate(boxes))) == [[]] * 30


def test_somebody_who_appears_too_far_off_is_somebody_else() -> None:
    """Some overlap, but less than match_iou."""
    tracker = new(match_iou=0.3)
    feed(tracker, *still(0.0, 0.5, person(100)))
    assert feed(tracker, *still(0.5, 0.3, person(140))) == [[], [2], [2]]


def test_an_id_survives_gaps_shorter_than_lost_s() -> None:
    tracker = new(lost_s=1.5)
    feed(tracker, *still(0.0, 1.0, person(100)))
    for gap_s in (0.5, 1.0, 1.4):
        assert feed(tracker, detections([], 1.0), detections([person(100)], 1.0 + gap_s)) == [[], [1]]
        tracker = new(lost_s=1.5)
        feed(tracker, *still(0.0, 1.0, person(100)))


def test_after_lost_s_the_same_place_gets_a_new_id() -> None:
    tracker = new(lost_s=1.5)
    feed(tracker, *still(0.0, 1.0, person(100)))
    gone = [detections([], 1.0 + n / FPS) for n in range(20)]
    assert feed(tracker, *gone, *still(3.0, 0.3, person(100)))[20:] == [[], [2], [2]]


def test_a_gap_without_any_frame_ends_a_track_too() -> None:
    tracker = new(lost_s=1.5)
    feed(tracker, *still(0.0, 1.0, person(100)))
    assert feed(tracker, *still(60.0, 0.3, person(400))) == [[], [2], [2]]


def test_trackers_share_nothing() -> None:
    one, other = new(), new()
    assert feed(one, detections([person(100), person(300)])) == [[1, 2]]
    assert feed(other, detections([person(500)])) == [[1]]
    assert feed(one, detections([person(100), person(300)], 0.1)) == [[1, 2]]
    assert feed(other, *still(0.1, 0.2, person(100))) == [[], [2]]


def test_two_who_cross_keep_their_ids_while_one_hides_the_other() -> None:
    def right(t: float) -> Box | None:
        return person(100 + 80 * t)

    def left(t: float) -> Box | None:
        x = 500 - 80 * t
        return None if abs(x - (100 + 80 * t)) < 45 else person(x, y=172)  # hidden behind the nearer one

    history = walk(new(), np.arange(0, 5, 1 / FPS), [right, left])
    assert sum(1 not in frame for frame in history) >= 5
    assert ids_of(history, 0) == {1}
    assert ids_of(history, 1) == {2}
    assert history[-1] == {0: 1, 1: 2}


def test_somebody_who_turned_sideways_before_being_hidden_keeps_the_id() -> None:
    """The box grew narrow while seen; while unseen, the guess must not go on narrowing to nothing."""

    def turning(t: float) -> Box | None:
        return None if 1.5 <= t < 2.5 else person(300, width=70 - 80 * min(max(t - 1.0, 0), 0.5))

    history = walk(new(), np.arange(0, 4, 1 / FPS), [turning])
    assert sum(not frame for frame in history) == 10
    assert ids_of(history, 0) == {1}


def test_a_pair_too_far_apart_does_not_take_the_right_box_from_a_track() -> None:
    """One stands, one vanishes, one appears beside: overlap with the newcomer is too small to count."""
    tracker = new(match_iou=0.3)
    feed(tracker, *still(0.0, 1.0, person(100)))
    seen = tracker.update(detections([person(130), person(70)], 1.0))
    assert seen.ids.tolist() == [1]

    a, b = person(100), person(130)
    tracker = new(match_iou=0.3)
    for n in range(5):
        tracker.update(detections([a, b], n / FPS))
    # Overlap with the first box: 0.45 of a, 0.54 of b. With the second one: 0.26 of a, too little, and none of b.
    seen = tracker.update(detections([person(113), person(65)], 0.5))
    assert seen.ids.tolist() == [1]
    assert seen.boxes_xyxy.tolist() == [list(person(113))]


def test_a_faint_box_continues_a_track() -> None:
    tracker = new()
    feed(tracker, *still(0.0, 0.5, person(100)))
    for n in range(5, 30):
        seen = tracker.update(detections([person(100)], n / FPS, scores=0.15))
        assert seen.ids.tolist() == [1]
        assert seen.scores.tolist() == pytest.approx([0.15])


def test_a_faint_box_never_starts_a_track() -> None:
    assert feed(new(), *(detections([person(100)], n / FPS, scores=0.39) for n in range(30))) == [[]] * 30


def test_a_box_just_above_the_usual_score_continues_but_does_not_start() -> None:
    tracker = new(new_score_margin=0.05)
    assert feed(tracker, *(detections([person(100)], n / FPS, scores=0.42) for n in range(5))) == [[]] * 5
    feed(tracker, *still(0.5, 0.3, person(100)))
    assert feed(tracker, detections([person(100)], 0.8, scores=0.42)) == [[1]]


def test_a_faint_box_does_not_bring_back_a_lost_track_but_a_good_one_does() -> None:
    tracker = new()
    feed(tracker, *still(0.0, 0.5, person(100)), detections([], 0.5))
    assert feed(tracker, detections([person(100)], 0.6, scores=0.2), detections([person(100)], 0.7)) == [[], [1]]


def test_boxes_below_the_low_score_are_not_looked_at() -> None:
    tracker = new(low_score=0.2)
    feed(tracker, *still(0.0, 0.5, person(100)))
    assert feed(tracker, detections([person(100)], 0.5, scores=0.1)) == [[]]


def test_the_configured_high_score_beats_the_detectors_own() -> None:
    assert feed(new(high_score=0.8), detections([person(100)], scores=0.7)) == [[]]
    assert feed(new(high_score=0.2), detections([person(100)], scores=0.3)) == [[1]]


RED, BLUE = (80, 80, 140), (130, 90, 60)
Colour = tuple[int, int, int]


def painted(people: list[tuple[Box, Colour]], at_s: float) -> Detections:
    """People in plain colours, the last in front; each is detected unless one in front covers 70 %."""
    image = np.full((360, 640, 3), 128, np.uint8)
    shown: list[Box] = []
    for (x0, y0, x1, y1), colour in people:
        image[max(int(y0), 0) : int(y1), max(int(x0), 0) : int(x1)] = colour
        hides = np.array([[x0, y0, x1, y1]])
        shown = [box for box in shown if iou(np.array([box]), hides)[0, 0] < 0.54]
        shown.append((x0, y0, x1, y1))
    plain = detections(shown, at_s)
    frame = Frame(camera_id="door", seq=0, captured_at_s=at_s, image=image)
    return Detections(frame=frame, boxes_xyxy=plain.boxes_xyxy, scores=plain.scores)


def test_somebody_who_stops_before_a_mannequin_does_not_take_its_track_nor_it_theirs() -> None:
    tracker = new(lost_s=3)
    place = person(300)
    for n in range(60):
        t = n / FPS
        x = 60 + 120 * min(t, 2.0) + 120 * max(t - 4.0, 0.0)  # stands right before it from 2 s to 4 s, then goes on
        seen = tracker.update(painted([(place, BLUE), (person(x), RED)], t))
        middles = (seen.boxes_xyxy[:, 0] + seen.boxes_xyxy[:, 2]) / 2
        for track, middle in zip(seen.ids.tolist(), middles.tolist(), strict=True):
            assert track == (2 if abs(middle - x) < 1 else 1)
    assert seen.ids.tolist() == [1, 2]


def test_somebody_in_other_colours_at_the_place_of_one_just_lost_is_somebody_else() -> None:
    for colour, expected in ((RED, 1), (BLUE, 2)):
        tracker = new()
        for n in range(10):
            tracker.update(painted([(person(300), RED)], n / FPS))
        ids = [tracker.update(painted([(person(300), colour)], 1.5 + n / FPS)).ids.tolist() for n in range(3)]
        assert ids[-1] == [expected]


def test_somebody_of_unknown_colours_is_followed_by_place() -> None:
    tracker, vivid = new(), (255, 0, 255)
    assert [tracker.update(painted([(person(300), vivid)], n / FPS)).ids.tolist() for n in range(4)] == [[1]] * 4


def test_what_is_worn_comes_out_with_the_tracks() -> None:
    tracker = new()
    seen = tracker.update(painted([(person(100), RED), (person(500), BLUE)], 0))
    expected = colours.signatures(seen.frame.image, seen.boxes_xyxy)
    assert seen.colours == pytest.approx(np.array(expected))


def test_the_colours_of_somebody_whom_the_frame_cuts_are_not_learnt() -> None:
    tracker = new()
    assert not tracker.update(painted([(person(300, 330), RED)], 0)).colours.any()
    assert tracker.update(painted([(person(300, 280), RED)], 0.1)).colours.any()


def test_the_legs_of_somebody_followed_are_nobody() -> None:
    body = (270.0, 100.0, 330.0, 250.0)
    legs = (268.0, 180.0, 334.0, 268.0)
    tracker = new()
    tracker.update(detections([body], 0))
    assert feed(tracker, *(detections([body, legs], 0.1 + n / FPS) for n in range(5)))[-1] == [1]


def test_somebody_whose_head_shows_above_another_is_somebody() -> None:
    tracker = new()
    tracker.update(detections([person(300)], 0))
    behind = person(300, 165, height=150)
    assert feed(tracker, *(detections([person(300), behind], 0.1 + n / FPS) for n in range(5)))[-1] == [1, 2]


def test_a_box_round_two_people_is_nobody() -> None:
    tracker = new()
    pair = [person(300), person(340)]
    tracker.update(detections(pair, 0))
    around = (265.0, 100.0, 375.0, 258.0)
    assert feed(tracker, *(detections([*pair, around], 0.1 + n / FPS) for n in range(5)))[-1] == [1, 2]


def test_fifty_people_keep_their_ids() -> None:
    def path(who: int) -> Callable[[float], Box | None]:
        x, y = 40 + 60 * (who % 10), 40 + 70 * (who // 10)
        return lambda t: person(x + 10 * np.sin(t + who), y, height=60, width=25)

    history = walk(new(), np.arange(0, 3, 1 / FPS), [path(who) for who in range(50)])
    assert all(frame == {who: who + 1 for who in range(50)} for frame in history)


def test_somebody_cut_by_the_frame_on_the_way_out_keeps_the_id() -> None:
    def leaving(t: float) -> Box | None:
        x0, y0, x1, y1 = person(500 + 60 * t)
        return (x0, y0, min(x1, 640.0), y1) if x0 < 636 else None

    history = walk(new(), np.arange(0, 3, 1 / FPS), [leaving])
    assert len([frame for frame in history if frame]) > 25
    assert ids_of(history, 0) == {1}
    assert all(frame.get(0, 1) == 1 for frame in history)


def test_one_pixel_boxes_are_followed() -> None:
    box = (100.0, 100.0, 101.0, 101.0)
    assert feed(new(), *still(0.0, 0.5, box)) == [[1]] * 5


@pytest.mark.parametrize("box", [(100, 100, 100, 200), (100, 100, 200, 100), (50, 50, 50, 50), (90, 90, 80, 95)])
@pytest.mark.parametrize("hits", [1, 2])
def test_boxes_without_area_are_nobody_and_disturb_nobody(box: Box, hits: int) -> None:
    tracker = new(confirm_hits=hits)
    ids = feed(tracker, *(detections([box, person(300)], n / FPS) for n in range(10)))
    assert ids == [[1]] * 10


def test_boxes_that_are_not_numbers_are_nobody() -> None:
    nan = float("nan")
    tracker = new()
    odd = [(nan, 0.0, 10.0, 10.0), (0.0, 0.0, nan, nan)]
    assert feed(tracker, *(detections([*odd, person(300)], n / FPS) for n in range(5))) == [[1]] * 5
    assert feed(tracker, detections([person(300)], 0.5, scores=nan)) == [[]]


def test_a_walk_seen_at_irregular_times_is_one_track() -> None:
    gaps = np.random.default_rng(3).uniform(0.04, 0.5, 60)
    times = np.r_[0.0, 0.08, 0.16, 0.24, 0.24 + np.cumsum(gaps)]
    history = walk(new(), times, [lambda t: person(60 + 35 * t, height=200, width=80)])
    assert ids_of(history, 0) == {1}
    assert all(frame[0] == 1 for frame in history)


def test_half_a_second_between_frames_is_bridged_by_the_speed() -> None:
    """A step of 50 px in half a second overlaps too little to be matched in place."""
    times = np.r_[np.arange(0, 1, 0.1), np.arange(1, 4, 0.5)]
    history = walk(new(), times, [lambda t: person(60 + 100 * t)])
    assert [frame[0] for frame in history] == [1] * len(times)


def test_frames_of_the_same_time_are_no_trouble() -> None:
    tracker = new()
    seen = [tracker.update(detections([person(100 + n)], 5.0)) for n in range(10)]
    assert [s.ids.tolist() for s in seen] == [[1]] * 10
    assert all(np.isfinite(t.place).all() and np.isfinite(t.place_variance).all() for t in tracker._tracks)


def test_a_clock_that_is_set_back_ends_the_lost_and_keeps_the_present() -> None:
    tracker = new(lost_s=1.5)
    feed(tracker, *(detections([person(100), person(400)], 5000 + n / FPS) for n in range(5)))
    feed(tracker, *(detections([person(100)], 5000.5 + n / FPS) for n in range(2)))
    assert feed(tracker, *(detections([person(100)], 1000 + n / FPS) for n in range(3))) == [[1]] * 3
    assert len(tracker._tracks) == 1


def test_numbers_stay_finite_over_a_long_stay() -> None:
    tracker = new()
    for n in range(3000):
        tracker.update(detections([person(100 + np.sin(n)), (0, 0, 1, 1)], n / FPS))
    for track in tracker._tracks:
        assert np.isfinite(track.place).all()
        assert np.isfinite(track.speed).all()
        assert (track.place_variance * track.speed_variance > track.covariance**2).all()
        assert (track.place_variance > 0).all()
    assert [t.track_id for t in tracker._tracks] == [1, 2]


def test_memory_does_not_grow_with_the_day() -> None:
    """10,000 frames in which people and ghosts come and go all the time."""
    tracker, random, most, last_id = new(lost_s=1.0), np.random.default_rng(0), 0, 0
    for n in range(10_000):
        boxes = [person(x, y, 60, 25) for x, y in random.uniform(0, 300, (1, 2))]
        if n % 40 < 5:  # somebody who stays for half a second
            boxes.append(person(500 + n % 7, 180 + n % 11))
        seen = tracker.update(detections(boxes, n / FPS))
        last_id = max([last_id, *seen.ids.tolist()])
        most = max(most, len(tracker._tracks))
    assert last_id >= 250
    assert most <= 15


def test_people_of_any_frame_rate_are_counted_alike() -> None:
    for fps in (2.0, 8.0, 25.0, 60.0):
        tracker = new()
        ids = feed(tracker, *still(0.0, 5.0, person(100), fps), detections([], 5.0), *still(6.0, 2.0, person(100), fps))
        assert {i for frame in ids for i in frame} == {1}, fps


def test_the_same_detections_give_the_same_tracks() -> None:
    def once() -> list[tuple[list[int], list[list[float]]]]:
        tracker, random = new(), np.random.default_rng(1)
        results: list[Tracks] = []
        for n in range(100):
            boxes = [person(100 * k + random.normal(0, 9)) for k in range(1, 6) if random.random() < 0.8]
            results.append(tracker.update(detections(boxes, n / FPS)))
        return [(r.ids.tolist(), r.boxes_xyxy.tolist()) for r in results]

    assert once() == once()


# ---- properties

_coordinate = st.floats(0, 640, width=32)
_box = st.tuples(_coordinate, _coordinate, _coordinate, _coordinate)
_frame = st.tuples(st.floats(0, 0.6), st.lists(st.tuples(_box, st.floats(0, 1, width=32)), max_size=6))


@given(frames=st.lists(_frame, max_size=12))
def test_ids_rise_and_boxes_are_those_that_came_in(frames: list[tuple[float, list[tuple[Box, float]]]]) -> None:
    tracker, now_s, known = new(), 0.0, 0
    for gap_s, found in frames:
        now_s += gap_s
        came = detections([box for box, _ in found], now_s, scores=[score for _, score in found])
        seen = tracker.update(came)
        ids = seen.ids.tolist()
        assert ids == sorted(set(ids))
        fresh = [i for i in ids if i > known]
        assert fresh == list(range(known + 1, known + 1 + len(fresh)))
        known += len(fresh)
        pairs = [(*box, score) for box, score in zip(came.boxes_xyxy.tolist(), came.scores.tolist(), strict=True)]
        for box, score in zip(seen.boxes_xyxy.tolist(), seen.scores.tolist(), strict=True):
            pairs.remove((*box, score))  # each at most once
        assert (seen.scores >= np.float32(CONFIG.low_score)).all()


@given(a=st.lists(_box, max_size=5), b=st.lists(_box, max_size=5))
def test_iou_is_symmetric_and_a_share(a: list[Box], b: list[Box]) -> None:
    one, other = (np.array(boxes, np.float64).reshape(-1, 4) for boxes in (a, b))
    there, back = iou(one, other), iou(other, one)
    assert there.shape == (len(a), len(b))
    np.testing.assert_array_equal(there, back.T)
    assert ((there >= 0) & (there <= 1)).all()
    for row, box in zip(iou(one, one).diagonal(), one, strict=True):
        assert row == pytest.approx(1.0 if box[2] > box[0] and box[3] > box[1] else 0.0)


def test_iou_by_hand() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 4, 4], [3, 3, 3, 9]], np.float64)
    np.testing.assert_allclose(iou(boxes[:1], boxes), [[1, 1 / 3, 0, 0.04, 0]])
