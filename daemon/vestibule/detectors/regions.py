"""Looking at some columns of a picture only: at which, and what then holds of the whole picture.

All rows, so that people are cut by an inner border on their left or right at most; from a multiple of the network's
coarsest stride on and at the scale of the whole picture, so that its cells lie where they would lie in that.
"""

from dataclasses import dataclass

import numpy as np

from vestibule.types import Columns, Detections
from vestibule_models.letterbox import Placement
from vestibule_models.persons_decode import Floats, overlaps

_SHARES = (0.36, 0.54, 0.73)
"""Widths of regions. A fourth brings little and takes 17 MiB; from three quarters on the whole picture is looked at."""
_CONTEXT_PX = 64.0
"""Of the network's input, on either side of what changed: there the network sees zeros instead of what is beside."""
_BESIDE_PX = 8.0
"""On either side of somebody known who is touched by that."""
_EDGE_PX = 4.0
"""A box that comes so near to an inner border is taken to be cut by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Columns of a network's input that are looked at.

    Attributes:
        first: column of the input.
        width: columns of the input.
        left: of the frame, pixels; 0 where it begins with the frame.
        right: of the frame, pixels; the frame's width where it ends with it.
        edge: pixels of the frame within which a box counts as cut.
        columns: of the frame, as fractions of its width.
    """

    first: int
    width: int
    left: float
    right: float
    edge: float
    columns: Columns


def widths(input_width: int, multiple: int | None) -> tuple[int, ...]:
    """Return the widths that can be looked at, ascending: those of regions, multiples of so many pixels, and the whole.

    Args:
        input_width: the whole, pixels.
        multiple: None where the network takes no other width.
    """
    rounded = set() if multiple is None else {multiple * round(share * input_width / multiple) for share in _SHARES}
    return *sorted(width for width in rounded if 0 < width < input_width), input_width


def choose(
    wanted: Columns, people: Floats, placement: Placement, sizes: tuple[int, ...], multiple: int
) -> Region | None:
    """Return the narrowest region with what is wanted, what is beside it, and everybody known who reaches into that.

    Args:
        wanted: columns of the frame, fractions of its width.
        people: boxes (N, 4) of those known, frame pixels.
        placement: of the frame in the network's input.
        sizes: widths to choose from, ascending; the last is the whole.
        multiple: of which a region's first column is one, pixels.

    Returns:
        None where the whole picture is to be looked at.
    """
    scale, frame_width = placement.scale_x, placement.frame_width
    begin, end = placement.left, placement.left + frame_width * scale
    low, high = (begin + share * (end - begin) for share in wanted)
    low, high = low - _CONTEXT_PX, high + _CONTEXT_PX
    lefts, rights = placement.left + people[:, 0] * scale, placement.left + people[:, 2] * scale
    for _ in range(len(people) + 1):  # each may bring another in
        touched = (lefts < high) & (rights > low)
        low = min(low, float(lefts[touched].min(initial=np.inf)) - _BESIDE_PX)
        high = max(high, float(rights[touched].max(initial=-np.inf)) + _BESIDE_PX)
    low, high = max(low, begin), min(high, end)
    first = int(low // multiple) * multiple
    width = next((size for size in sizes if first + size >= high), sizes[-1])
    if width == sizes[-1]:
        return None
    first = min(first, sizes[-1] - width)
    left, right = (min(max((column - begin) / scale, 0.0), frame_width) for column in (first, first + width))
    return Region(
        first=first,
        width=width,
        left=left,
        right=right,
        edge=_EDGE_PX / scale,
        columns=(left / frame_width, right / frame_width),
    )


def join(known: Detections, found: Detections, region: Region, *, believed: float, nms_iou: float) -> Detections | None:
    """Return who is in the whole picture: those found in a region of it, and those known besides.

    Args:
        known: of the whole picture, before.
        found: in the region of the frame, frame pixels.
        region: that was looked at.
        believed: score from which on somebody is not passed over.
        nms_iou: boxes that overlap more are one person.

    Returns:
        None where the border of the region cuts somebody who is not known: the whole picture is to be looked at.
    """
    width = found.frame.image.shape[1]
    boxes = known.boxes_xyxy
    besides = np.flatnonzero((boxes[:, 0] < region.left) | (boxes[:, 2] > region.right))
    shown = boxes[besides].copy()
    shown[:, ::2] = np.clip(shown[:, ::2], region.left, region.right)
    new = found.boxes_xyxy
    is_known = np.array([overlaps(box, shown).max(initial=0) > nms_iou for box in new], np.bool_)
    is_cut = (region.left > 0) & (new[:, 0] < region.left + region.edge)
    is_cut |= (region.right < width) & (new[:, 2] > region.right - region.edge)
    if (is_cut & ~is_known & (found.scores >= believed)).any():
        return None
    kept = np.flatnonzero(~is_cut & ~is_known)
    scores = np.concatenate([found.scores[kept], known.scores[besides]])
    order = np.argsort(-scores, kind="stable")
    return Detections(
        frame=found.frame,
        boxes_xyxy=np.concatenate([new[kept], boxes[besides]])[order],
        scores=scores[order],
        columns=region.columns,
    )
