import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule_models.reliability import calibration_of


def test_scores_that_are_shares_have_no_error() -> None:
    scores = np.repeat([0.25, 0.75], 40)
    targets = np.concatenate([np.repeat([1, 0], [10, 30]), np.repeat([1, 0], [30, 10])])
    found = calibration_of(targets, scores)
    assert found is not None
    assert found.expected_calibration_error == pytest.approx(0)
    assert [(each.answers, each.share_true) for each in found.bins] == [(40, 0.25), (40, 0.75)]


def test_the_error_is_weighed_by_answers_and_its_maximum_is_not() -> None:
    scores = np.repeat([0.05, 0.95], [90, 10])
    found = calibration_of(np.repeat([0.0, 0.0], [90, 10]), scores)
    assert found is not None
    assert found.expected_calibration_error == pytest.approx(0.9 * 0.05 + 0.1 * 0.95)
    assert found.maximum_calibration_error == pytest.approx(0.95)


def test_few_answers_give_no_maximum_and_none_no_calibration() -> None:
    found = calibration_of(np.array([1.0]), np.array([1.0]))
    assert found is not None
    assert found.maximum_calibration_error is None
    assert found.bins[0].mean_score == 1  # the upper end belongs to the last bin
    assert calibration_of(np.zeros(0), np.zeros(0)) is None


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=50))
def test_every_answer_is_in_one_bin_and_the_error_is_a_distance(rows: list[tuple[bool, float]]) -> None:
    found = calibration_of(np.array([float(right) for right, _ in rows]), np.array([score for _, score in rows]))
    assert found is not None
    assert sum(each.answers for each in found.bins) == len(rows)
    assert 0 <= found.expected_calibration_error <= 1
