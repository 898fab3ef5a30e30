import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule_models import calibration


def test_average_precision_of_a_known_ranking() -> None:
    targets, scores = np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1])
    assert calibration.average_precision(targets, scores) == pytest.approx((1 + 2 / 3) / 2)


def test_equal_scores_are_taken_together() -> None:
    assert calibration.average_precision(np.array([1, 0, 0, 0]), np.full(4, 0.5)) == pytest.approx(0.25)


def test_without_a_positive_there_is_no_average_precision() -> None:
    assert np.isnan(calibration.average_precision(np.zeros(3), np.arange(3.0)))


def test_unknown_rows_do_not_count() -> None:
    targets, scores = np.array([[1.0], [0.0], [0.0]]), np.array([[0.5], [0.9], [0.1]])
    known = np.array([[1.0], [0.0], [1.0]])
    assert calibration.mean_average_precision(targets, scores, known, [0]) == 1
    assert calibration.mean_average_precision(targets, scores, np.ones((3, 1)), [0]) == pytest.approx(0.5)


def test_the_interval_holds_the_value_and_repeats() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((200, 2)) < 0.3).astype(float)
    scores = targets * 0.3 + rng.random((200, 2))
    figure = calibration.bootstrap_map(targets, scores, np.ones((200, 2)), [0, 1], rounds=200)
    assert figure.low < figure.value < figure.high
    assert figure == calibration.bootstrap_map(targets, scores, np.ones((200, 2)), [0, 1], rounds=200)


def test_wilson_against_a_published_value() -> None:
    figure = calibration.wilson(81, 263)  # Newcombe 1998, table I
    assert (round(figure.low, 4), round(figure.high, 4)) == (0.2553, 0.3662)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.8, 0.9])), max_size=60))
def test_a_threshold_keeps_its_promise_and_is_the_lowest(rows: list[tuple[bool, float]]) -> None:
    targets = np.array([float(right) for right, _ in rows])
    scores = np.array([score for _, score in rows])
    found = calibration.lowest_score(targets, scores, 0.75)
    keeps = [
        score
        for score in sorted(set(scores.tolist()))
        if (scores >= score).sum() >= calibration.MIN_PREDICTIONS and targets[scores >= score].mean() >= 0.75
    ]
    assert found == (keeps[0] if keeps else None)


def test_few_positives_give_no_threshold_however_good() -> None:
    targets = np.array([1.0] * 19 + [0.0] * 100)
    scores = targets.copy()
    thresholds = calibration.thresholds_for(targets, scores, np.ones(119))
    assert (thresholds.positives, thresholds.likely, thresholds.certain) == (19, None, None)


def test_thresholds_of_a_good_category() -> None:
    targets = np.array([1.0] * 30 + [0.0, 1.0, 0.0, 1.0, 0.0] + [0.0] * 100)
    scores = np.linspace(1, 0, len(targets))
    thresholds = calibration.thresholds_for(targets, scores, np.ones(len(targets)))
    assert thresholds.positives == 32
    assert thresholds.likely is not None
    assert thresholds.certain is not None
    assert thresholds.likely < thresholds.certain


def test_top_k_leaves_out_what_nobody_knows() -> None:
    targets = np.array([[1.0, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0]])
    scores = np.array([[0.9, 0.5, 0.1], [0.5, 0.9, 0.1], [0.9, 0.5, 0.1], [0.5, 0.9, 0.1]])
    known = np.array([[1.0, 1, 1], [1, 0, 1], [1, 1, 1], [1, 1, 1]])
    # The second photo's highest answer is unknown; the third shows nothing known.
    assert calibration.top_k(targets, scores, known, 1).value == pytest.approx(1 / 2)
    assert calibration.top_k(targets, scores, known, 2).value == 1


def test_saying_no_to_everything_is_right_wherever_nothing_is_worn() -> None:
    targets, known = np.eye(15), np.ones((15, 15))
    assert calibration.binary_accuracy(targets, np.zeros((15, 15)), known) == pytest.approx(14 / 15)
    assert calibration.binary_accuracy(targets, targets, known) == 1
    assert calibration.binary_accuracy(targets, 1 - targets, known * targets) == 0
