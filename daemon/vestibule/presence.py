"""One person in front of one camera, while it lasts; what is known of them, and what has been said of it."""

from typing import Literal

from vestibule.entrance import Doorway, Passage, Side
from vestibule.fragment import Fragment
from vestibule.geometry import Sight, contains, overlap
from vestibule.motion import Motion, Standing, Steady
from vestibule.sections import CameraConfig, VisitsConfig
from vestibule.types import Garment, Reading, Visit

_LONGEST_STEP_S = 1.0
"""Time between two sights that still counts as spent where the second one is."""
_STOOD_S = 3.0
_SAME_PLACE = 0.6
_MIX_UP_S = 1.5
"""Whoever moves after having stood still for long waits so long to be a visit: see `mixups`."""


class Presence:
    """One person's presence, through all of their tracks.

    Attributes:
        order: number of the presence within its camera; tells which came first.
        track_id: the track that shows the person now, or did last; None if that proved to show somebody else.
        last: the latest sight.
        standing: since when the person has been standing.
        motion: whether the person has ever moved.
        evidence: the readings of all tracks.
        colours: what the person wears, as `colours.signatures`, last seen; None if not known yet.
        visit_id: None until the person has moved: a mannequin is a presence, and never a visit.
        outcome: whether the evidence sufficed in time; final once it is not `open`.
        silent: in the staff zone for long enough.
        crossed_out_at_s: when the person left over the line, None if inside or never crossed.
    """

    def __init__(
        self, fragment: Fragment, *, order: int, camera: CameraConfig, config: VisitsConfig, doorway: Doorway | None
    ) -> None:
        self.order = order
        self.track_id: int | None = fragment.track_id
        self.evidence = fragment.evidence
        self.colours = fragment.colours
        self.last = fragment.sights[0]
        self.standing = Standing(self.last)
        self.motion = Motion(config.static_distance)
        self.visit_id: str | None = None
        self.outcome: Literal["open", "settled", "expired"] = "open"
        self.silent = False
        self.crossed_out_at_s: float | None = None
        self._camera = camera
        self._config = config
        self._first_at_s = self.last.at_s
        self._steady = Steady()
        self._passage = None if doorway is None else Passage(doorway)
        self._entered = doorway is None
        self._zones: tuple[str, ...] = ()
        self._staff_s = 0.0
        self._garments: tuple[Garment, ...] = ()
        self._groups: tuple[Garment, ...] = ()
        self._readings = 0
        self._said: Visit | None = None
        for sight in fragment.sights:
            self.observe(sight)

    @property
    def side(self) -> Side | None:
        """The side of the entrance line; None without one, or before the feet were seen."""
        return None if self._passage is None else self._passage.side

    @property
    def said(self) -> Visit | None:
        """The visit as it was last reported; None before it is one."""
        return self._said

    @property
    def stood_still(self) -> bool:
        """Whether somebody stood for so long, before moving if ever, that a mannequin is to be thought of."""
        return self.motion.stood_s >= _STOOD_S

    def may_begin(self, now_s: float) -> bool:
        """Whether it is time to call it a visit: the person has moved, and that was no mix-up with a mannequin."""
        moved_at_s = self.motion.moved_at_s
        return moved_at_s is not None and (not self.stood_still or now_s - moved_at_s >= _MIX_UP_S)

    @property
    def is_final(self) -> bool:
        """Whether further readings of the person would change nothing."""
        return self.outcome != "open" or (self.silent and self.visit_id is not None)

    def observe(self, sight: Sight) -> None:
        """Follow the person to the next sight."""
        step_s = sight.at_s - self.last.at_s
        self.last = sight
        self.motion.observe(sight)
        if self.visit_id is None and self._is_back(sight):
            self.motion.forget_move()
        self.standing.observe(sight)
        passed = None if self._passage is None else self._passage.observe(self._steady.observe(sight))
        self._entered = self._entered or passed == "in"
        if passed == "out":
            self.crossed_out_at_s = sight.at_s
        elif self.side == "inside":
            self.crossed_out_at_s = None
        self._visit_zones(sight, step_s if step_s <= _LONGEST_STEP_S else 0.0)

    def _is_back(self, sight: Sight) -> bool:
        """Whether somebody who moved after standing for long stands there again: the boxes between were another's."""
        home = self.motion.home
        moved = self.stood_still and self.motion.moved_at_s is not None
        return moved and home is not None and overlap(sight, home) >= _SAME_PLACE

    def _visit_zones(self, sight: Sight, step_s: float) -> None:
        for zone in self._camera.zones:
            if zone.kind == "ignore" or not contains(zone.polygon, sight.feet):
                continue
            if zone.kind == "area" and zone.name not in self._zones:
                self._zones = (*self._zones, zone.name)
            elif zone.kind == "staff":
                self._staff_s += step_s
                self.silent = self.silent or self._staff_s >= self._config.staff_after_s

    def join(self, fragment: Fragment) -> None:
        """Take a track that turned out to show the same person, with all that it saw."""
        self.track_id = fragment.track_id
        for sight in fragment.sights:
            self.observe(sight)
        self.evidence.merge(fragment.evidence)
        if fragment.colours is not None:
            self.colours = fragment.colours

    def leave(self) -> None:
        """The track proved to be that of the mannequin behind: the person has left since it began to stand there."""
        self.track_id, self.last = None, self.standing.before

    def read(self, reading: Reading) -> None:
        """Add a reading; after the outcome is final it only sharpens the look of the person."""
        if self.outcome == "open" and self.visit_id is not None:
            self._expire(reading.captured_at_s)
        self.evidence.add(reading)

    def _expire(self, now_s: float) -> None:
        if now_s - self.evidence.first_at_s > self._config.confirm_deadline_s:
            self._conclude("expired")

    def _conclude(self, outcome: Literal["settled", "expired"]) -> None:
        self.outcome = outcome
        self._garments, self._groups = self.evidence.garments(), self.evidence.groups()
        self._readings = self.evidence.count

    def is_over(self, now_s: float, *, in_view: bool) -> bool:
        """Whether the person has been gone for so long that the presence has ended."""
        if self.crossed_out_at_s is not None and now_s - self.crossed_out_at_s > self._config.reentry_window_s:
            return True
        return not in_view and now_s - self.last.at_s > self.patience_s

    @property
    def patience_s(self) -> float:
        """How long the person may be out of view."""
        if self.visit_id is None and not self.stood_still:
            return self._config.break_window_s
        return self._config.inside_timeout_s if self.side == "inside" else self._config.reentry_window_s

    def news(self, now_s: float) -> list[Visit]:
        """Return what has changed since the last call: new, confirmed, confirmed again, or nothing.

        A visit is confirmed as settled when its evidence suffices, or else when the deadline passes.
        """
        if self.visit_id is None:
            return []
        news = [] if self._said else [self._say("new")]
        if self.outcome == "open" and self.evidence.suffices(self._config.min_readings, self._config.enough_readings):
            self._conclude("settled")
        if self.outcome == "open":
            self._expire(now_s)
        if self.outcome != "open" and self._is_news():
            news.append(self._say("confirmed"))
        return news

    def _is_news(self) -> bool:
        said = self._said
        if said is None or said.phase == "new":
            return True
        return (said.entered, said.zones, said.silent) != (self._entered, self._zones, self.silent)

    def end(self) -> Visit:
        """Return the last word on a visit."""
        return self._say("ended")

    def begin_visit(self, number: int) -> None:
        """Make it a visit; the person has moved."""
        self.visit_id = f"{self._camera.id}-{round(self._first_at_s * 1000)}-{number}"

    def _say(self, phase: Literal["new", "confirmed", "ended"]) -> Visit:
        is_open = self.outcome == "open"
        self._said = Visit(
            visit_id=self.visit_id or "",
            camera_id=self._camera.id,
            first_seen_at_s=self._first_at_s,
            last_seen_at_s=max(self.last.at_s, self._said.last_seen_at_s if self._said else 0.0),
            entered=self._entered,
            zones=self._zones,
            garments=self.evidence.garments() if is_open else self._garments,
            phase=phase,
            settled=self.outcome == "settled",
            silent=self.silent,
            readings=self.evidence.count if is_open else self._readings,
            groups=self.evidence.groups() if is_open else self._groups,
        )
        return self._said
