from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError, ScoreMap
from vestibule_models.dataset import Example
from vestibule_models.labels import LABELS
from vestibule_models.reliability import calibration_of
from vestibule_models.score_maps import Columns, cross_fit, fit

TOO_SURE = ScoreMap(slope=0.5, intercept=-0.3)
"""What a network that is too sure would need."""


def answers(count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores, and what is true as often as `TOO_SURE` says."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(0.4, 0.6, count)
    return scores, (rng.random(count) < [TOO_SURE(score) for score in scores]).astype(np.float64)


def photos(count: int) -> list[Example]:
    nothing = np.zeros(len(LABELS), np.float32)
    return [
        Example(path=Path(f"{i}.jpg"), source="ccp", split="test", group=str(i // 2), targets=nothing, known=nothing)
        for i in range(count)
    ]


def test_the_map_that_made_the_answers_is_found() -> None:
    found = fit(*answers(40_000, 1))
    assert found.slope == pytest.approx(TOO_SURE.slope, abs=0.02)
    assert found.intercept == pytest.approx(TOO_SURE.intercept, abs=0.04)


def test_scores_that_mean_what_they_say_stay() -> None:
    rng = np.random.default_rng(2)
    scores = rng.random(40_000)
    found = fit(scores, (rng.random(40_000) < scores).astype(np.float64))
    assert found.slope == pytest.approx(1, abs=0.05)
    assert found.intercept == pytest.approx(0, abs=0.05)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.05, 5), st.floats(-5, 5))
def test_a_higher_score_is_never_less_probable(one: float, other: float, slope: float, intercept: float) -> None:
    found = ScoreMap(slope=slope, intercept=intercept)
    low, high = sorted((one, other))
    assert 0 <= found(low) <= found(high) + 1e-12 <= 1 + 2e-12


def test_the_error_is_measured_on_photos_not_fitted_on() -> None:
    scores, targets = answers(1200, 3)
    known = np.ones((400, 3))
    known[:10] = 0
    found = cross_fit(Columns(scores=scores.reshape(400, 3), targets=targets.reshape(400, 3), known=known), photos(400))
    assert found.answers == 1170
    assert len(found.errors) == 20
    assert list(found.errors) == sorted(found.errors)
    assert found.before.expected_calibration_error > 0.09
    assert found.after.expected_calibration_error < 0.06
    assert found.errors[0] <= found.after.expected_calibration_error <= found.errors[-1]


def test_a_map_fitted_to_chance_does_not_pass_for_a_good_one() -> None:
    """Few answers, scores without any fault: the map learns chance, and the other half tells."""
    rng = np.random.default_rng(4)
    scores = rng.beta(0.4, 0.6, (240, 1))
    targets = (rng.random((240, 1)) < scores).astype(np.float64)
    found = cross_fit(Columns(scores=scores, targets=targets, known=np.ones((240, 1))), photos(240))
    fitted = np.array([found.fitted(float(score)) for score in scores[:, 0]])
    flattering = calibration_of(targets[:, 0], fitted)
    assert flattering is not None
    assert found.after.expected_calibration_error > flattering.expected_calibration_error


@pytest.mark.parametrize(
    ("scores", "targets"),
    [
        (np.full(20, 0.5), np.array([0.0, 1.0] * 10)),  # too few
        (np.linspace(0, 1, 200), np.zeros(200)),  # nothing is right
        (np.linspace(0.01, 0.99, 200), np.linspace(0.99, 0.01, 200).round()),  # the wrong way round
        (np.linspace(0.01, 0.99, 200), np.linspace(0.01, 0.99, 200).round()),  # never mistaken: no slope is enough
        (np.tile([0.8, 0.2], 150), np.tile([0.0, 0.0, 1.0, 1.0, 0.0, 1.0], 50)),  # a little the wrong way round
    ],
)
def test_what_cannot_be_calibrated_is_refused(scores: NDArray[np.float64], targets: NDArray[np.float64]) -> None:
    with pytest.raises(ArtifactError, match="calibrate"):
        fit(scores, targets)
