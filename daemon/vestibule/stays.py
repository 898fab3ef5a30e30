"""Visits before several cameras become one customer's stay: by walking time, looks and garments.

Time is that of the visits; nothing here reads a clock. Where the evidence is thin, visits stay apart and are in doubt:
a customer counted twice is found in the count, one whom nobody was told of is not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vestibule.assignment import assign
from vestibule.sections import CameraConfig
from vestibule.stay_sections import StaysConfig
from vestibule.types import Appearance, Stay, Visit
from vestibule.walks import Walks

_CLOTHES = 25.0
"""Colours of clothes further apart than this are not of one customer, before cameras with different light."""
_LIGHTNESS = 0.25
"""Weight of the lightness beside the hue: it changes most with the light."""
_GARMENTS = 0.75
"""A garment whose scores differ by more is worn by one and not by the other."""
_BOTH = 1.5
"""Looks and colours as shares of their limits add up to this at most: if one is at its limit, the other is not."""
_LOOKS_ALONE = 0.7
"""Share of the limit within which looks suffice where no colours are known."""
_MARGIN = 0.25
"""Whatever else comes into question must be so much more unlike, as the sum of the two shares."""
_NEVER = 1e6

Floats = npt.NDArray[np.float64]


@dataclass(slots=True, kw_only=True, eq=False)
class _Part:
    """One visit as part of a stay.

    Attributes:
        appearance: None once nobody can be linked to it any more.
        onward: how far away the visit is that continues this one; None while there is none.
    """

    stay: "_Path"
    visit_id: str
    camera_id: str
    first_seen_at_s: float
    last_seen_at_s: float
    appearance: Appearance | None
    in_doubt: bool = False
    ended: bool = False
    onward: float | None = None


class _Path:
    """One customer's visits, in the order in which they were joined."""

    def __init__(self, stay_id: str) -> None:
        self.stay_id = stay_id
        self.parts: list[_Part] = []


class Stays:
    """Gives each visit its stay.

    Visits take part once they have entered and are settled, or can settle no more; staff never does. Who was decided
    on stays decided. Memory is bounded by the visits under way and those that ended within the longest walk.

    Args:
        cameras: of the site.
        config: the walks.
        same_person_distance: the model's, between two embeddings of one person before one camera.
    """

    def __init__(self, *, cameras: Sequence[CameraConfig], config: StaysConfig, same_person_distance: float) -> None:
        self._walks = Walks(cameras, config)
        self._unit = same_person_distance
        self._parts: dict[str, _Part] = {}
        self._paths: list[_Path] = []

    def watch(self, cameras: Sequence[CameraConfig]) -> None:
        """Link the visits of these cameras from now on; of the others, no more."""
        self._walks.watch(cameras)

    def place(
        self,
        visits: Sequence[Visit],
        appearances: Mapping[str, Appearance],
        last_seen_at_s: Mapping[str, float],
    ) -> tuple[Stay | None, ...]:
        """Say to which stay each of these visits belongs.

        Args:
            visits: those of one camera that changed, in order; one may be there more than once.
            appearances: what their people look like, by visit id, as far as that is known.
            last_seen_at_s: of the visits of all cameras that are under way, by visit id, Unix seconds.

        Returns:
            As many as there are visits; None for a visit that is not decided on yet, for staff, and where no cameras
            are linked.
        """
        self._see(last_seen_at_s)
        arrivals = {visit.visit_id: visit for visit in reversed(visits) if self._is_due(visit)}
        self._link([self._part_of(visit, appearances) for visit in reversed(arrivals.values())])
        for visit in visits:
            if part := self._parts.get(visit.visit_id):
                part.last_seen_at_s = visit.last_seen_at_s
                part.ended = visit.phase == "ended"
                if visit.silent:
                    self._drop(part)
        return tuple(self._stay_of(visit.visit_id) for visit in visits)

    @property
    def any(self) -> bool:
        """Whether any visit takes part; if not, there is nothing to forget."""
        return bool(self._parts)

    def forget(self, now_s: float, last_seen_at_s: Mapping[str, float]) -> tuple[str, ...]:
        """Let go of whoever cannot be linked any more; returns the stays that are over.

        Args:
            now_s: Unix seconds, UTC.
            last_seen_at_s: as for `place`.
        """
        self._see(last_seen_at_s)
        for part in self._parts.values():
            if abs(now_s - part.last_seen_at_s) > self._walks.longest_s:
                part.appearance = None
        over = [path for path in self._paths if all(part.ended and part.appearance is None for part in path.parts)]
        for part in [part for path in over for part in path.parts]:
            del self._parts[part.visit_id]
        self._paths = [path for path in self._paths if path not in over]
        return tuple(path.stay_id for path in over)

    def _see(self, last_seen_at_s: Mapping[str, float]) -> None:
        for visit_id, part in self._parts.items():
            part.last_seen_at_s = last_seen_at_s.get(visit_id, part.last_seen_at_s)

    def _is_due(self, visit: Visit) -> bool:
        if not self._walks.any:
            return False
        return visit.visit_id not in self._parts and visit.phase != "new" and visit.entered and not visit.silent

    def _part_of(self, visit: Visit, appearances: Mapping[str, Appearance]) -> _Part:
        return _Part(
            stay=_Path(visit.visit_id),
            visit_id=visit.visit_id,
            camera_id=visit.camera_id,
            first_seen_at_s=visit.first_seen_at_s,
            last_seen_at_s=visit.last_seen_at_s,
            appearance=appearances.get(visit.visit_id),
        )

    def _drop(self, part: _Part) -> None:
        """The person proved to be staff."""
        del self._parts[part.visit_id]
        part.stay.parts.remove(part)

    def _stay_of(self, visit_id: str) -> Stay | None:
        part = self._parts.get(visit_id)
        if part is None:
            return None
        cameras = tuple(each.camera_id for each in part.stay.parts)
        return Stay(stay_id=part.stay.stay_id, cameras=cameras, in_doubt=part.in_doubt)

    def _link(self, arrivals: Sequence[_Part]) -> None:
        """Join each arrival with the one stay that it continues, or begin one; all of one camera at one moment."""
        known = [part for part in self._parts.values() if part.appearance is not None]
        costs = np.array([[self._cost(before, part) for before in known] for part in arrivals])
        costs = costs.reshape(len(arrivals), len(known))
        chosen = _assign(costs, [part.onward is None for part in known])
        for row, part in enumerate(arrivals):
            rivals = _rivals(costs, chosen, known, row)
            column = chosen.get(row)
            if column is not None and not rivals:
                before = known[column]
                part.stay, before.onward = before.stay, float(costs[row, column])
                walk_s = part.first_seen_at_s - before.last_seen_at_s
                self._walks.note(before.camera_id, part.camera_id, walk_s)
            else:
                self._paths.append(part.stay)
                part.in_doubt = bool(rivals)
            part.stay.parts.append(part)
            self._parts[part.visit_id] = part

    def _cost(self, before: _Part, part: _Part) -> float:
        """How unlike one customer two visits are; infinite if they are of two."""
        window = self._walks.window_s(before.camera_id, part.camera_id)
        if window is None or before.appearance is None or part.appearance is None:
            return np.inf
        if not window[0] <= part.first_seen_at_s - before.last_seen_at_s <= window[1]:
            return np.inf
        return unlikeness(before.appearance, part.appearance, self._unit)


def unlikeness(a: Appearance, b: Appearance, same_person_distance: float) -> float:
    """How unlike two people look: the looks' and the colours' distance as shares of their limits, added up.

    Args:
        a: one, before one camera.
        b: the other, before another.
        same_person_distance: between two looks; cosine distance.

    Returns:
        0 for the same to `_BOTH`; infinite if they cannot be one.
    """
    looks = (1 - float(a.look @ b.look)) / same_person_distance
    apart = (a.clothes_lab - b.clothes_lab) * np.array([_LIGHTNESS, 1, 1] * 2)
    colours = float(np.linalg.norm(apart)) / _CLOTHES if np.isfinite(apart).all() else _BOTH - _LOOKS_ALONE
    garments = float(np.abs(a.garments - b.garments).max())
    is_possible = garments <= _GARMENTS and max(looks, colours) <= 1 and looks + colours <= _BOTH
    return max(looks + colours, 0.0) if is_possible else np.inf


def _assign(costs: Floats, is_open: Sequence[bool]) -> dict[int, int]:
    """Row -> column, each once, of least total cost; only finite ones, and only columns that are open."""
    usable = np.where(np.isfinite(costs) & np.array(is_open, bool), costs, _NEVER)
    rows, columns = assign(usable)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {row: column for row, column in pairs if usable[row, column] < _NEVER}


def _rivals(costs: Floats, chosen: Mapping[int, int], known: Sequence[_Part], row: int) -> list[object]:
    """What else comes into question: for an arrival another stay, for its stay another arrival.

    Nothing does that belongs to somebody else clearly more: by `_MARGIN`.
    """
    mine = chosen.get(row)
    limit = np.inf if mine is None else costs[row, mine] + _MARGIN
    taken = {column: costs[other, column] for other, column in chosen.items() if other != row}
    rivals: list[object] = []
    for column, before in enumerate(known):
        cost, owner = costs[row, column], before.onward if before.onward is not None else taken.get(column, np.inf)
        is_other = mine is None or before.stay is not known[mine].stay
        if is_other and np.isfinite(cost) and cost < limit and owner > cost - _MARGIN:
            rivals.append(before)
    if mine is not None:
        others: Iterable[int] = (other for other in range(len(costs)) if other != row)
        rivals += [o for o in others if costs[o, mine] < limit and _own(costs, chosen, o) > costs[o, mine] - _MARGIN]
    return rivals


def _own(costs: Floats, chosen: Mapping[int, int], row: int) -> float:
    return float(costs[row, chosen[row]]) if row in chosen else np.inf
