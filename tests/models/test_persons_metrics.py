"""Precision, recall and average precision against labels."""

import numpy as np
import pytest

from vestibule_models.persons_metrics import Matched, figures, intervals, match

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
    return Matched(scores=scores(*values), right=np.array(right, np.bool_), people=people)


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
