"""How far probabilities can be taken at their word: reliability bins and expected calibration error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """The answers whose score lies in one tenth of 0 to 1.

    Attributes:
        answers: how many.
        mean_score: of them.
        share_true: of them, the share that was right; equal to `mean_score` where scores are probabilities.
    """

    answers: int
    mean_score: float
    share_true: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Of many answers.

    Attributes:
        expected_calibration_error: mean distance of score and share that was right, weighed by the answers of a bin
            (Naeini et al. 2015, section "Calibration metrics"; Guo et al. 2017, section 2).
        maximum_calibration_error: the largest distance of a bin with at least 10 answers; None without such a bin.
        bins: those that hold any answer, by rising score.
    """

    expected_calibration_error: float
    maximum_calibration_error: float | None
    bins: tuple[Bin, ...]


def calibration_of(targets: Floats, scores: Floats, *, least_answers: int = 10) -> Calibration | None:
    """Compare scores with what was true, in ten bins of equal width; None without an answer.

    Args:
        targets: (N,), 0 or 1.
        scores: (N,), 0 to 1.
        least_answers: a bin with fewer does not count in the maximum.
    """
    if not len(scores):
        return None
    place = np.minimum((np.asarray(scores, np.float64) * BINS).astype(np.int64), BINS - 1)
    bins = tuple(
        Bin(answers=int(rows.sum()), mean_score=float(scores[rows].mean()), share_true=float(targets[rows].mean()))
        for rows in (place == number for number in range(BINS))
        if rows.any()
    )
    distances = np.array([abs(each.mean_score - each.share_true) for each in bins])
    answers = np.array([each.answers for each in bins])
    return Calibration(
        expected_calibration_error=float(distances @ answers / answers.sum()),
        maximum_calibration_error=float(distances[answers >= least_answers].max())
        if (answers >= least_answers).any()
        else None,
        bins=bins,
    )
