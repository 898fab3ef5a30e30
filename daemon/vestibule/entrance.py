"""The entrance line, as one person passes it: entering is not leaving, and standing on it is neither."""

from typing import Literal

from vestibule.geometry import Line, Sight
from vestibule.section_types import Point
from vestibule.sections import EntranceConfig

Side = Literal["outside", "inside"]

_ROUNDING = 1e-6
"""Feet exactly as far as the hysteresis are not across, whatever the rounding of fractions."""
_BEYOND_ENDS = 0.05
"""How far past its ends, as a share of its length, the line still counts."""


class Doorway:
    """One camera's entrance line.

    Attributes:
        line: the geometry.
        hysteresis: how far past the line the feet must be to be across, in frame heights.
    """

    def __init__(self, config: EntranceConfig) -> None:
        self.line = Line(config)
        self.hysteresis = config.hysteresis + _ROUNDING

    def feet_inwards(self, sight: Sight) -> float | None:
        """Return how far inside the feet are, in frame heights; None where it cannot be told.

        The feet of somebody whom the frame's lower edge cuts are anywhere straight below that edge. They are
        surely on a side only where all of that is on it and clear of the line; elsewhere nothing is known.
        """
        x, y = sight.feet
        inwards = self.line.distance_inwards((x, y), sight.aspect)
        if not sight.cut_below:
            return inwards
        slope = self.line.distance_inwards((x, y + 1), sight.aspect) - inwards
        sure = (inwards > self.hysteresis and slope >= 0) or (inwards < -self.hysteresis and slope <= 0)
        return inwards if sure else None

    def side_of(self, sight: Sight) -> Side | None:
        """Return the side that the feet are on, None where it cannot be told."""
        inwards = self.feet_inwards(sight)
        return None if inwards is None else "inside" if inwards >= 0 else "outside"


class Passage:
    """One person's position relative to the line.

    The first sight decides the side by its sign alone: whoever is first seen inside has not entered. From then on
    the side changes only when the feet are beyond the line by more than the hysteresis, and it is a passage only
    if the step that last met the line met it between its ends. A step may be long: somebody who is hidden on the
    line and found again on the other side has passed.

    Attributes:
        side: where the person is; None before the feet were seen.
    """

    def __init__(self, doorway: Doorway) -> None:
        self._doorway = doorway
        self.side: Side | None = None
        self._before: Point | None = None
        self._through_door = False

    def observe(self, sight: Sight) -> Literal["in", "out"] | None:
        """Follow the person; returns the direction when the line was passed by this sight."""
        inwards = self._doorway.feet_inwards(sight)
        if inwards is None:
            return None
        before, self._before = self._before, sight.feet
        if self.side is None or before is None:
            self.side = "inside" if inwards >= 0 else "outside"
            return None
        line = self._doorway.line
        if (line.distance_inwards(before, sight.aspect) >= 0) != (inwards >= 0):
            along = line.along(before, sight.feet, sight.aspect)
            self._through_door = -_BEYOND_ENDS <= along <= 1 + _BEYOND_ENDS
        if abs(inwards) <= self._doorway.hysteresis or (inwards > 0) == (self.side == "inside"):
            return None
        self.side = "inside" if inwards > 0 else "outside"
        if not self._through_door:
            return None
        return "in" if self.side == "inside" else "out"
