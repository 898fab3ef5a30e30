"""Has this person ever moved? Mannequins and posters never do, however their boxes jitter."""

from collections import deque
from collections.abc import Sequence
from statistics import median

from vestibule.geometry import Sight, distance, overlap

_RECENT_S = 0.6
_MOST_RECENT = 32
_BEFORE_STEP_S = 0.1
_MOST_BEFORE = 45
_LEAST = 3
_TOP_SHARE = 1 / 5
_SAME_ASPECT = 0.01
_SAME_PLACE = 0.6
_STEADY_GAP_S = 0.4


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
        moved_at_s: when it first had, Unix seconds; None before.
    """

    def __init__(self, static_distance: float) -> None:
        self._static_distance = static_distance
        self._recent: deque[Sight] = deque(maxlen=_MOST_RECENT)
        self._before: deque[Sight] = deque(maxlen=_MOST_BEFORE)
        self._home: Sight | None = None  # of `_before`; worked out when it is asked for
        self.moved_at_s: float | None = None

    @property
    def home(self) -> Sight | None:
        """Where somebody stood before moving, or stands; None if not known yet."""
        if self._home is None and len(self._before) >= _LEAST:
            self._home = _median(self._before)
        return self._home

    @property
    def stood_s(self) -> float:
        """For how long somebody is known to have stood at home, at most 4.5 s."""
        return self._before[-1].at_s - self._before[0].at_s if self._before else 0.0

    def forget_move(self) -> None:
        """Take the move back: it was somebody else's."""
        self.moved_at_s = None
        self._recent.clear()

    def observe(self, sight: Sight) -> None:
        """Follow the person."""
        if self.moved_at_s is not None:
            return
        if self._recent and abs(self._recent[-1].aspect - sight.aspect) > _SAME_ASPECT:
            self._recent.clear()
            self._before.clear()
            self._home = None
        full = len(self._recent) == _MOST_RECENT
        while len(self._recent) > _LEAST - 1 and (full or self._recent[0].at_s < sight.at_s - _RECENT_S):
            full = False
            past = self._recent.popleft()
            if not self._before or past.at_s - self._before[-1].at_s >= _BEFORE_STEP_S:
                self._before.append(past)
                self._home = None
        self._recent.append(sight)
        if len(self._recent) >= _LEAST and (home := self.home) is not None and self._is_away(home):
            self.moved_at_s = sight.at_s

    def _is_away(self, was: Sight) -> bool:
        now = _median(self._recent)
        far = self._static_distance * max(now.height, was.height)
        if now.cut_below or was.cut_below:
            return distance(now.head, was.head, now.aspect) >= far
        if distance(now.feet, was.feet, now.aspect) < far:
            return False
        corners = (((now.left, now.top), (was.left, was.top)), ((now.right, now.top), (was.right, was.top)))
        return now.cut_above or all(distance(*pair, now.aspect) >= far * _TOP_SHARE for pair in corners)


class Standing:
    """Since when somebody has been where they are now: every box since overlaps the first by 0.6 or more.

    Attributes:
        place: the first sight there.
        before: the last sight elsewhere; the very first sight if there was none.
    """

    def __init__(self, sight: Sight) -> None:
        self.place = self.before = self._last = sight

    def observe(self, sight: Sight) -> None:
        """Follow the person."""
        if overlap(self.place, sight) < _SAME_PLACE:
            self.place, self.before = sight, self._last
        self._last = sight


class Steady:
    """Takes single wild boxes out: the median of the last three sights, of fewer after a gap of more than 0.4 s."""

    def __init__(self) -> None:
        self._recent: deque[Sight] = deque(maxlen=_LEAST)

    def observe(self, sight: Sight) -> Sight:
        """Return where the person is, one frame late."""
        if self._recent and sight.at_s - self._recent[-1].at_s > _STEADY_GAP_S:
            self._recent.clear()
        self._recent.append(sight)
        return _median(self._recent)


def _median(sights: Sequence[Sight]) -> Sight:
    # Of a handful of numbers; numpy's takes twenty times as long for these, several times a frame.
    last = sights[-1]
    return Sight(
        at_s=last.at_s,
        left=median([s.left for s in sights]),
        top=median([s.top for s in sights]),
        right=median([s.right for s in sights]),
        bottom=median([s.bottom for s in sights]),
        aspect=last.aspect,
    )
