"""Where people are in the picture: sights, the entrance line and zones, in fractions of the frame.

Points are (x, y) fractions of the frame's width and height, from the top left, so that a change of resolution
moves nobody. Lengths are in frame heights: an x difference counts `aspect` (width / height) times.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from typing import Self

import numpy as np
import numpy.typing as npt

from vestibule.section_types import Point
from vestibule.sections import EntranceConfig

_EDGE = 0.01
"""A box that comes this near to the frame's edge (in fractions) is taken as cut by it."""
_TOUCH = 1e-9
"""Distance from a polygon's edge that counts as on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One person's box in one frame.

    Attributes:
        at_s: Unix seconds, UTC.
        left: of the box, fraction of the frame's width; `right` alike.
        top: of the box, fraction of the frame's height; `bottom` alike.
        aspect: the frame's width over its height.
    """

    at_s: float
    left: float
    top: float
    right: float
    bottom: float
    aspect: float

    @classmethod
    def of(cls, box_xyxy: npt.NDArray[np.float32], *, width_px: int, height_px: int, at_s: float) -> Self:
        """Make a sight of a box, float32 (4,) in pixels of a frame of that size."""
        x0, y0, x1, y1 = (float(value) for value in box_xyxy)
        return cls(
            at_s=at_s,
            left=x0 / width_px,
            top=y0 / height_px,
            right=x1 / width_px,
            bottom=y1 / height_px,
            aspect=width_px / height_px,
        )

    @property
    def feet(self) -> Point:
        """Bottom centre of the box."""
        return (self.left + self.right) / 2, self.bottom

    @property
    def head(self) -> Point:
        """Top centre of the box."""
        return (self.left + self.right) / 2, self.top

    @property
    def height(self) -> float:
        """Height of the box in frame heights; never 0."""
        return max(self.bottom - self.top, 1e-6)

    @property
    def cut_below(self) -> bool:
        """Whether the frame's lower edge cuts the person: the feet are somewhere below it."""
        return self.bottom >= 1 - _EDGE

    @property
    def cut_above(self) -> bool:
        """Whether the frame's upper edge cuts the person."""
        return self.top <= _EDGE


def distance(first: Point, second: Point, aspect: float) -> float:
    """Return the distance of two points in frame heights."""
    return hypot((first[0] - second[0]) * aspect, first[1] - second[1])


def overlap(first: Sight, second: Sight) -> float:
    """Return the intersection over union of two boxes, 0 to 1."""
    width = min(first.right, second.right) - max(first.left, second.left)
    height = min(first.bottom, second.bottom) - max(first.top, second.top)
    if width <= 0 or height <= 0:
        return 0.0
    areas = sum((s.right - s.left) * (s.bottom - s.top) for s in (first, second))
    return width * height / (areas - width * height)


def contains(polygon: Sequence[Point], point: Point) -> bool:
    """Return whether a point lies in a polygon, concave or not; its edges and corners belong to it.

    Even-odd rule (Shimrat 1962), with the edges tested first.
    """
    x, y = point
    inside = False
    for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if _on_segment((x0, y0), (x1, y1), point):
            return True
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
            inside = not inside
    return inside


def _on_segment(start: Point, end: Point, point: Point) -> bool:
    dx, dy, px, py = end[0] - start[0], end[1] - start[1], point[0] - start[0], point[1] - start[1]
    length_squared = dx * dx + dy * dy
    along = 0.0 if length_squared == 0 else min(1.0, max(0.0, (px * dx + py * dy) / length_squared))
    return hypot(px - along * dx, py - along * dy) <= _TOUCH


class Line:
    """The entrance line: which side a point is on, how far, and where a step crosses it."""

    def __init__(self, config: EntranceConfig) -> None:
        self._start, self._end = config.line
        self._sign = 1.0
        if self.distance_inwards(config.inside, 1.0) < 0:
            self._sign = -1.0

    def distance_inwards(self, point: Point, aspect: float) -> float:
        """Return the distance from the line, prolonged at both ends, in frame heights; positive inside."""
        dx, dy = (self._end[0] - self._start[0]) * aspect, self._end[1] - self._start[1]
        px, py = (point[0] - self._start[0]) * aspect, point[1] - self._start[1]
        return self._sign * (dx * py - dy * px) / hypot(dx, dy)

    def along(self, before: Point, after: Point, aspect: float) -> float:
        """Return where a step meets the prolonged line, 0 at its start and 1 at its end.

        The two points must lie on different sides.
        """
        d0, d1 = self.distance_inwards(before, aspect), self.distance_inwards(after, aspect)
        share = d0 / (d0 - d1)
        x, y = before[0] + share * (after[0] - before[0]), before[1] + share * (after[1] - before[1])
        dx, dy = (self._end[0] - self._start[0]) * aspect, self._end[1] - self._start[1]
        return ((x - self._start[0]) * aspect * dx + (y - self._start[1]) * dy) / (dx * dx + dy * dy)
