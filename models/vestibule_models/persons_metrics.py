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
HEIGHTS_PX: dict[str, tuple[float, float]] = {
    "under 64 px": (0, 64),
    "64 to 128 px": (64, 128),
    "128 to 256 px": (128, 256),
    "256 px and over": (256, float("inf")),
}
"""Of people, in the pixels that boxes were compared in; the lower end belongs to a range, the upper does not."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matched:
    """One frame's boxes, compared with its labels; those that count neither way are left out.

    Attributes:
        scores: float32 (K,).
        right: bool (K,).
        boxes: float32 (K, 4) xyxy pixels.
        heights: float32 (K,) pixels, of the person whom a box found, or of the box itself where it found nobody.
        people_heights: float32 (P,) pixels, of everybody labelled in the frame.
    """

    scores: Floats
    right: npt.NDArray[np.bool_]
    boxes: Floats
    heights: Floats
    people_heights: Floats

    @property
    def people(self) -> int:
        """Labelled in the frame."""
        return len(self.people_heights)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of many frames.

    Attributes:
        people: labelled.
        ap50: average precision at IoU 0.5.
        recall_at_p90: best recall at a precision of 0.9 or more.
        recall_at_1_fppi: best recall with no more false boxes than frames (false positives per image, FPPI: Dollar
            et al. 2012, "Pedestrian Detection: An Evaluation of the State of the Art", section 3.1).
        threshold_at_best_f1: the score at which the harmonic mean of precision and recall is highest; NaN where
            nobody was found.
    """

    people: int
    ap50: float
    recall_at_p90: float
    recall_at_1_fppi: float
    threshold_at_best_f1: float


def match(boxes: Floats, scores: Floats, people: Floats, ignore: Floats) -> Matched:
    """Compare one frame's boxes with its labels, all xyxy in the same pixels."""
    free = np.ones(len(people), np.bool_)
    kept: list[int] = []
    right, heights = [], []
    for index in np.argsort(-scores, kind="stable"):
        overlap = overlaps(boxes[index], people) * free if len(people) else np.zeros(1)
        best = int(np.argmax(overlap))
        hit = bool(overlap[best] >= _IOU)
        if hit:
            free[best] = False
        elif _ignored(boxes[index], ignore):
            continue
        kept.append(int(index))
        right.append(hit)
        found = people[best] if hit else boxes[index]
        heights.append(found[3] - found[1])
    return Matched(
        scores=scores[kept].astype(np.float32),
        right=np.array(right, np.bool_),
        boxes=boxes[kept],
        heights=np.array(heights, np.float32),
        people_heights=people[:, 3] - people[:, 1],
    )


def within(matched: Matched, low: float, high: float) -> Matched:
    """Keep people of a range of heights; boxes on others, and false boxes of another height, count neither way.

    As COCO's evaluation treats areas (Lin et al. 2014; cocoeval.py, `areaRng`).
    """
    boxes = (matched.heights >= low) & (matched.heights < high)
    people = (matched.people_heights >= low) & (matched.people_heights < high)
    return Matched(
        scores=matched.scores[boxes],
        right=matched.right[boxes],
        boxes=matched.boxes[boxes],
        heights=matched.heights[boxes],
        people_heights=matched.people_heights[people],
    )


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
        nothing = float("nan")
        return Figures(people=people, ap50=0.0, recall_at_p90=0.0, recall_at_1_fppi=0.0, threshold_at_best_f1=nothing)
    hits = np.cumsum(right)
    precisions, recalls = hits / np.arange(1, len(hits) + 1), hits / people
    envelope = np.maximum.accumulate(precisions[::-1])[::-1]
    ap50 = float(np.sum(np.diff(recalls, prepend=0.0) * envelope))
    good = np.flatnonzero(precisions >= precision)
    few = np.flatnonzero(np.arange(1, len(hits) + 1) - hits <= len(frames))
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + people)
    return Figures(
        people=people,
        ap50=ap50,
        recall_at_p90=float(recalls[good[-1]]) if len(good) else 0.0,
        recall_at_1_fppi=float(recalls[few[-1]]) if len(few) else 0.0,
        threshold_at_best_f1=float(scores[order[int(np.argmax(f1))]]),
    )


def intervals(frames: list[Matched], rng: np.random.Generator, *, times: int = 1000) -> dict[str, tuple[float, float]]:
    """Return 95 % bootstrap intervals (percentiles, frames drawn with replacement) of AP50 and the two recalls."""
    drawn = [figures([frames[i] for i in rng.integers(0, len(frames), len(frames))]) for _ in range(times)]
    return {
        name: (float(low), float(high))
        for name in ("ap50", "recall_at_p90", "recall_at_1_fppi")
        for low, high in [np.percentile([getattr(one, name) for one in drawn], [2.5, 97.5])]
    }


def curve(frames: list[Matched]) -> tuple[Floats, Floats]:
    """Return recall and precision after each box by falling score, float32 (K,); empty where nobody is labelled."""
    people = sum(frame.people for frame in frames)
    scores = np.concatenate([frame.scores for frame in frames])
    right = np.concatenate([frame.right for frame in frames])[np.argsort(-scores, kind="stable")]
    hits = np.cumsum(right) if people else np.zeros(0)
    return (hits / max(people, 1)).astype(np.float32), (hits / np.arange(1, len(hits) + 1)).astype(np.float32)
