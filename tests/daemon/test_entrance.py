from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from vestibule.entrance import Doorway, Passage
from vestibule.geometry import Sight
from vestibule.sections import EntranceConfig

DOOR = EntranceConfig(line=((0.3, 0.5), (0.7, 0.5)), inside=(0.5, 0.9), hysteresis=0.02)


def sight(x: float, y: float, height: float = 0.3, aspect: float = 16 / 9) -> Sight:
    return Sight(at_s=0, left=x - 0.03, top=max(y - height, 0), right=x + 0.03, bottom=min(y, 1), aspect=aspect)


def passed(feet: Sequence[tuple[float, float]], door: EntranceConfig = DOOR) -> list[str]:
    passage = Passage(Doorway(door))
    return [direction for x, y in feet if (direction := passage.observe(sight(x, y)))]


def test_walking_in_and_out_is_one_passage_each() -> None:
    way = [(0.5, y / 100) for y in range(30, 80)]
    assert passed(way) == ["in"]
    assert passed(way[::-1]) == ["out"]
    assert passed(way + way[::-1] + way) == ["in", "out", "in"]


def test_who_is_first_seen_inside_has_not_entered() -> None:
    assert passed([(0.5, 0.51), (0.5, 0.6), (0.5, 0.8)]) == []
    assert passed([(0.5, 0.8)]) == []


def test_who_is_first_seen_on_the_outer_half_of_the_line_can_enter() -> None:
    assert passed([(0.5, 0.49), (0.5, 0.53)]) == ["in"]


def test_turning_round_on_the_line_is_no_passage() -> None:
    assert passed([(0.5, y) for y in (0.3, 0.45, 0.51, 0.52, 0.49, 0.4, 0.3)]) == []


def test_walking_along_the_line_is_no_passage() -> None:
    assert passed([(0.05 * i, 0.5 + 0.015 * (-1) ** i) for i in range(20)]) == []
    assert passed([(0.05 * i, 0.45) for i in range(20)]) == []


def test_passing_beside_the_door_is_no_passage() -> None:
    assert passed([(0.9, 0.3), (0.9, 0.45), (0.9, 0.6), (0.5, 0.8)]) == []


def test_the_place_of_the_last_meeting_with_the_line_counts() -> None:
    assert passed([(0.5, 0.4), (0.5, 0.51), (0.9, 0.51), (0.9, 0.6)]) == ["in"]
    assert passed([(0.5, 0.4), (0.5, 0.51), (0.5, 0.49), (0.9, 0.49), (0.9, 0.6)]) == []


def test_a_little_beside_the_end_still_counts() -> None:
    assert passed([(0.29, 0.4), (0.29, 0.6)]) == ["in"]


def test_a_long_step_across_counts() -> None:
    assert passed([(0.4, 0.2), (0.6, 0.9)]) == ["in"]


def test_without_hysteresis_standing_exactly_on_the_line_changes_nothing() -> None:
    sharp = DOOR.model_copy(update={"hysteresis": 0.0})
    assert passed([(0.5, 0.4), (0.5, 0.5), (0.5, 0.5), (0.5, 0.4)], sharp) == []
    assert passed([(0.5, 0.4), (0.5, 0.5), (0.5, 0.50001)], sharp) == ["in"]


def test_hysteresis_is_in_frame_heights_also_across_a_wide_frame() -> None:
    door = EntranceConfig(line=((0.5, 0.2), (0.5, 0.9)), inside=(0.9, 0.5), hysteresis=0.02)
    assert passed([(0.4, 0.5), (0.5 + 0.021 / (16 / 9), 0.5)], door) == ["in"]
    assert passed([(0.4, 0.5), (0.5 + 0.019 / (16 / 9), 0.5)], door) == []


def test_feet_below_the_picture_are_where_they_must_be() -> None:
    near = EntranceConfig(line=((0.1, 0.9), (0.9, 0.9)), inside=(0.5, 1.0))
    assert passed([(0.5, 0.8), (0.5, 1.2)], near) == ["in"]
    upwards = EntranceConfig(line=((0.1, 0.9), (0.9, 0.9)), inside=(0.5, 0.1))
    assert passed([(0.5, 1.2), (0.5, 0.8)], upwards) == ["in"]


def test_feet_below_the_picture_hold_the_side_where_they_may_be_on_either() -> None:
    slanting = EntranceConfig(line=((0.2, 0.2), (0.8, 0.9)), inside=(0.9, 0.1))  # the line goes on below the picture
    right_of_it = [(0.95, 0.8), (0.95, 1.2), (0.95, 0.8)]
    assert passed(right_of_it, slanting) == []
    assert passed([(0.2, 0.8), (0.95, 1.2)], slanting) == []


@given(st.lists(st.floats(0.4801, 0.5199), max_size=60), st.booleans())
def test_jitter_within_the_hysteresis_never_counts_twice(jitter: list[float], arrives: bool) -> None:
    way = [(0.5, 0.4 if arrives else 0.6), *((0.5, y) for y in jitter)]
    assert passed(way) == []
    assert len(passed([*way, (0.5, 0.6 if arrives else 0.4), *((0.5, y) for y in jitter)])) == 1


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.05, 1.3)), max_size=60), st.floats(0, 0.2))
def test_a_wide_line_is_passed_in_and_out_in_turn(way: list[tuple[float, float]], hysteresis: float) -> None:
    wide = EntranceConfig(line=((0, 0.5), (1, 0.5)), inside=(0.5, 0.9), hysteresis=hysteresis)
    directions = passed(way, wide)
    assert all(first != second for first, second in pairwise(directions))
    if directions:
        starts_inside = way[0][1] >= 0.5
        assert directions[0] == ("out" if starts_inside else "in")
        last_clear = next(y for _, y in reversed(way) if abs(min(y, 1) - 0.5) > hysteresis)
        assert directions[-1] == ("in" if last_clear > 0.5 else "out")


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.05, 1.3)), max_size=40), st.sampled_from([0.5, 1.0, 1.78, 3.0]))
def test_a_change_of_resolution_on_the_way_changes_nothing(way: list[tuple[float, float]], factor: float) -> None:
    still, changing = Passage(Doorway(DOOR)), Passage(Doorway(DOOR))
    for number, (x, y) in enumerate(way):
        small, large = sight(x, y), sight(x, y, aspect=16 / 9 if number % 2 else 16 / 9 * factor)
        assert still.observe(small) == changing.observe(large)
