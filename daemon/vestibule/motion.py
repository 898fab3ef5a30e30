"""Has this person ever moved? Mannequins and posters never do, however their boxes jitter."""

from collections import deque

import numpy as np
import numpy.typing as npt

from vestibule.geometry import Sight, distance

_RECENT_S = 0.6
_RECENT_SIGHTS = (3, 32)
_HOME_S = 3.0
_TOP_SHARE = 1 / 3


class Motion:
    """Compares where somebody is with where somebody has been.

    "Is" is the median of each box side over the last 0.6 s (3 to 32 sights), which forgets outliers; "has been" is
    their running mean, over all until 3 s have passed and an exponential one with that time constant from then on.
    The feet must differ by `static_distance` heights of the taller of the two boxes. When somebody walks by and
    hides the legs of a mannequin, its feet seem to rise while its head stays: so one of the upper corners must
    have moved by a third of that as well. Edges that the frame cuts say nothing: with the feet out of the picture
    the head must move all the way, with the head out of it the feet are believed.

    Attributes:
        moved: whether it ever did; never taken back.
    """

    def __init__(self, static_distance: float) -> None:
        self._static_distance = static_distance
        self._recent: deque[Sight] = deque(maxlen=_RECENT_SIGHTS[1])
        self._home: npt.NDArray[np.float64] | None = None
        self._age_s = 0.0
        self.moved = False

    def observe(self, sight: Sight) -> None:
        """Follow the person."""
        if self.moved:
            return
        step_s = min(sight.at_s - self._recent[-1].at_s, _HOME_S) if self._recent else 0.0
        self._recent.append(sight)
        while len(self._recent) > _RECENT_SIGHTS[0] and self._recent[0].at_s < sight.at_s - _RECENT_S:
            self._recent.popleft()
        box = np.array([sight.left, sight.top, sight.right, sight.bottom])
        if self._home is None:
            self._home = box
            return
        self._age_s += step_s
        weight = step_s / min(self._age_s + step_s, _HOME_S) if step_s > 0 else 0.0
        self._home = self._home + weight * (box - self._home)
        if len(self._recent) >= _RECENT_SIGHTS[0] and self._is_away(self._home, sight):
            self.moved = True
            self._recent.clear()

    def _is_away(self, home: npt.NDArray[np.float64], sight: Sight) -> bool:
        sides = np.median([(s.left, s.top, s.right, s.bottom) for s in self._recent], axis=0)
        now, was = (
            Sight(at_s=sight.at_s, left=x0, top=y0, right=x1, bottom=y1, aspect=sight.aspect)
            for x0, y0, x1, y1 in (sides.tolist(), home.tolist())
        )
        far = self._static_distance * max(now.height, was.height)
        if now.cut_below or was.cut_below:
            return distance(now.head, was.head, sight.aspect) >= far
        if distance(now.feet, was.feet, sight.aspect) < far:
            return False
        corners = (((now.left, now.top), (was.left, was.top)), ((now.right, now.top), (was.right, was.top)))
        return now.cut_above or any(distance(*pair, sight.aspect) >= far * _TOP_SHARE for pair in corners)
