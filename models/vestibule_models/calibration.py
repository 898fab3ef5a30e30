"""How good scores are, and from which score on a category may be believed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import GroupThresholds, Thresholds
from vestibule_models.groups import group_scores, group_truth
from vestibule_models.labels import LABELS, MEMBERS, GarmentGroup, GarmentLabel

Floats = NDArray[np.floating]
LIKELY, CERTAIN = 0.75, 0.9
"""The precision that the words stand for."""
CERTAIN_AT_LEAST = 0.8
"""Lower end of the 95 % interval of what is `certain`: nine right of ten answers are no ground for such a word."""
ANSWER_YES = 0.5
"""From this score on an answer is yes, where nothing better is agreed."""
MIN_POSITIVES = 20
"""A category with fewer positives has no thresholds."""
MIN_PREDICTIONS = 10
"""A threshold with fewer predictions at or above it is not believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure with its 95 % confidence interval."""

    value: float
    low: float
    high: float


def average_precision(targets: Floats, scores: Floats) -> float:
    """Return the area under the precision-recall steps, NaN without a positive; equal scores are taken together.

    Args:
        targets: (N,), 0 or 1.
        scores: (N,), higher is surer.
    """
    if not targets.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits, ranked = np.cumsum(targets[order]), scores[order]
    last = np.append(ranked[1:] != ranked[:-1], True)
    precision = (hits / np.arange(1, len(hits) + 1))[last]
    return float(np.sum(np.diff(hits[last] / hits[-1], prepend=0.0) * precision))


def mean_average_precision(targets: Floats, scores: Floats, known: Floats, columns: list[int]) -> float:
    """Return the mean over categories of their average precision on the rows where they are known; all (N, 15)."""
    rows = [known[:, column] > 0 for column in columns]
    each = [average_precision(targets[r, c], scores[r, c]) for r, c in zip(rows, columns, strict=True)]
    return float(np.nanmean(each)) if not np.isnan(each).all() else float("nan")


def bootstrap_map(
    targets: Floats, scores: Floats, known: Floats, columns: list[int], *, rounds: int = 1000, seed: int = 0
) -> Interval:
    """Return the mean average precision with its interval over photos drawn anew with replacement."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(rounds):
        pick = rng.integers(0, len(targets), len(targets))
        drawn.append(mean_average_precision(targets[pick], scores[pick], known[pick], columns))
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    value = mean_average_precision(targets, scores, known, columns)
    return Interval(value=value, low=float(low), high=float(high))


def binary_accuracy(targets: Floats, scores: Floats, known: Floats) -> float:
    """Return the share of known labels told rightly at 0.5, each a yes-or-no question of its own; all (N, C)."""
    right = np.equal(scores >= ANSWER_YES, targets >= ANSWER_YES)
    return float(np.mean(right, where=known > 0)) if (known > 0).any() else float("nan")


def top_k(targets: Floats, scores: Floats, known: Floats, k: int) -> Interval:
    """Return the share of photos one of whose `k` highest answers is worn; all (N, C).

    Photos that show no known garment do not count, nor those where none of the answers is worn and one is unknown.
    """
    highest = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    shown = np.asarray(targets * known > 0)
    worn = np.asarray(np.take_along_axis(shown, highest, axis=1).any(axis=1))
    doubtful = ~worn & (np.take_along_axis(known, highest, axis=1) == 0).any(axis=1)
    counted = shown.any(axis=1) & ~doubtful
    return wilson(int(worn[counted].sum()), int(counted.sum()))


def wilson(right: int, count: int) -> Interval:
    """Return a share with Wilson's 95 % interval (Wilson 1927)."""
    if count == 0:
        return Interval(value=float("nan"), low=0.0, high=1.0)
    z, share = 1.959964, right / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return Interval(value=share, low=max(0.0, float(centre - half)), high=min(1.0, float(centre + half)))


def lowest_score(targets: Floats, scores: Floats, precision: float, *, at_least: float = 0.0) -> float | None:
    """Return the lowest score at which all predictions at or above it are right often enough, or None.

    Args:
        targets: (N,), 0 or 1.
        scores: (N,).
        precision: wanted, 0 to 1. Thresholds with fewer than `MIN_PREDICTIONS` predictions do not count.
        at_least: nor do those of whose precision the 95 % interval (Wilson) begins below.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    counts = np.arange(1, len(ranked) + 1)
    reached = np.cumsum(targets[order]) / counts
    last = np.append(ranked[1:] != ranked[:-1], True)
    fit = np.flatnonzero(last & (reached >= precision) & (counts >= MIN_PREDICTIONS))
    believed = [i for i in fit.tolist() if wilson(round(reached[i] * counts[i]), int(counts[i])).low >= at_least]
    return float(ranked[believed[-1]]) if believed else None


def thresholds_for(targets: Floats, scores: Floats, known: Floats) -> Thresholds:
    """Return one category's thresholds from out-of-fold scores, all (N,); rows not known are left out."""
    rows = known > 0
    targets, scores = targets[rows], scores[rows]
    positives = int(targets.sum())
    if positives < MIN_POSITIVES:
        return Thresholds(positives=positives, likely=None, certain=None)
    likely = lowest_score(targets, scores, LIKELY)
    certain = lowest_score(targets, scores, CERTAIN, at_least=CERTAIN_AT_LEAST)
    return Thresholds(positives=positives, likely=likely, certain=certain)


def group_thresholds_for(
    targets: NDArray[np.float32],
    probs: NDArray[np.float32],
    known: NDArray[np.float32],
    thresholds: Mapping[GarmentLabel, Thresholds],
) -> dict[GarmentGroup, GroupThresholds]:
    """Return the groups' thresholds from out-of-fold answers, all (N, 15), and the categories' thresholds."""
    truth, told = group_truth(targets, known)
    scores = group_scores(probs)
    likely = np.array([np.inf if (floor := thresholds[label].likely) is None else floor for label in LABELS])
    found = {}
    for i, (group, members) in enumerate(MEMBERS.items()):
        columns = [LABELS.index(label) for label in members]
        alone = (told[:, i] > 0) & (probs[:, columns] < likely[columns]).all(axis=1)
        enough = truth[alone, i].sum() >= MIN_POSITIVES
        found[group] = GroupThresholds(
            **thresholds_for(truth[:, i], scores[:, i], told[:, i]).model_dump(),
            alone=lowest_score(truth[alone, i], scores[alone, i], LIKELY) if enough else None,
        )
    return found
