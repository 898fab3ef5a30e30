"""Sections of the configuration that say what of the picture nobody may see."""

from collections.abc import Sequence
from itertools import combinations
from typing import Self

from pydantic import Field, model_validator

from vestibule.section_types import Point, Section

_MIN_AREA = 1e-6
"""Of the picture: a polygon of less covers nothing, and was meant to cover something."""


class MaskConfig(Section):
    """A privacy mask: a part of the picture that is blackened before anything looks at it.

    Attributes:
        polygon: at least three corners, in order round the part.
    """

    polygon: tuple[Point, ...] = Field(min_length=3)

    @model_validator(mode="after")
    def _covers_what_it_encloses(self) -> Self:
        """Refuse what leaves open what is covered: of a star, the middle would stay visible."""
        if _crosses_itself(self.polygon):
            raise ValueError("the mask's edges cross; name its corners in order round the part that it covers")
        if _area(self.polygon) < _MIN_AREA:
            raise ValueError("the mask covers nothing; name corners that do not lie on one line")
        return self


def _area(polygon: Sequence[Point]) -> float:
    pairs = zip(polygon, [*polygon[1:], polygon[0]], strict=True)
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs)) / 2


def _crosses_itself(polygon: Sequence[Point]) -> bool:
    edges = list(zip(polygon, [*polygon[1:], polygon[0]], strict=True))
    return any(_cross(*first, *second) for first, second in combinations(edges, 2))


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Tell whether two edges cut through each other; touching does not count."""

    def side(start: Point, end: Point, point: Point) -> float:
        return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
