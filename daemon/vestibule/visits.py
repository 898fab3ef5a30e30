"""Tracks and readings of one camera become visits: one person, one visit, however often the track breaks."""

from collections.abc import Mapping, Sequence

import numpy as np

from vestibule import mixups
from vestibule.consensus import Evidence, Publish
from vestibule.entrance import Doorway
from vestibule.fragment import Fragment
from vestibule.geometry import Sight, contains
from vestibule.identity import Recognition
from vestibule.presence import Presence
from vestibule.sections import CameraConfig, VisitsConfig
from vestibule.types import Appearance, Reading, Tracks, Visit
from vestibule_models.artifact import Thresholds
from vestibule_models.labels import GarmentName

_LATE_READING_S = 30.0
"""How long after its last sight a track that is no longer its presence's is remembered, for readings on their way."""
_CLOCK_SET_BACK_S = 10.0
"""A frame this much older than the last means that the clock was set back."""


class VisitKeeper:
    """Follows the people in front of one camera.

    Time is that of the frames; nothing here reads a clock. It never goes back: where the camera's clock is set
    back, every visit ends and counting starts anew. Memory is bounded by the people who are in view or may return.
    """

    def __init__(
        self,
        *,
        camera: CameraConfig,
        config: VisitsConfig,
        thresholds: Mapping[GarmentName, Thresholds],
        same_person_distance: float,
        published: Publish = lambda _, score: score,
    ) -> None:
        self._camera = camera
        self._config = config
        self._thresholds, self._published = thresholds, published
        self._doorway = None if camera.entrance is None else Doorway(camera.entrance)
        self._recognition = Recognition(config=config, doorway=self._doorway, same_person_distance=same_person_distance)
        self._ignored = [zone.polygon for zone in camera.zones if zone.kind == "ignore"]
        self._now_s = float("-inf")
        self._in_view: set[int] = set()
        self._fragments: dict[int, Fragment] = {}
        self._presences: list[Presence] = []
        self._presence_of: dict[int, Presence] = {}
        self._seen_at_s: dict[int, float] = {}
        self._presences_begun = 0
        self._ended: tuple[Presence, ...] = ()
        self._visits_begun = 0

    @property
    def settled_tracks(self) -> frozenset[int]:
        """Tracks in view that need no more crops: their garments are final, or they are known to be staff."""
        return frozenset(t for t in self._in_view if (presence := self._presence_of.get(t)) and presence.is_final)

    def visit_of(self, track_id: int) -> Visit | None:
        """The visit that a track belongs to, as it was last reported; None if it is none (yet)."""
        presence = self._presence_of.get(track_id)
        return None if presence is None else presence.said

    def last_seen(self) -> dict[str, float]:
        """When the person of each visit that has not ended was in view last, Unix seconds, by visit id."""
        return {each.visit_id: each.last.at_s for each in self._presences if each.visit_id is not None}

    def appearance(self, visit_id: str) -> Appearance | None:
        """What the person of a visit looks like; of visits that have not ended, or did so in the latest call."""
        found = [each for each in (*self._presences, *self._ended) if each.visit_id == visit_id]
        return found[0].evidence.appearance() if found else None

    def see(self, tracks: Tracks) -> tuple[Visit, ...]:
        """Take one analysed frame, also one without people; returns the visits whose published state changed."""
        self._ended = ()
        at_s = tracks.frame.captured_at_s
        ended = self.finish() if at_s < self._now_s - _CLOCK_SET_BACK_S else ()
        self._now_s = max(self._now_s, at_s)
        height_px, width_px = tracks.frame.image.shape[:2]
        self._in_view = set()
        for track_id, box in zip(tracks.ids.tolist(), tracks.boxes_xyxy, strict=True):
            sight = Sight.of(box, width_px=width_px, height_px=height_px, at_s=self._now_s)
            if not any(contains(polygon, sight.feet) for polygon in self._ignored):
                self._in_view.add(track_id)
                self._follow(track_id, sight)
        self._note_colours(tracks)
        self._untangle()
        self._recognise(self._now_s)
        return (*ended, *self._news(), *self._end_those_gone())

    def read(self, readings: Sequence[Reading]) -> tuple[Visit, ...]:
        """Take readings of this camera, in any order, also late ones; returns as `see` does."""
        for reading in sorted(readings, key=lambda r: (r.captured_at_s, r.track_id)):
            if reading.camera_id != self._camera.id:
                continue
            if fragment := self._fragments.get(reading.track_id):
                fragment.evidence.add(reading)
            elif presence := self._presence_of.get(reading.track_id):
                presence.read(reading)
        self._recognise(self._now_s)
        return self._news()

    def finish(self) -> tuple[Visit, ...]:
        """End every visit: the recording is over, or the daemon stops."""
        self._recognise(float("inf"))
        news = self._news()
        self._ended = tuple(presence for presence in self._presences if presence.visit_id is not None)
        ended = tuple(presence.end() for presence in self._ended)
        self._in_view, self._now_s = set(), float("-inf")
        for memory in (self._fragments, self._presences, self._presence_of, self._seen_at_s):
            memory.clear()
        return (*news, *ended)

    def _follow(self, track_id: int, sight: Sight) -> None:
        self._seen_at_s[track_id] = sight.at_s
        presence = self._presence_of.get(track_id)
        if presence is not None and presence.track_id == track_id:
            presence.observe(sight)
        elif fragment := self._fragments.get(track_id):
            fragment.observe(sight)
        else:  # also a lost track that returns after its presence went on under another: both are seen, so two people
            self._presence_of.pop(track_id, None)
            self._fragments[track_id] = Fragment(track_id, sight, Evidence(self._thresholds, self._published))

    def _note_colours(self, tracks: Tracks) -> None:
        known = np.any(tracks.colours, axis=1)
        for track_id, colours, is_known in zip(tracks.ids.tolist(), tracks.colours, known, strict=True):
            presence = self._presence_of.get(track_id)
            shown = (
                presence if presence is not None and presence.track_id == track_id else self._fragments.get(track_id)
            )
            if shown is not None and is_known:
                shown.colours = colours

    def _untangle(self) -> None:
        while mix_up := mixups.find(self._presences, self._fragments.values(), self._in_view, self._now_s):
            mannequin, standing = mix_up.mannequin, mix_up.standing
            moving, moving_id = mannequin.last, mannequin.track_id
            mannequin.motion.forget_move()
            mannequin.track_id = standing.track_id
            if isinstance(standing, Fragment):
                self._settle_on(standing, mannequin)
            elif standing.track_id is not None:
                self._presence_of[standing.track_id] = mannequin
                standing.leave()
                if standing.visit_id is None:
                    self._presences.remove(standing)
            if moving_id is None or moving_id not in self._in_view:
                continue
            if mix_up.is_swap and isinstance(standing, Presence):
                self._presence_of[moving_id] = standing
                standing.track_id = moving_id
                standing.observe(moving)
            else:
                del self._presence_of[moving_id]
                self._follow(moving_id, moving)

    def _recognise(self, now_s: float) -> None:
        if not self._fragments:
            return
        absent = [presence for presence in self._presences if presence.track_id not in self._in_view]
        decision = self._recognition.decide(list(self._fragments.values()), absent, now_s)
        for fragment, presence in decision.joined:
            presence.join(fragment)
            self._settle_on(fragment, presence)
        for fragment in decision.fresh:
            self._presences_begun += 1
            presence = Presence(
                fragment, order=self._presences_begun, camera=self._camera, config=self._config, doorway=self._doorway
            )
            self._presences.append(presence)
            self._settle_on(fragment, presence)

    def _settle_on(self, fragment: Fragment, presence: Presence) -> None:
        del self._fragments[fragment.track_id]
        self._presence_of[fragment.track_id] = presence

    def _news(self) -> tuple[Visit, ...]:
        for presence in self._presences:
            if presence.visit_id is None and presence.may_begin(self._now_s):
                self._visits_begun += 1
                presence.begin_visit(self._visits_begun)
        return tuple(visit for presence in self._presences for visit in presence.news(self._now_s))

    def _end_those_gone(self) -> tuple[Visit, ...]:
        oldest_s = min((fragment.first_at_s for fragment in self._fragments.values()), default=self._now_s)
        gone = [
            s for s in self._presences if s.is_over(min(self._now_s, oldest_s), in_view=s.track_id in self._in_view)
        ]
        if gone:
            self._ended = (*self._ended, *gone)
            self._presences = [presence for presence in self._presences if presence not in gone]
        over = {id(presence) for presence in gone}
        for track_id, presence in list(self._presence_of.items()):
            is_past = presence.track_id != track_id and self._now_s - self._seen_at_s[track_id] > _LATE_READING_S
            if id(presence) in over or is_past:
                del self._presence_of[track_id]
        self._seen_at_s = {
            t: at_s for t, at_s in self._seen_at_s.items() if t in self._presence_of or t in self._fragments
        }
        return tuple(presence.end() for presence in gone if presence.visit_id is not None)
