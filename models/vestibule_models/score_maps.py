"""Fits what turns a network's scores into probabilities, and measures it on photos that it was not fitted on.

Platt scaling on the logit (Platt 1999, "Probabilistic Outputs for Support Vector Machines"; Guo et al. 2017, "On
Calibration of Modern Neural Networks", section 4): two numbers, the same for all categories, since the photos are too
few for two of each. Groups have their own: what is made of several scores errs otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError, GroupThresholds, ScoreMap, Thresholds
from vestibule_models.dataset import Example, assign_folds
from vestibule_models.groups import group_scores, group_truth
from vestibule_models.labels import LABELS, MEMBERS, GarmentGroup, GarmentLabel
from vestibule_models.reliability import Calibration, calibration_of

Floats = NDArray[np.floating]
MIN_ANSWERS = 100
"""Two numbers fitted on fewer answers say little."""
_DIVISIONS = 20
_NEWTON_STEPS = 50
_TINY = 1e-9
_STEEPEST = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Answers on some categories or groups.

    Attributes:
        scores: (N, C), of the network.
        targets: (N, C), 1 where worn.
        known: (N, C), 0 where nobody could tell; those count neither way.
    """

    scores: Floats
    targets: Floats
    known: Floats

    def flat(self, rows: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Return scores and targets of what is known in these rows (N,), both (K,)."""
        known = self.known[rows] > 0
        return self.scores[rows][known], self.targets[rows][known]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossFit:
    """How a map fares on photos that it was not fitted on.

    Attributes:
        fitted: on all photos; what is used.
        answers: how many.
        before: the scores as they are.
        after: of the division into halves whose error is the median.
        errors: expected calibration error of each division, ascending.
    """

    fitted: ScoreMap
    answers: int
    before: Calibration
    after: Calibration
    errors: tuple[float, ...]


def told_columns(
    targets: NDArray[np.float32],
    known: NDArray[np.float32],
    probs: NDArray[np.float32],
    thresholds: Mapping[GarmentLabel, Thresholds],
    group_thresholds: Mapping[GarmentGroup, GroupThresholds],
) -> tuple[Columns, Columns]:
    """Return the answers, all (N, 15), on the categories and on the groups that are ever told: with a `likely`."""
    plain = [i for i, label in enumerate(LABELS) if thresholds[label].likely is not None]
    given = [group_thresholds.get(group) for group in MEMBERS]
    groups = [i for i, found in enumerate(given) if found is not None and found.likely is not None]
    truth, told = group_truth(targets, known)
    return (
        Columns(scores=probs[:, plain], targets=targets[:, plain], known=known[:, plain]),
        Columns(scores=group_scores(probs)[:, groups], targets=truth[:, groups], known=told[:, groups]),
    )


def fit(scores: Floats, targets: Floats) -> ScoreMap:
    """Fit by maximum likelihood (Newton's method), scores and targets (K,).

    Raises:
        ArtifactError: there are too few answers, all are right or all wrong, or higher scores are not righter.
    """
    if len(scores) < MIN_ANSWERS or not 0 < targets.sum() < len(targets):
        raise ArtifactError(
            f"{len(scores)} answers, {int(targets.sum())} of them right: too few to calibrate scores on"
        )
    clipped = np.clip(np.asarray(scores, np.float64), 1e-6, 1 - 1e-6)
    inputs = np.stack([np.log(clipped / (1 - clipped)), np.ones(len(clipped))], axis=1)
    found, best = np.array([1.0, 0.0]), _loss(inputs @ np.array([1.0, 0.0]), targets)
    for _ in range(_NEWTON_STEPS):
        probability = 1 / (1 + np.exp(-np.clip(inputs @ found, -_STEEPEST, _STEEPEST)))
        curvature = (inputs * (probability * (1 - probability))[:, np.newaxis]).T @ inputs
        step = np.linalg.solve(curvature + _TINY * np.eye(2), inputs.T @ (probability - targets))
        while (loss := _loss(inputs @ (found - step), targets)) > best and np.abs(step).max() > _TINY:
            step /= 2  # too far: where the scores are extreme, the curvature says little
        found, best = found - step, min(loss, best)
    if not 0 < found[0] < _STEEPEST:  # where nothing is mistaken, no slope is steep enough
        raise ArtifactError("these answers cannot be calibrated: higher scores are not more often right, or always are")
    return ScoreMap(slope=round(float(found[0]), 4), intercept=round(float(found[1]), 4))


def _loss(logits: NDArray[np.float64], targets: Floats) -> float:
    """Return the binary cross-entropy, mean over (K,)."""
    return float(np.mean(np.logaddexp(0, logits) - targets * logits))


def cross_fit(columns: Columns, photos: Sequence[Example]) -> CrossFit:
    """Fit on a half of the photos and map the other, and the other way round, for `_DIVISIONS` divisions by group."""
    everything = np.ones(len(photos), np.bool_)
    scores, targets = columns.flat(everything)
    fitted, found = fit(scores, targets), []
    for seed in range(_DIVISIONS):
        half = assign_folds(photos, 2, seed) == 0
        mapped, right = [], []
        for learnt, asked in ((half, ~half), (~half, half)):
            each = fit(*columns.flat(learnt))
            held_out, truth = columns.flat(asked)
            mapped.append(np.array([each(float(score)) for score in held_out]))
            right.append(truth)
        found.append(_calibration(np.concatenate(right), np.concatenate(mapped)))
    found.sort(key=lambda each: each.expected_calibration_error)
    return CrossFit(
        fitted=fitted,
        answers=len(scores),
        before=_calibration(targets, scores),
        after=found[len(found) // 2],
        errors=tuple(each.expected_calibration_error for each in found),
    )


def _calibration(targets: Floats, scores: Floats) -> Calibration:
    found = calibration_of(targets, scores)
    if found is None:
        raise ArtifactError("no answer to calibrate scores on")
    return found
