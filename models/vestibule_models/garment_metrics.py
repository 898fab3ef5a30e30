"""How well garments are told: average precision, thresholds, groups, confusions, calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import GarmentManifest, GroupThresholds, Thresholds
from vestibule_models.calibration import Interval, average_precision, wilson
from vestibule_models.groups import group_scores, group_truth
from vestibule_models.labels import LABELS, MEMBERS, GarmentGroup, GarmentLabel
from vestibule_models.reliability import Calibration, calibration_of

Floats = NDArray[np.float32]

MIN_POSITIVES = 10
"""Categories with fewer positives do not count in the mean, nor those that everybody wears."""
_MOST_CELLS = 4_000_000
"""Photos times rounds of the bootstrap that are held in memory at once."""
_LOWER = frozenset({GarmentLabel.JEANS, GarmentLabel.SHORTS, GarmentLabel.SKIRT, GarmentLabel.SWEATPANTS})
_WHOLE = frozenset({GarmentLabel.DRESS, GarmentLabel.JUMPSUIT, GarmentLabel.ROMPER})


@dataclass(frozen=True, slots=True, kw_only=True)
class AtThreshold:
    """What is told at or above a threshold.

    Attributes:
        threshold: 0 to 1.
        told: answers at or above it.
        precision: share of them that is right; None where nothing was told, which is not a precision of nought.
        recall: share of the worn garments that is told; None where none is worn.
    """

    threshold: float
    told: int
    precision: Interval | None
    recall: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """Of one category or group. Photos on which nobody could tell count neither way.

    Attributes:
        positives: photos on which it is worn.
        known: photos on which it is worn or known not to be.
        ap: average precision, with its interval over photos drawn anew; None without a positive.
        likely: at the model's threshold of that name; None where there is none.
        certain: likewise.
        alone: of a group, on the photos on which none of its members is likely.
        asked: of a group, what a rule that asks for it gets at `likely`: a member that is told, or the group by itself;
            its threshold is that of the group.
    """

    positives: int
    known: int
    ap: Interval | None
    likely: AtThreshold | None = None
    certain: AtThreshold | None = None
    alone: AtThreshold | None = None
    asked: AtThreshold | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GarmentFigures:
    """Of one set of photos.

    Attributes:
        photos: how many.
        macro_ap: mean of the average precisions of `macro_ap_over`; None where that is empty.
        macro_ap_over: the categories with at least `MIN_POSITIVES` positives.
        top1: share of photos on which the highest answer is a garment worn, among those where that is known and
            anything is worn.
        per_category: all 15.
        groups: by name, each scored by `group_scores`.
        groups_macro_ap: mean over the groups with at least `MIN_POSITIVES` positives.
        confusion: worn garment -> garment told instead -> photos; the worn one itself where nothing was.
        calibration: of all answers on the categories of `macro_ap_over`, as the network gives them.
        published: of the same as they are published; None where the manifest has no map of scores.
    """

    photos: int
    macro_ap: Interval | None
    macro_ap_over: tuple[str, ...]
    top1: Interval
    per_category: dict[str, Category]
    groups: dict[str, Category]
    groups_macro_ap: Interval | None
    confusion: dict[str, dict[str, int]]
    calibration: Calibration | None
    published: Calibration | None


def enough(targets: Floats, known: Floats) -> NDArray[np.bool_]:
    """Return which columns can be measured, bool (C,): `MIN_POSITIVES` worn, and somebody who does not wear it."""
    return np.asarray(
        ((targets * known).sum(axis=0) >= MIN_POSITIVES) & (((1 - targets) * known).sum(axis=0) > 0), np.bool_
    )


def measure(
    targets: Floats,
    known: Floats,
    probs: Floats,
    manifest: GarmentManifest,
    *,
    rounds: int = 1000,
    seed: int = 0,
) -> GarmentFigures:
    """Compare answers with the truth.

    Args:
        targets: float32 (N, 15), 1 where worn.
        known: float32 (N, 15), 0 where nobody could tell.
        probs: float32 (N, 15).
        manifest: of the network, for its thresholds and its map of scores.
        rounds: of the bootstrap.
        seed: of the bootstrap.
    """
    names, thresholds = [str(label) for label in LABELS], manifest.thresholds
    plain, macro = _rank(names, targets, known, probs, rounds=rounds, seed=seed)
    truth, told, scores = *group_truth(targets, known), group_scores(probs)
    groups, groups_macro = _rank([str(group) for group in MEMBERS], truth, told, scores, rounds=rounds, seed=seed)
    categories = {
        str(label): replace(
            plain[label],
            likely=_at(targets[:, i], known[:, i], probs[:, i], thresholds[label].likely),
            certain=_at(targets[:, i], known[:, i], probs[:, i], thresholds[label].certain),
        )
        for i, label in enumerate(LABELS)
    }
    groups |= {
        group: _told_group(
            groups[group], found, _any_likely(group, probs, thresholds), truth[:, i], told[:, i], scores[:, i]
        )
        for i, group in enumerate(MEMBERS)
        if (found := manifest.group_thresholds.get(group))
    }
    counted = np.flatnonzero(enough(targets, known)).tolist()
    rows = known[:, counted] > 0
    answers = probs[:, counted][rows]
    return GarmentFigures(
        photos=len(probs),
        macro_ap=macro,
        macro_ap_over=tuple(names[i] for i in counted),
        top1=_top1(targets, known, probs),
        per_category=categories,
        groups=groups,
        groups_macro_ap=groups_macro,
        confusion=confusion(targets, known, probs),
        calibration=calibration_of(targets[:, counted][rows], answers),
        published=calibration_of(targets[:, counted][rows], np.array([score_map(score) for score in answers.tolist()]))
        if (score_map := manifest.score_map)
        else None,
    )


def _any_likely(group: GarmentGroup, probs: Floats, thresholds: Mapping[GarmentLabel, Thresholds]) -> NDArray[np.bool_]:
    """Return on which photos (N,) a member of the group is likely by itself."""
    floors = {LABELS.index(label): thresholds[label].likely for label in MEMBERS[group]}
    reached = [probs[:, i] >= floor for i, floor in floors.items() if floor is not None]
    return np.any(reached, axis=0) if reached else np.zeros(len(probs), np.bool_)


def _told_group(  # noqa: PLR0917 - a column each of what is asked, true, known and told
    ranked: Category,
    thresholds: GroupThresholds,
    named: NDArray[np.bool_],
    targets: Floats,
    known: Floats,
    scores: Floats,
) -> Category:
    """Return the group's figures with those at its thresholds; `named` (N,) tells where a member is likely."""
    asked = None
    if thresholds.likely is not None:
        alone = np.inf if thresholds.alone is None else max(thresholds.alone, thresholds.likely)
        told = np.where(named | (scores >= alone), np.float32(1), np.float32(0))
        asked = replace(_told_from(targets, known, told, 1.0), threshold=thresholds.likely)
    return replace(
        ranked,
        likely=_at(targets, known, scores, thresholds.likely),
        certain=_at(targets, known, scores, thresholds.certain),
        alone=_at(targets[~named], known[~named], scores[~named], thresholds.alone),
        asked=asked,
    )


def _rank(
    names: Sequence[str], targets: Floats, known: Floats, scores: Floats, *, rounds: int, seed: int
) -> tuple[dict[str, Category], Interval | None]:
    """Return each column's average precision and the mean over the columns with enough positives."""
    values = _precisions(targets, known, scores)
    drawn = redrawn_precisions(targets, known, scores, rounds=rounds, seed=seed)
    positives, told = (targets * known).sum(axis=0), known.sum(axis=0)
    found = {
        name: Category(positives=int(positives[i]), known=int(told[i]), ap=_interval(values[i], drawn[:, i]))
        for i, name in enumerate(names)
    }
    counted = enough(targets, known)
    if not counted.any():
        return found, None
    # A round in which a category has no positive at all counts without that category.
    means = np.nanmean(drawn[:, counted], axis=1)
    return found, _interval(float(values[counted].mean()), means)


def _precisions(targets: Floats, known: Floats, scores: Floats) -> NDArray[np.float64]:
    rows = known > 0
    return np.array([average_precision(targets[r, c], scores[r, c]) for c, r in enumerate(rows.T)])


def redrawn_precisions(
    targets: Floats, known: Floats, scores: Floats, *, rounds: int, seed: int
) -> NDArray[np.float64]:
    """Return the average precision of each column on photos drawn anew with replacement, float64 (rounds, C).

    A draw is how often each photo comes up, so that all rounds share one ranking: the same figures as ranking every
    draw anew, some ten times faster. NaN where a draw holds no positive.
    """
    rng, count = np.random.default_rng(seed), len(scores)
    found = np.full((rounds, scores.shape[1]), np.nan)
    for start in range(0, rounds, step := max(1, _MOST_CELLS // count)):
        rows = min(step, rounds - start)
        draws = rng.multinomial(count, np.full(count, 1 / count), size=rows)
        for column in range(scores.shape[1]):
            told = np.flatnonzero(known[:, column] > 0)
            order = told[np.argsort(-scores[told, column], kind="stable")]
            if not len(order):
                continue
            ranked = scores[order, column]
            last = np.append(ranked[1:] != ranked[:-1], True)
            hits = np.cumsum(draws[:, order] * targets[order, column], axis=1)[:, last]
            answers = np.cumsum(draws[:, order], axis=1)[:, last]
            with np.errstate(invalid="ignore"):  # a draw without a positive: 0 / 0 is the NaN that is promised
                recalls = hits / hits[:, -1:]
            steps = np.diff(recalls, prepend=0.0, axis=1) * hits / np.maximum(answers, 1)
            found[start : start + rows, column] = steps.sum(axis=1)
    return found


def _interval(value: float, drawn: NDArray[np.float64]) -> Interval | None:
    if np.isnan(value) or np.isnan(drawn).all():
        return None
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return Interval(value=float(value), low=float(low), high=float(high))


def _at(targets: Floats, known: Floats, scores: Floats, threshold: float | None) -> AtThreshold | None:
    return None if threshold is None else _told_from(targets, known, scores, threshold)


def _told_from(targets: Floats, known: Floats, scores: Floats, threshold: float) -> AtThreshold:
    rows = known > 0
    worn, told = targets[rows] > 0, scores[rows] >= threshold
    right, answers, positives = int((worn & told).sum()), int(told.sum()), int(worn.sum())
    return AtThreshold(
        threshold=threshold,
        told=answers,
        precision=wilson(right, answers) if answers else None,
        recall=wilson(right, positives) if positives else None,
    )


def _top1(targets: Floats, known: Floats, probs: Floats) -> Interval:
    rows, first = np.arange(len(probs)), probs.argmax(axis=1)
    decided = (known[rows, first] > 0) & ((targets * known).sum(axis=1) > 0)
    return wilson(int(targets[rows, first][decided].sum()), int(decided.sum()))


def confusion(targets: Floats, known: Floats, probs: Floats) -> dict[str, dict[str, int]]:
    """Count for each worn garment what was told instead of it: worn -> told -> photos.

    Told instead is the garment with the highest score among those that are known not to be worn, that cover the same
    half of the body, and that score above the worn one; the worn one itself where there is none. So jeans are not
    confused with the blazer above them.
    """
    counts: dict[str, dict[str, int]] = {}
    for column, label in enumerate(LABELS):
        rivals = [i for i, other in enumerate(LABELS) if i != column and _share_a_half(label, other)]
        for row in np.flatnonzero((targets[:, column] > 0) & (known[:, column] > 0)):
            above = [
                i for i in rivals if known[row, i] > 0 and targets[row, i] == 0 and probs[row, i] > probs[row, column]
            ]
            told = LABELS[max(above, key=lambda i: float(probs[row, i]))] if above else label
            counts.setdefault(str(label), {}).setdefault(str(told), 0)
            counts[label][told] += 1
    return counts


def _share_a_half(one: GarmentLabel, other: GarmentLabel) -> bool:
    return one in _WHOLE or other in _WHOLE or (one in _LOWER) == (other in _LOWER)
