"""Is this track somebody who was here before? Decided by time, place, looks and colours.

Looks are the classifier's embedding, colours those of `colours.py`. The two err in different cases, so that both
must agree: people of one kind of clothes are near in the first and rarely in the second.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vestibule import colours
from vestibule.entrance import Doorway
from vestibule.fragment import Fragment
from vestibule.geometry import Sight, distance
from vestibule.presence import Presence
from vestibule.sections import VisitsConfig

HOLD_S = 3.0
"""A track waits at most this long for the reading that tells whose it is."""
_PLACE_ALONE_S = 1.0
"""After this without a reading, place and time alone decide, if they leave one answer."""
_LEAST_REACH = 0.5
"""In box heights: how far away a track may come back however short the gap."""
_BREAK_COLOURS = 0.4
"""Colours further apart than this are not of one person, though a track broke at this place just before."""
_RETURN_COLOURS = 0.3
"""The same for somebody who has been away, of whom time and place say less."""
_BOTH = 1.5
"""Looks and colours as shares of their limits add up to this at most: if one is at its limit, the other is not."""
_LOOKS_ALONE = 0.7
"""Share of the limit within which looks suffice where no colours are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A fragment that may belong to a presence.

    Attributes:
        is_break: time and place agree: the track only broke; else the person has been away.
        apart: distance in the picture, in box heights.
        looks: cosine distance of the mean looks as a share of the one person's limit, None where one of them has not
            been read.
        colours: distance of the colours, likewise as a share, None where one of them is not known.
    """

    fragment: Fragment
    presence: Presence
    is_break: bool
    apart: float
    looks: float | None
    colours: float | None

    @property
    def agrees(self) -> bool:
        """Whether nothing that is known of both speaks against one person."""
        if self.colours is None:
            return self.looks is None or self.looks <= _LOOKS_ALONE
        looks = 0.0 if self.looks is None else self.looks
        return max(looks, self.colours) <= 1 and looks + self.colours <= _BOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Which fragments continue a presence, and which are somebody new; the others wait."""

    joined: tuple[tuple[Fragment, Presence], ...]
    fresh: tuple[Fragment, ...]


class Recognition:
    """Matches tracks that have just begun with people who are out of view."""

    def __init__(self, *, config: VisitsConfig, doorway: Doorway | None, same_person_distance: float) -> None:
        self._config = config
        self._doorway = doorway
        self._same_person_distance = same_person_distance

    def decide(self, fragments: Sequence[Fragment], absent: Sequence[Presence], now_s: float) -> Decision:
        """Decide for every fragment for which it can be done now.

        With a reading on both sides looks and colours must agree; breaks go before returns, then the nearest look, then
        the nearest place, each presence and each fragment once. Without, a break is taken on time, place and colours
        when nobody else comes into question, after one second (at once if the presence never had a reading); never for
        one that went out over the entrance line, where the next to come in appears at the same place. Whoever could
        be nobody is new; so is whoever is undecided after `HOLD_S`.
        """
        options = [
            option for fragment in fragments for presence in absent if (option := self._option(fragment, presence))
        ]
        alike = [o for o in options if o.looks is not None and o.agrees]
        alike.sort(key=lambda o: (not o.is_break, o.looks, o.apart, o.fragment.track_id, o.presence.order))
        by_place = [
            o
            for o in self._alone(options)
            if o.looks is None
            and o.agrees
            and (o.presence.crossed_out_at_s is None or o.presence.evidence.count == 0)
            and (now_s - o.fragment.first_at_s >= _PLACE_ALONE_S or o.presence.evidence.count == 0)
        ]
        joined: list[tuple[Fragment, Presence]] = []
        used: set[int] = set()
        for option in alike + by_place:
            if not used & {id(option.fragment), id(option.presence)}:
                used |= {id(option.fragment), id(option.presence)}
                joined.append((option.fragment, option.presence))
        hopeful = {id(o.fragment) for o in options if o.is_break or o.looks is None if id(o.presence) not in used}
        fresh = [f for f in fragments if id(f) not in used and (id(f) not in hopeful or now_s - f.first_at_s >= HOLD_S)]
        return Decision(joined=tuple(joined), fresh=tuple(fresh))

    @staticmethod
    def _alone(options: Sequence[Option]) -> list[Option]:
        """Return the breaks whose fragment and presence appear in no other break."""
        breaks = [o for o in options if o.is_break]
        times = Counter(key for o in breaks for key in (id(o.fragment), id(o.presence)))
        return [o for o in breaks if times[id(o.fragment)] == times[id(o.presence)] == 1]

    def _option(self, fragment: Fragment, presence: Presence) -> Option | None:
        gone_s = fragment.first_at_s - presence.last.at_s
        if gone_s <= 0 or gone_s > max(presence.patience_s, self._config.break_window_s):
            return None
        apart = _apart(presence.last, fragment.sights[0])
        reach = max(_LEAST_REACH, self._config.break_distance * gone_s)
        if presence.visit_id is None:  # a mannequin, perhaps: only what starts and stays where it stands is it again
            reach = _LEAST_REACH
            apart = max(apart, _apart(presence.last, fragment.sights[-1]))
        is_break = gone_s <= self._config.break_window_s and apart <= reach
        if not is_break and not self._may_return(fragment, presence, gone_s):
            return None
        looks = fragment.evidence.distance(presence.evidence)
        worn = None
        if fragment.colours is not None and presence.colours is not None:
            worn = float(colours.distance(fragment.colours, presence.colours))
        return Option(
            fragment=fragment,
            presence=presence,
            is_break=is_break,
            apart=apart,
            looks=None if looks is None else looks / self._same_person_distance,
            colours=None if worn is None else worn / (_BREAK_COLOURS if is_break else _RETURN_COLOURS),
        )

    def _may_return(self, fragment: Fragment, presence: Presence, gone_s: float) -> bool:
        """Whether somebody away for longer, or further, may be back: on the side where they were last."""
        if presence.visit_id is None or presence.evidence.count == 0 or gone_s > presence.patience_s:
            return False
        if self._doorway is None or presence.side is None:
            return True
        sides = (self._doorway.side_of(sight) for sight in fragment.sights)
        return next((side for side in sides if side is not None), None) == presence.side


def _apart(last: Sight, first: Sight) -> float:
    """Return how far two boxes are apart, by feet or heads, whichever is nearer: one end is often hidden."""
    between = min(distance(last.feet, first.feet, first.aspect), distance(last.head, first.head, first.aspect))
    return between / max(last.height, first.height)
