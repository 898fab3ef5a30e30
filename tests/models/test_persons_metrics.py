"""Precision, recall and average precision against labels."""

import numpy as np
import pytest

from vestibule_models.persons_metrics import HEIGHTS_PX, Matched, curve, figures, intervals, match, within

NOWHERE = np.zeros((0, 4), np.float32)
ONE = np.array([[0, 0, 10, 20]], np.float32)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def scores(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_a_second_box_on_one_person_is_wrong() -> None:
    found = match(boxes((0, 0, 10, 19), (0, 0, 10, 20)), scores(0.8, 0.9), ONE, NOWHERE)
    assert found.scores == pytest.approx([0.9, 0.8])
    assert found.right.tolist() == [True, False]


def test_a_box_that_overlaps_less_than_half_is_wrong() -> None:
    assert match(boxes((0, 0, 10, 9)), scores(0.9), ONE, NOWHERE).right.tolist() == [False]
    assert match(boxes((0, 0, 10, 11)), scores(0.9), ONE, NOWHERE).right.tolist() == [True]


def test_what_lies_in_an_ignored_region_counts_neither_way() -> None:
    found = match(
        boxes((0, 0, 10, 20), (50, 50, 60, 60), (90, 0, 99, 9)), scores(0.5, 0.9, 0.8), ONE, boxes((40, 40, 70, 70))
    )
    assert found.scores == pytest.approx([0.8, 0.5])
    assert found.right.tolist() == [False, True]


def test_a_frame_without_anybody_or_any_box() -> None:
    assert match(NOWHERE, scores(), ONE, NOWHERE).people == 1
    assert match(boxes((0, 0, 1, 1)), scores(0.5), NOWHERE, NOWHERE).right.tolist() == [False]


def frame(right: list[bool], values: list[float], people: int) -> Matched:
    return Matched(
        scores=scores(*values),
        right=np.array(right, np.bool_),
        boxes=np.zeros((len(right), 4), np.float32),
        heights=np.full(len(right), 100, np.float32),
        people_heights=np.full(people, 100, np.float32),
    )


def test_figures_of_a_curve_worked_out_by_hand() -> None:
    found = figures([frame([True, False], [0.9, 0.7], 2), frame([True], [0.8], 1), frame([True], [0.6], 1)])
    assert found.people == 4
    assert found.recall_at_p90 == 0.5
    assert found.ap50 == pytest.approx(0.25 + 0.25 + 0.25 * 0.75)
    assert found.threshold_at_best_f1 == pytest.approx(0.6)


def test_perfect_and_useless_detectors() -> None:
    assert figures([frame([True], [0.4], 1)]).ap50 == 1.0
    assert figures([frame([True], [0.4], 1)]).recall_at_p90 == 1.0
    assert figures([frame([False], [0.4], 1)]).recall_at_p90 == 0.0
    nothing = figures([frame([], [], 3)])
    assert (nothing.ap50, nothing.recall_at_p90) == (0.0, 0.0)
    assert np.isnan(nothing.threshold_at_best_f1)


def test_intervals_hold_the_figure_and_repeat_with_their_seed() -> None:
    frames = [frame([n % 3 > 0], [0.5 + n / 100], 1) for n in range(30)]
    one, again = (intervals(frames, np.random.default_rng(1), times=100) for _ in range(2))
    assert one == again
    low, high = one["ap50"]
    assert low <= figures(frames).ap50 <= high
    assert low < high


def test_recall_at_one_false_box_a_frame() -> None:
    first = frame([True, False, False, False], [0.9, 0.8, 0.7, 0.6], 2)
    second = frame([True], [0.65], 1)
    assert figures([first, second]).recall_at_1_fppi == pytest.approx(2 / 3)
    assert figures([frame([False, False, True], [0.9, 0.8, 0.7], 1)]).recall_at_1_fppi == 0
    assert figures([frame([], [], 3)]).recall_at_1_fppi == 0


def test_people_of_one_height_are_looked_at_alone() -> None:
    people = boxes((0, 0, 20, 50), (100, 0, 150, 200))
    found = match(
        boxes((0, 0, 20, 52), (100, 0, 150, 190), (300, 0, 310, 30), (400, 0, 450, 180)),
        scores(0.9, 0.8, 0.7, 0.6),
        people,
        NOWHERE,
    )
    small, large = (within(found, *HEIGHTS_PX[name]) for name in ("under 64 px", "128 to 256 px"))
    assert (small.people, small.right.tolist(), small.scores.tolist()) == (1, [True, False], pytest.approx([0.9, 0.7]))
    assert (large.people, large.right.tolist(), large.scores.tolist()) == (1, [True, False], pytest.approx([0.8, 0.6]))
    assert within(found, *HEIGHTS_PX["64 to 128 px"]).people == 0


def test_the_ranges_of_height_leave_no_gap() -> None:
    ends = list(HEIGHTS_PX.values())
    assert ends[0][0] == 0
    assert np.isinf(ends[-1][1])
    assert [high for _, high in ends[:-1]] == [low for low, _ in ends[1:]]


def test_a_curve_falls_from_the_best_box_on() -> None:
    recall, precision = curve([frame([True, False], [0.9, 0.7], 2), frame([True], [0.8], 1)])
    assert recall.tolist() == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    assert precision.tolist() == pytest.approx([1, 1, 2 / 3])
