"""Which parts of a picture are worth rendering: rectangles around the people that do not overlap."""

import math
from collections.abc import Sequence

MARGIN_PX = 2
"""Around the people: the renderer's filter blurs their outline a little."""


def parts(boxes: Sequence[Sequence[float]], size_px: tuple[int, int]) -> list[list[int]]:
    """Whole-pixel rectangles (x0, y0, x1, y1) inside the frame that hold all boxes and do not overlap.

    Overlapping boxes are joined, and joined again with whatever the union overlaps.
    """
    joined: list[list[int]] = []
    for box in boxes:
        here = _around(box, size_px)
        if here[0] >= here[2] or here[1] >= here[3]:
            continue
        while touching := [part for part in joined if _overlap(part, here)]:
            for part in touching:
                joined.remove(part)
                here = [*map(min, part[:2], here[:2]), *map(max, part[2:], here[2:])]
        joined.append(here)
    return sorted(joined)


def _around(box: Sequence[float], size_px: tuple[int, int]) -> list[int]:
    low = [max(0, math.floor(v) - MARGIN_PX) for v in box[:2]]
    high = [min(limit, math.ceil(v) + MARGIN_PX) for v, limit in zip(box[2:], size_px, strict=True)]
    return [*low, *high]


def _overlap(a: Sequence[int], b: Sequence[int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
