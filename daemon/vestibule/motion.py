"""Has this person ever moved? Mannequins and posters never do, however their boxes jitter."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from vestibule.geometry import Sight, distance

_RECENT_S = 0.6
_MOST_RECENT = 32
_BEFORE_STEP_S = 0.1
_MOST_BEFORE = 45
_LEAST = 3
_TOP_SHARE = 1 / 5
_SAME_ASPECT = 0.01


class Motion:
    """Compares where somebody is with where somebody was before.

    "Is" is the median of each box side over the last 0.6 s, "was" the median over 4.5 s before that, a sight every
    0.1 s, each of three sights at least: medians forget wild boxes. The feet must differ by `static_distance` heights
    of the taller of the two boxes. When somebody walks by and hides the legs of a mannequin, its feet seem to rise
    while its head stays, and one of its sides seems to move: so both upper corners must have moved by a fifth of
    that as well, as they do for who walks across, near or away. Edges that the
    frame cuts say nothing: with the feet out of the picture the head must move all the way, with the head out of it
    the feet are believed. A frame of another shape may show another piece of the world: it begins anew.

    Attributes:
        moved: whether it ever did; never taken back.
    """

    def __init__(self, static_distance: float) -> None:
        self._static_distance = static_distance
        self._recent: deque[Sight] = deque(maxlen=_MOST_RECENT)
        self._before: deque[Sight] = deque(maxlen=_MOST_BEFORE)
        self.moved = False

    def observe(self, sight: Sight) -> None:
        """Follow the person."""
        if self.moved:
            return
        if self._recent and abs(self._recent[-1].aspect - sight.aspect) > _SAME_ASPECT:
            self._recent.clear()
            self._before.clear()
        full = len(self._recent) == _MOST_RECENT
        while len(self._recent) > _LEAST - 1 and (full or self._recent[0].at_s < sight.at_s - _RECENT_S):
            full = False
            past = self._recent.popleft()
            if not self._before or past.at_s - self._before[-1].at_s >= _BEFORE_STEP_S:
                self._before.append(past)
        self._recent.append(sight)
        if min(len(self._recent), len(self._before)) >= _LEAST and self._is_away():
            self.moved = True
            self._recent.clear()
            self._before.clear()

    def _is_away(self) -> bool:
        now, was = _median(self._recent), _median(self._before)
        far = self._static_distance * max(now.height, was.height)
        if now.cut_below or was.cut_below:
            return distance(now.head, was.head, now.aspect) >= far
        if distance(now.feet, was.feet, now.aspect) < far:
            return False
        corners = (((now.left, now.top), (was.left, was.top)), ((now.right, now.top), (was.right, was.top)))
        return now.cut_above or all(distance(*pair, now.aspect) >= far * _TOP_SHARE for pair in corners)


def _median(sights: Sequence[Sight]) -> Sight:
    left, top, right, bottom = np.median([(s.left, s.top, s.right, s.bottom) for s in sights], axis=0).tolist()
    last = sights[-1]
    return Sight(at_s=last.at_s, left=left, top=top, right=right, bottom=bottom, aspect=last.aspect)
