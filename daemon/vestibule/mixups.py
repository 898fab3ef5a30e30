"""Trackers mix up people with the mannequins that they walk past; what stands at a mannequin's place is the mannequin.

Somebody hides a mannequin, and the boxes that follow go to the wrong tracks: the mannequin's track walks off with the
person, or the person's track stays behind on the mannequin, for ever.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from vestibule.fragment import Fragment
from vestibule.geometry import overlap
from vestibule.presence import Presence

_SAME_PLACE = 0.6
_STANDS_S = 0.3
_STANDS_INSTEAD_S = 2.0
_SWAP_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MixUp:
    """A track that shows a mannequin and counted as somebody else's.

    Attributes:
        mannequin: the presence of who had stood at that place for long.
        standing: who seems to stand there now.
        is_swap: one came as the other went, so that each has the other's track.
    """

    mannequin: Presence
    standing: Presence | Fragment
    is_swap: bool


def find(
    presences: Sequence[Presence], fragments: Iterable[Fragment], in_view: Collection[int], now_s: float
) -> MixUp | None:
    """Return a mix-up if there is one.

    A presence that stood still for 3 s or more and is no visit yet has either moved, while somebody stands at its place
    for 0.3 s: both cannot be. Or it is out of view, while somebody who is a visit stands there for 2 s.
    """
    for mannequin in presences:
        if mannequin.visit_id is not None or not mannequin.stood_still or (home := mannequin.motion.home) is None:
            continue
        hidden = mannequin.track_id not in in_view
        if not hidden and mannequin.motion.moved_at_s is None:
            continue
        since_s = now_s - (_STANDS_INSTEAD_S if hidden else _STANDS_S)
        visits = [presence for presence in presences if presence.visit_id is not None]
        others: list[Presence | Fragment] = [*visits] if hidden else [*presences, *fragments]
        for other in others:
            place = other.standing.place
            is_other = other is not mannequin and other.track_id in in_view
            if is_other and place.at_s <= since_s and overlap(place, home) >= _SAME_PLACE:
                is_visit = isinstance(other, Presence) and other.visit_id is not None
                is_swap = is_visit and not hidden and now_s - place.at_s <= _SWAP_S
                return MixUp(mannequin=mannequin, standing=other, is_swap=is_swap)
    return None
