"""How well boxes agree with labelled people: precision and recall, average precision, bootstrap intervals.

Matching and AP are those of PASCAL VOC from 2010 on (Everingham et al. 2015, "The PASCAL Visual Object Classes
Challenge: A Retrospective", section 3.1) at IoU 0.5: by falling score, each box takes the free person it overlaps most.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vestibule_models.persons_decode import Floats, overlaps

_IOU = 0.5
_IGNORED_SHARE = 0.5
"""A box that lies so far within an ignored region counts neither way."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matched:
    """One frame's boxes, compared with its labels; those that count neither way are left out.

    Attributes:
        scores: float32 (K,).
        right: bool (K,).
        people: labelled in the frame.
    """

    scores: Floats
    right: npt.NDArray[np.bool_]
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of many frames.

    Attributes:
        people: labelled.
        ap50: average precision at IoU 0.5.
        recall_at_p90: best recall at a precision of 0.9 or more.
        threshold_at_best_f1: the score at which the harmonic mean of precision and recall is highest; NaN where
            nobody was found.
    """

    people: int
    ap50: float
    recall_at_p90: float
    threshold_at_best_f1: float


def match(boxes: Floats, scores: Floats, people: Floats, ignore: Floats) -> Matched:
    """Compare one frame's boxes with its labels, all xyxy in the same pixels."""
    free = np.ones(len(people), np.bool_)
    kept, right = [], []
    for index in np.argsort(-scores, kind="stable"):
        overlap = overlaps(boxes[index], people) * free if len(people) else np.zeros(1)
        best = int(np.argmax(overlap))
        hit = bool(overlap[best] >= _IOU)
        if hit:
            free[best] = False
        elif _ignored(boxes[index], ignore):
            continue
        kept.append(scores[index])
        right.append(hit)
    return Matched(scores=np.array(kept, np.float32), right=np.array(right, np.bool_), people=len(people))


def _ignored(box: Floats, ignore: Floats) -> bool:
    if not len(ignore):
        return False
    low, high = np.maximum(box[:2], ignore[:, :2]), np.minimum(box[2:], ignore[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    return bool((shared >= _IGNORED_SHARE * np.prod(box[2:] - box[:2])).any())


def figures(frames: list[Matched], *, precision: float = 0.9) -> Figures:
    """Sum up many frames; everything is 0 where nobody is labelled or nothing was found."""
    people = sum(frame.people for frame in frames)
    scores = np.concatenate([frame.scores for frame in frames])
    order = np.argsort(-scores, kind="stable")
    right = np.concatenate([frame.right for frame in frames])[order]
    if not people or not len(order):
        return Figures(people=people, ap50=0.0, recall_at_p90=0.0, threshold_at_best_f1=float("nan"))
    hits = np.cumsum(right)
    precisions, recalls = hits / np.arange(1, len(hits) + 1), hits / people
    envelope = np.maximum.accumulate(precisions[::-1])[::-1]
    ap50 = float(np.sum(np.diff(recalls, prepend=0.0) * envelope))
    good = np.flatnonzero(precisions >= precision)
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + people)
    return Figures(
        people=people,
        ap50=ap50,
        recall_at_p90=float(recalls[good[-1]]) if len(good) else 0.0,
        threshold_at_best_f1=float(scores[order[int(np.argmax(f1))]]),
    )


def intervals(frames: list[Matched], rng: np.random.Generator, *, times: int = 1000) -> dict[str, tuple[float, float]]:
    """Return 95 % bootstrap intervals (percentiles, frames drawn with replacement) of AP50 and recall."""
    drawn = [figures([frames[i] for i in rng.integers(0, len(frames), len(frames))]) for _ in range(times)]
    return {
        name: (float(low), float(high))
        for name in ("ap50", "recall_at_p90")
        for low, high in [np.percentile([getattr(one, name) for one in drawn], [2.5, 97.5])]
    }
