import numpy as np
import pytest
from walking import CAMERA, THRESHOLDS, Path, Person, Place, Scene, hidden, stands, tracks_of, walks

from vestibule.sections import CameraConfig, EntranceConfig, VisitsConfig, ZoneConfig
from vestibule.visits import VisitKeeper

ANNA, BERTA, CARLA = Person(0), Person(1, ("Jeans", "Blazer")), Person(2, ("Skirt",))
ANNAS_TWIN = Person(0)
ACROSS = walks((0.2, 0.8), (0.8, 0.8), 5)
DOOR = CameraConfig(id="door", source="0", entrance=EntranceConfig(line=((0.2, 0.6), (0.8, 0.6)), inside=(0.5, 0.9)))
ENTERS, LEAVES = walks((0.5, 0.45), (0.5, 0.9), 4), walks((0.5, 0.9), (0.5, 0.45), 4)


def phases(scene: Scene) -> list[str]:
    return [visit.phase for visit in scene.visits()]


def test_somebody_who_passes_is_new_then_confirmed_then_ended() -> None:
    scene = Scene().play(5, {1: (ACROSS, ANNA)}).play(61)
    assert phases(scene) == ["new", "confirmed", "ended"]
    new, confirmed, ended = scene.visits()
    assert new.visit_id == confirmed.visit_id == ended.visit_id == "door-1000000-1"
    assert ended.first_seen_at_s == 1000.0
    assert ended.last_seen_at_s == pytest.approx(1004.9, abs=0.2)
    assert confirmed.settled
    assert confirmed.entered
    assert not confirmed.silent
    assert [(g.label, g.votes) for g in confirmed.garments] == [("Dress", 3)]
    assert ended.garments == confirmed.garments
    assert ended.readings == confirmed.readings == 3
    assert scene.said[-1][0] == pytest.approx(1064.9, abs=0.3)


def test_nobody_in_view_is_no_news() -> None:
    assert phases(Scene().play(100).finish()) == []


def test_the_end_of_the_recording_ends_every_visit_once() -> None:
    scene = Scene().play(3, {1: (ACROSS, ANNA), 2: (walks((0.8, 0.6), (0.2, 0.6), 5), BERTA)}).finish().finish()
    assert [(v.visit_id[-1], v.phase) for v in scene.visits() if v.phase != "confirmed"] == [
        ("1", "new"),
        ("2", "new"),
        ("1", "ended"),
        ("2", "ended"),
    ]


def test_a_visit_without_a_reading_is_new_then_ended() -> None:
    scene = Scene().play(5, {1: (ACROSS, None)}).play(61)
    assert phases(scene) == ["new", "ended"]
    assert scene.visits()[-1].readings == 0
    assert not scene.visits()[-1].settled


def test_it_is_confirmed_unsettled_when_the_deadline_passes_without_enough_readings() -> None:
    scene = Scene(read_every_s=3.0).play(20, {1: (walks((0.1, 0.8), (0.9, 0.8), 20), ANNA)}).finish()
    assert phases(scene) == ["new", "confirmed", "ended"]
    first_reading_s = 1001.5
    assert scene.said[1][0] == pytest.approx(first_reading_s + 4, abs=0.2)
    assert [v.settled for v in scene.visits()] == [False, False, False]
    assert scene.visits()[1].garments == scene.visits()[2].garments
    assert scene.visits()[2].readings == 2


def test_the_deadline_passes_also_when_nobody_is_in_view() -> None:
    scene = Scene(read_every_s=1.6).play(2, {1: (walks((0.2, 0.8), (0.6, 0.8), 2), ANNA)}).play(10)
    assert [v.phase for v in scene.visits()] == ["new", "confirmed"]
    assert not scene.visits()[-1].settled


def test_a_reading_after_the_deadline_does_not_settle() -> None:
    scene = Scene()
    scene.play(3, {1: (walks((0.2, 0.8), (0.6, 0.8), 3), None)})
    keeper = scene.keeper
    assert keeper.read([ANNA.reading(1, 1001.0), ANNA.reading(1, 1001.5)]) == ()
    (confirmed,) = keeper.read([ANNA.reading(1, 1005.1)])
    assert not confirmed.settled
    assert confirmed.readings == 2
    assert keeper.read([ANNA.reading(1, 1002.0), ANNA.reading(1, 1002.5)]) == ()


def test_readings_count_after_the_track_is_gone_and_in_any_order() -> None:
    scene = Scene().play(2, {1: (walks((0.2, 0.8), (0.6, 0.8), 2), None)}).play(0.5)
    (confirmed,) = scene.keeper.read([ANNA.reading(1, 1000.0 + t) for t in (1.6, 0.4, 1.0)])
    assert confirmed.settled
    assert confirmed.last_seen_at_s == pytest.approx(1001.9, abs=0.2)


def test_readings_of_nobody_or_of_another_camera_are_left_out() -> None:
    scene = Scene().play(3, {1: (walks((0.2, 0.8), (0.6, 0.8), 3), None)})
    for _ in range(5):
        assert scene.keeper.read([ANNA.reading(7, 1001.0), ANNA.reading(1, 1001.0, camera_id="other")]) == ()


def test_tracks_that_are_settled_need_no_more_crops() -> None:
    scene = Scene().play(1, {1: (ACROSS, ANNA)})
    assert scene.keeper.settled_tracks == frozenset()
    scene.play(2.5, {1: (walks((0.3, 0.8), (0.6, 0.8), 5), ANNA), 2: (stands(0.9, 0.5), BERTA)})
    assert scene.keeper.settled_tracks == {1}
    scene.play(1)
    assert scene.keeper.settled_tracks == frozenset()


@pytest.mark.parametrize("fps", [3.0, 8.0, 25.0])
def test_the_frame_rate_changes_nothing(fps: float) -> None:
    scene = Scene(fps=fps, read_every_s=0.5).play(5, {1: (ACROSS, ANNA)}).play(61)
    assert phases(scene) == ["new", "confirmed", "ended"]
    assert scene.visits()[1].settled


def test_fifty_people_are_fifty_visits() -> None:
    people = {
        i + 1: (walks((i / 60, 0.5 + i / 120), (i / 60 + 0.15, 0.5 + i / 120), 4), Person(i % 16)) for i in range(50)
    }
    scene = Scene().play(4, people).play(61)
    assert len(scene.visits("new")) == len(scene.visits("ended")) == 50
    assert len({v.visit_id for v in scene.visits("new")}) == 50


def test_boxes_without_size_and_beyond_the_frame_are_borne() -> None:
    scene = Scene().play(3, {1: (stands(0.5, 0.5, 0.0), ANNA), 2: (stands(0.5, 1.3, 1.3), BERTA)}).finish()
    assert phases(scene) == []


# Mannequins and posters


def jittering(place: Place, share: float, seed: int) -> Path:
    noise = np.random.default_rng(seed)

    def path(_: float) -> Place:
        dx, dy, dh = noise.normal(0, share * place[2], 3)
        return place[0] + dx / (16 / 9), place[1] + dy, place[2] + dh

    return path


@pytest.mark.parametrize("seed", range(3))
def test_a_mannequin_is_no_visit_however_it_jitters(seed: int) -> None:
    scene = Scene().play(120, {1: (jittering((0.5, 0.8, 0.4), 0.02, seed), ANNA)}).finish()
    assert phases(scene) == []


def test_a_mannequin_whose_track_breaks_and_restarts_is_no_visit() -> None:
    scene = Scene()
    for track_id in range(1, 15):
        scene.play(4, {track_id: (jittering((0.5, 0.8, 0.4), 0.02, track_id), ANNA)}).play(track_id % 5)
    assert phases(scene.finish()) == []


def test_a_mannequin_hidden_by_somebody_who_walks_by_is_no_visit() -> None:
    scene = Scene().play(5, {1: (stands(0.5, 0.7), ANNA)})
    mannequin = hidden(stands(0.5, 0.7), 1.8, 3.2)
    scene.play(5, {1: (mannequin, ANNA), 2: (walks((0.2, 0.8), (0.8, 0.8), 5), BERTA)})
    scene.play(5, {3: (stands(0.5, 0.7), ANNA)}).play(70)
    assert phases(scene) == ["new", "confirmed", "ended"]
    assert {g.label for g in scene.visits()[-1].garments} == {"Jeans", "Blazer"}


MANNEQUIN = (0.5, 0.8, 0.4)


def passes(t: float) -> Place:
    return 0.2 + 0.12 * t, 0.82, 0.4


@pytest.mark.parametrize("is_read", [True, False])
def test_a_mannequin_whose_track_walks_off_with_a_passer_by_is_no_visit(*, is_read: bool) -> None:
    scene = Scene().play(5, {1: (lambda _: MANNEQUIN, CARLA)})
    scene.play(2.5, {1: (lambda _: MANNEQUIN, CARLA), 2: (hidden(passes, 2, 9), BERTA)})
    swapped: Path = lambda t: MANNEQUIN if t > 0.2 else None  # noqa: E731
    scene.play(2.5, {1: (lambda t: passes(t + 2.5), BERTA if is_read else None), 2: (swapped, None)})
    scene.play(61, {2: (lambda _: MANNEQUIN, CARLA)}).finish()
    assert len(scene.visits("new")) == len(scene.visits("ended")) == 1
    assert [g.label for g in scene.visits("confirmed")[0].garments] == ["Blazer", "Jeans"]
    assert scene.visits("ended")[0].last_seen_at_s == pytest.approx(1009.9, abs=0.3)


def test_a_mannequin_that_gets_a_new_track_after_its_own_walked_off_is_no_visit() -> None:
    scene = Scene().play(5, {1: (lambda _: MANNEQUIN, CARLA)})
    scene.play(2, {1: (lambda _: MANNEQUIN, CARLA), 2: (passes, ANNA)})
    scene.play(4, {1: (lambda t: passes(t + 2.5), ANNA), 3: (lambda t: MANNEQUIN if t > 0.8 else None, CARLA)})
    scene.play(30, {3: (lambda _: MANNEQUIN, CARLA)}).finish()
    assert len(scene.visits("new")) == 1
    assert [g.label for g in scene.visits("ended")[0].garments] == ["Dress"]


def test_a_track_that_stays_behind_on_a_mannequin_does_not_keep_the_visit_in_view() -> None:
    scene = Scene().play(5, {1: (lambda _: MANNEQUIN, CARLA)})
    scene.play(2.5, {1: (lambda t: MANNEQUIN if t < 2 else None, CARLA), 2: (passes, ANNA)})
    scene.play(20, {2: (lambda _: MANNEQUIN, CARLA)})
    scene.play(4, {2: (lambda _: MANNEQUIN, CARLA), 3: (walks((0.9, 0.6), (0.6, 0.6), 4), ANNA)})
    scene.play(61, {2: (lambda _: MANNEQUIN, CARLA)})
    assert len(scene.visits("new")) == len(scene.visits("ended")) == 1
    assert scene.visits("ended")[0].last_seen_at_s == pytest.approx(1031.4, abs=0.3)


def test_somebody_who_stood_is_a_visit_though_others_walk_through_the_place() -> None:
    scene = Scene().play(6, {1: (lambda _: MANNEQUIN, CARLA)})
    scene.play(4, {1: (walks((0.5, 0.8), (0.8, 0.7), 4), CARLA), 2: (walks((0.1, 0.8), (0.9, 0.8), 4), BERTA)}).finish()
    assert sorted([g.label for g in v.garments] for v in scene.visits("ended")) == [["Blazer", "Jeans"], ["Skirt"]]


def test_somebody_who_stands_and_then_walks_is_a_visit_from_the_start() -> None:
    scene = Scene().play(8, {1: (stands(0.2, 0.8), ANNA)})
    assert phases(scene) == []
    scene.play(3, {1: (walks((0.2, 0.8), (0.6, 0.8), 3), ANNA)}).finish()
    assert phases(scene) == ["new", "confirmed", "ended"]
    assert scene.visits()[0].first_seen_at_s == 1000.0
    assert scene.visits()[1].settled


# One person, several tracks


@pytest.mark.parametrize("person", [ANNA, None])
@pytest.mark.parametrize("gap_s", [0.3, 1.0, 2.0])
def test_a_track_that_breaks_is_one_visit(person: Person | None, gap_s: float) -> None:
    path = walks((0.1, 0.8), (0.9, 0.8), 8)
    scene = Scene().play(8, {1: (hidden(path, 3, 9), person), 2: (hidden(path, 0, 3 + gap_s), person)})
    scene.play(61)
    assert phases(scene) == (["new", "confirmed", "ended"] if person else ["new", "ended"])
    assert scene.visits()[-1].last_seen_at_s == pytest.approx(1007.9, abs=0.2)


def test_a_break_before_the_visit_is_settled_gathers_the_evidence_of_both_tracks() -> None:
    path = walks((0.1, 0.8), (0.9, 0.8), 8)
    second = hidden(path, 0, 2)
    scene = Scene(read_every_s=0.8).play(8, {1: (hidden(path, 1.7, 9), ANNA), 2: (second, ANNA)}).finish()
    assert phases(scene) == ["new", "confirmed", "ended"]
    assert scene.visits()[1].readings == 3
    assert scene.visits()[1].settled


def test_somebody_else_who_turns_up_in_the_same_place_is_another_visit() -> None:
    scene = Scene().play(4, {1: (walks((0.2, 0.8), (0.6, 0.8), 4), ANNA)}).play(0.5)
    scene.play(4, {2: (walks((0.6, 0.8), (0.2, 0.8), 4), BERTA)}).finish()
    assert len(scene.visits("new")) == 2
    assert [[g.label for g in v.garments] for v in scene.visits("confirmed")] == [["Dress"], ["Blazer", "Jeans"]]


def test_somebody_too_far_away_is_not_taken_for_a_break_without_a_look() -> None:
    scene = Scene().play(3, {1: (walks((0.1, 0.8), (0.3, 0.8), 3), None)}).play(0.3)
    scene.play(3, {2: (walks((0.9, 0.8), (0.7, 0.8), 3), None)}).finish()
    assert len(scene.visits("new")) == 2


def test_two_who_cross_and_lose_their_tracks_keep_their_visits() -> None:
    right, left = walks((0.1, 0.8), (0.9, 0.8), 8), walks((0.9, 0.8), (0.1, 0.8), 8)
    scene = Scene().play(
        8,
        {
            1: (hidden(right, 3.5, 9), ANNA),
            2: (hidden(left, 3.5, 9), BERTA),
            3: (hidden(left, 0, 4.8), BERTA),
            4: (hidden(right, 0, 4.8), ANNA),
        },
    )
    scene.play(61)
    assert len(scene.visits("new")) == len(scene.visits("ended")) == 2
    assert all(v.last_seen_at_s == pytest.approx(1007.9, abs=0.2) for v in scene.visits("ended"))


def test_two_dressed_alike_at_the_same_time_are_two_visits() -> None:
    scene = Scene().play(5, {1: (ACROSS, ANNA), 2: (walks((0.2, 0.65), (0.8, 0.65), 5), ANNAS_TWIN)})
    scene.play(61)
    assert len(scene.visits("new")) == len(scene.visits("ended")) == 2


def test_somebody_dressed_alike_who_comes_while_the_first_is_in_view_is_another_visit() -> None:
    scene = Scene().play(3, {1: (stands(0.2, 0.8), ANNA)}).play(2, {1: (walks((0.2, 0.8), (0.4, 0.8), 2), ANNA)})
    scene.play(4, {1: (stands(0.4, 0.8), ANNA), 2: (walks((0.45, 0.8), (0.9, 0.8), 4), ANNAS_TWIN)}).finish()
    assert len(scene.visits("new")) == 2


def test_the_nearest_look_wins_and_each_visit_is_taken_once() -> None:
    scene = Scene()
    scene.play(4, {1: (walks((0.1, 0.8), (0.4, 0.8), 4), ANNA), 2: (walks((0.9, 0.8), (0.6, 0.8), 4), BERTA)}).play(20)
    scene.play(
        4,
        {
            3: (walks((0.1, 0.8), (0.4, 0.8), 4), BERTA),
            4: (walks((0.9, 0.8), (0.6, 0.8), 4), ANNA),
            5: (walks((0.3, 0.6), (0.6, 0.6), 4), ANNAS_TWIN),
        },
    )
    scene.finish()
    assert len(scene.visits("new")) == 3
    assert len(scene.visits("ended")) == 3


@pytest.mark.parametrize(("away_s", "visits"), [(4, 1), (30, 1), (59, 1), (61, 2), (90, 2)])
def test_somebody_who_returns_within_the_window_is_the_same_visit(away_s: float, visits: int) -> None:
    scene = Scene().play(5, {1: (ACROSS, ANNA)}).play(away_s)
    scene.play(5, {2: (walks((0.9, 0.6), (0.3, 0.6), 5), ANNA)}).play(61)
    assert len(scene.visits("new")) == len(scene.visits("ended")) == len(scene.visits("confirmed")) == visits
    assert scene.visits("ended")[-1].last_seen_at_s == pytest.approx(1009.9 + away_s, abs=0.2)


def test_somebody_else_within_the_window_is_another_visit() -> None:
    scene = Scene().play(5, {1: (ACROSS, ANNA)}).play(10).play(5, {2: (ACROSS, BERTA)}).finish()
    assert len(scene.visits("new")) == 2


RED_ANNA, GREEN_TWIN = Person(ANNA.look, colours=0), Person(ANNA.look, colours=1)


@pytest.mark.parametrize(("second", "visits"), [(RED_ANNA, 1), (GREEN_TWIN, 2), (ANNA, 1)])
def test_somebody_of_the_same_look_in_other_colours_is_another_visit(second: Person, visits: int) -> None:
    scene = Scene().play(5, {1: (ACROSS, RED_ANNA)}).play(10).play(5, {2: (ACROSS, second)}).finish()
    assert len(scene.visits("new")) == len(scene.visits("ended")) == visits


@pytest.mark.parametrize(("second", "visits"), [(RED_ANNA, 1), (GREEN_TWIN, 2)])
def test_a_track_that_breaks_and_goes_on_in_other_colours_is_another_visit(second: Person, visits: int) -> None:
    path = walks((0.1, 0.8), (0.9, 0.8), 10)
    scene = Scene().play(10, {1: (hidden(path, 4, 11), RED_ANNA), 2: (hidden(path, 0, 4.5), second)}).finish()
    assert len(scene.visits("new")) == visits


def test_a_mannequin_back_at_its_place_after_its_track_was_carried_off_is_no_visit() -> None:
    """Its track goes off with somebody and is lost; 0.6 s later it is seen again where it always stood."""
    mannequin = stands(0.5, 0.8)

    def carried_off(t: float) -> Place | None:
        return None if t > 5.3 else (0.5 + 0.3 * max(0, t - 5), 0.8, 0.4)

    scene = Scene().play(20, {1: (carried_off, ANNA), 2: (hidden(mannequin, 0, 5.9), ANNA)}).finish()
    assert not scene.visits("new")


def test_a_lost_track_that_returns_beside_its_successor_is_another_visit() -> None:
    path = walks((0.1, 0.8), (0.9, 0.8), 10)
    second = hidden(path, 0, 3.5)
    scene = Scene().play(10, {1: (hidden(path, 3, 6), ANNA), 2: (second, ANNA)}).finish()
    assert len(scene.visits("new")) == 2
    assert len(scene.visits("ended")) == 2


# The entrance


def test_somebody_who_enters_has_entered() -> None:
    scene = Scene(DOOR).play(4, {1: (ENTERS, ANNA)}).finish()
    assert (scene.visits()[0].phase, scene.visits()[0].entered) == ("new", False)
    assert scene.visits("confirmed")[-1].entered
    assert scene.visits("ended")[0].entered


def test_entering_after_the_confirmation_is_told() -> None:
    scene = Scene(DOOR).play(4, {1: (walks((0.3, 0.5), (0.7, 0.5), 4), ANNA)})
    scene.play(2, {1: (walks((0.7, 0.5), (0.7, 0.8), 2), ANNA)}).finish()
    assert [(v.phase, v.entered) for v in scene.visits()] == [
        ("new", False),
        ("confirmed", False),
        ("confirmed", True),
        ("ended", True),
    ]


@pytest.mark.parametrize(
    "path",
    [
        LEAVES,
        walks((0.1, 0.55), (0.9, 0.55), 5),
        walks((0.3, 0.7), (0.7, 0.8), 5),
        lambda t: (0.5, 0.6 - abs(t - 2.5) * 0.1 + 0.015, 0.4),
        lambda t: (0.3 + 0.08 * t, 0.6 + 0.015 * np.sin(t * 9) - 0.001, 0.4),
    ],
    ids=["leaves", "passes outside", "is inside from the start", "turns round on the line", "walks along the line"],
)
def test_who_does_not_cross_inwards_has_not_entered(path: Path) -> None:
    scene = Scene(DOOR).play(5, {1: (path, ANNA)}).finish()
    assert len(scene.visits("new")) == 1
    assert not any(v.entered for v in scene.visits())


@pytest.mark.parametrize("person", [ANNA, None])
def test_somebody_hidden_while_crossing_has_entered(person: Person | None) -> None:
    second = hidden(ENTERS, 0, 2.2)
    scene = Scene(DOOR).play(4, {1: (hidden(ENTERS, 1.2, 9), person), 2: (second, person)}).finish()
    assert len(scene.visits("new")) == 1
    assert scene.visits("ended")[0].entered


@pytest.mark.parametrize("wild_at", [0.5, 1.0, 2.0])
def test_a_single_box_across_the_line_is_no_entry(wild_at: float) -> None:
    def outside(t: float) -> Place:
        return 0.3 + 0.1 * t, 0.8 if abs(t - wild_at) < 0.01 else 0.5, 0.4

    scene = Scene(DOOR).play(4, {1: (outside, ANNA)}).finish()
    assert not scene.visits("ended")[0].entered


def test_somebody_first_seen_inside_where_somebody_else_was_hidden_has_not_entered() -> None:
    second = hidden(ENTERS, 0, 2.2)
    scene = Scene(DOOR).play(4, {1: (hidden(ENTERS, 1.2, 9), ANNA), 2: (second, BERTA)}).finish()
    assert not any(v.entered for v in scene.visits())


def test_a_change_of_resolution_on_the_way_changes_nothing() -> None:
    scene = Scene(DOOR).play(1, {1: (ENTERS, ANNA)})
    scene.size = (1280, 720)
    scene.play(3, {1: (lambda t: ENTERS(t + 1), ANNA)}).finish()
    assert len(scene.visits("new")) == 1
    assert scene.visits("ended")[0].entered


def test_a_customer_inside_and_out_of_view_stays_until_the_time_out() -> None:
    scene = Scene(DOOR, VisitsConfig(inside_timeout_s=300), fps=5).play(4, {1: (ENTERS, ANNA)}).play(298)
    assert scene.visits("ended") == []
    scene.play(5)
    assert len(scene.visits("ended")) == 1
    assert scene.visits("ended")[0].last_seen_at_s == pytest.approx(1003.8, abs=0.3)


def test_a_customer_who_leaves_after_a_while_inside_ends_a_minute_later() -> None:
    scene = Scene(DOOR, fps=5).play(4, {1: (ENTERS, ANNA)}).play(200).play(4, {2: (LEAVES, ANNA)}).play(58)
    assert (len(scene.visits("new")), len(scene.visits("ended"))) == (1, 0)
    scene.play(4)
    assert len(scene.visits("ended")) == 1
    assert scene.visits("ended")[0].entered


@pytest.mark.parametrize(("away_s", "visits"), [(10, 1), (50, 1), (61, 2)])
def test_going_out_and_in_again_within_the_window_is_one_visit(away_s: float, visits: int) -> None:
    scene = Scene(DOOR).play(4, {1: (ENTERS, ANNA)}).play(4, {1: (LEAVES, ANNA)}).play(away_s)
    scene.play(4, {2: (ENTERS, ANNA)}).finish()
    assert len(scene.visits("new")) == len(scene.visits("ended")) == visits
    assert all(v.entered for v in scene.visits("ended"))


def test_who_left_does_not_come_back_from_the_inside() -> None:
    scene = Scene(DOOR).play(4, {1: (ENTERS, ANNA)}).play(4, {1: (LEAVES, ANNA)}).play(10)
    scene.play(3, {2: (walks((0.3, 0.9), (0.7, 0.8), 3), ANNAS_TWIN)}).finish()
    assert [v.entered for v in scene.visits("ended")] == [True, False]


def test_who_waits_outside_in_view_for_too_long_begins_a_new_visit() -> None:
    scene = Scene(DOOR, fps=5).play(4, {1: (ENTERS, ANNA)}).play(4, {1: (LEAVES, ANNA)})
    scene.play(70, {1: (stands(0.5, 0.45), ANNA)})
    assert len(scene.visits("ended")) == 1
    scene.play(4, {1: (ENTERS, ANNA)}).finish()
    assert [v.entered for v in scene.visits("ended")] == [True, True]


# Zones


def camera_with(kind: str, *more: ZoneConfig) -> CameraConfig:
    half = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))
    zone = ZoneConfig.model_validate({"name": kind, "kind": kind, "polygon": half})
    return CameraConfig(id="door", source="0", zones=(zone, *more))


def test_zones_are_told_in_the_order_in_which_they_were_entered() -> None:
    left = ZoneConfig(name="left", polygon=((0, 0), (0.4, 0), (0.4, 1), (0, 1)))
    scene = Scene(camera_with("area", left)).play(5, {1: (ACROSS, ANNA)}).finish()
    assert scene.visits("ended")[0].zones == ("left", "area")
    assert scene.visits("confirmed")[-1].zones == ("left", "area")


def test_staff_are_silent_and_need_no_crops() -> None:
    scene = Scene(camera_with("staff")).play(4.5, {1: (ACROSS, ANNA)})
    assert scene.keeper.settled_tracks == {1}
    scene.finish()
    assert scene.visits("ended")[0].silent
    assert scene.visits("ended")[0].zones == ()
    assert scene.visits("confirmed")[-1].silent


def test_a_short_step_into_the_staff_zone_makes_nobody_staff() -> None:
    scene = Scene(camera_with("staff")).play(4, {1: (walks((0.2, 0.8), (0.55, 0.8), 4), ANNA)}).finish()
    assert not scene.visits("ended")[0].silent


def test_time_in_the_staff_zone_adds_up_but_absence_is_no_time_there() -> None:
    def in_and_out(t: float) -> Place | None:
        return None if 1.5 < t < 4 else (0.52 if 0.7 < t < 4.2 else 0.3 + 0.1 * min(t, 1), 0.8, 0.4)

    once = Scene(camera_with("staff")).play(5, {1: (in_and_out, ANNA)})
    assert not once.last()[0].silent
    once.play(5, {1: (in_and_out, ANNA)}).finish()
    assert once.last()[0].silent


def test_people_in_an_ignore_zone_are_not_looked_at() -> None:
    scene = Scene(camera_with("ignore")).play(4, {1: (walks((0.6, 0.8), (0.9, 0.8), 4), ANNA)}).finish()
    assert phases(scene) == []


def test_walking_into_an_ignore_zone_is_like_walking_out_of_view() -> None:
    scene = Scene(camera_with("ignore")).play(5, {1: (ACROSS, ANNA)}).play(61)
    assert phases(scene) == ["new", "confirmed", "ended"]
    assert scene.visits()[-1].last_seen_at_s == pytest.approx(1002.4, abs=0.2)


# The camera's clock and the long run


def test_a_visit_carries_the_group_of_garments_that_cannot_be_told_apart() -> None:
    coat = Person(1, wears=("Jeans",), doubtful=("Blazer", "Jacket"))
    scene = Scene().play(5, {1: (ACROSS, coat)}).play(61).finish()
    for visit in (*scene.visits("confirmed"), *scene.visits("ended")):
        assert [garment.label for garment in visit.garments] == ["Jeans"]
        assert [group.label for group in visit.groups] == ["Outerwear"]
        assert visit.groups[0].score == pytest.approx(1 - 0.6 * 0.6)
        assert visit.groups[0].votes == visit.readings
    assert len(scene.visits("confirmed")) == len(scene.visits("ended")) == 1


def test_a_clock_that_is_set_back_ends_the_visits_and_goes_on() -> None:
    scene = Scene().play(4, {1: (ACROSS, ANNA)})
    scene.now_s = 400.0
    scene.play(4, {2: (ACROSS, BERTA)}).finish()
    assert [v.phase for v in scene.visits()] == ["new", "confirmed", "ended", "new", "confirmed", "ended"]
    assert scene.visits()[-1].first_seen_at_s == 400.0


def test_a_long_pause_of_the_camera_ends_the_visits() -> None:
    scene = Scene().play(4, {1: (ACROSS, ANNA)})
    scene.now_s += 500
    scene.play(4, {2: (ACROSS, ANNA)}).finish()
    assert len(scene.visits("new")) == 2


def test_the_same_input_gives_the_same_visits() -> None:
    people = {i: (walks((0.1 * i, 0.8), (0.1 * i + 0.3, 0.7), 4), Person(i)) for i in range(1, 7)}
    first, second = (Scene().play(4, people).play(61).said for _ in range(2))
    assert first == second
    assert len(first) == 18


def test_memory_does_not_grow_with_the_visits_that_have_ended() -> None:
    keeper = VisitKeeper(
        camera=CAMERA,
        config=VisitsConfig(reentry_window_s=5),
        thresholds=THRESHOLDS,
        same_person_distance=0.3,
    )

    def remembered() -> int:
        memory = (keeper._presences, keeper._presence_of, keeper._fragments, keeper._seen_at_s, keeper._in_view)
        return sum(map(len, memory))

    for number in range(300):
        for step in range(8):
            at_s = 1000 + number * 10 + step / 4
            keeper.see(tracks_of({number: (0.2 + step / 20, 0.8, 0.4)}, at_s))
            keeper.read([Person(number % 16).reading(number, at_s)])
    assert remembered() < 20
    keeper.see(tracks_of({}, 1000 + 3000 + 100))
    assert remembered() == 0
