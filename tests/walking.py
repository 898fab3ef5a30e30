"""People who walk past a camera, as the tracker and the classifier would tell of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from vestibule.sections import CameraConfig, VisitsConfig
from vestibule.types import Frame, Reading, Tracks, Visit
from vestibule.visits import VisitKeeper
from vestibule_models.artifact import GroupThresholds, Thresholds
from vestibule_models.labels import LABELS, GarmentGroup, GarmentLabel, GarmentName

THRESHOLDS: dict[GarmentName, Thresholds] = {
    **{label: Thresholds(positives=30, likely=0.5, certain=0.8) for label in LABELS},
    **{group: GroupThresholds(positives=30, likely=0.5, certain=0.8, alone=0.6) for group in GarmentGroup},
}
CAMERA = CameraConfig(id="door", source="0")
_COLOURS = 8

Place = tuple[float, float, float]
"""Feet x and y and height of the box, as fractions of the frame."""
Path = Callable[[float], Place | None]
"""Seconds since the scene's present part began -> where; None while not seen."""


@dataclass(frozen=True)
class Person:
    """Somebody with a look (persons of different looks are at cosine distance 1), clothes and perhaps colours.

    Each garment of `doubtful` is scored 0.4, below every threshold.
    """

    look: int
    wears: tuple[str, ...] = ("Dress",)
    colours: int | None = None
    doubtful: tuple[str, ...] = ()

    def reading(self, track_id: int, at_s: float, *, camera_id: str = "door", quality: float = 0.5) -> Reading:
        probs = np.full(len(LABELS), 0.1, np.float32)
        probs[[LABELS.index(GarmentLabel(name)) for name in self.wears]] = 0.9
        probs[[LABELS.index(GarmentLabel(name)) for name in self.doubtful]] = 0.4
        embedding = np.zeros(16, np.float32)
        embedding[self.look] = 1
        return Reading(
            camera_id=camera_id,
            track_id=track_id,
            captured_at_s=at_s,
            quality=quality,
            probs=probs,
            embedding=embedding,
        )


def stands(x: float, y: float, height: float = 0.4) -> Path:
    return lambda _: (x, y, height)


def walks(start: tuple[float, float], end: tuple[float, float], seconds: float, height: float = 0.4) -> Path:
    """Walk straight, then be gone."""

    def path(t: float) -> Place | None:
        share = t / seconds
        if not 0 <= share <= 1:
            return None
        return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]), height

    return path


def hidden(path: Path, start_s: float, end_s: float) -> Path:
    return lambda t: None if start_s <= t < end_s else path(t)


def tracks_of(
    places: Mapping[int, Place],
    at_s: float,
    *,
    size: tuple[int, int] = (640, 360),
    camera_id: str = "door",
    colours: Mapping[int, int] | None = None,
) -> Tracks:
    """One frame's tracks; `colours` are of those who show any, two of different numbers have none in common."""
    width, height = size
    boxes = [
        ((x - h * 0.2 * height / width) * width, (y - h) * height, (x + h * 0.2 * height / width) * width, y * height)
        for x, y, h in places.values()
    ]
    array = np.array(boxes, np.float32).reshape(-1, 4)
    array[:, ::2] = array[:, ::2].clip(0, width)
    array[:, 1::2] = array[:, 1::2].clip(0, height)
    image = np.broadcast_to(np.zeros(1, np.uint8), (height, width, 3))
    frame = Frame(camera_id=camera_id, seq=0, captured_at_s=at_s, image=image)
    ids = np.array(list(places), np.int64)
    worn = np.zeros((len(ids), _COLOURS), np.float32)
    for row, track_id in enumerate(places):
        if (number := (colours or {}).get(track_id)) is not None:
            worn[row, number] = 1
    return Tracks(frame=frame, ids=ids, boxes_xyxy=array, scores=np.ones(len(ids), np.float32), colours=worn)


@dataclass
class Scene:
    """Plays people to a keeper and notes what it says.

    Everybody who is seen and has a `Person` is read every `read_every_s`; the reading arrives `delay_s` later.
    """

    camera: CameraConfig = CAMERA
    config: VisitsConfig = field(default_factory=VisitsConfig)
    fps: float = 10.0
    size: tuple[int, int] = (640, 360)
    read_every_s: float = 0.4
    delay_s: float = 0.3

    def __post_init__(self) -> None:
        self.keeper = VisitKeeper(
            camera=self.camera, config=self.config, thresholds=THRESHOLDS, same_person_distance=0.3
        )
        self.now_s = 1000.0
        self.said: list[tuple[float, Visit]] = []
        self._last_read_s: dict[int, float] = {}
        self._under_way: list[Reading] = []

    def play(self, seconds: float, people: Mapping[int, tuple[Path, Person | None]] | None = None) -> "Scene":
        start_s = self.now_s
        for number in range(round(seconds * self.fps)):
            t = number / self.fps
            self.now_s = start_s + t
            places = {track_id: place for track_id, (path, _) in (people or {}).items() if (place := path(t))}
            worn = {t: who.colours for t in places if (who := (people or {})[t][1]) and who.colours is not None}
            self._say(self.keeper.see(tracks_of(places, self.now_s, size=self.size, colours=worn)))
            for track_id in places:
                person = (people or {})[track_id][1]
                last_s = self._last_read_s.get(track_id, self.now_s - self.read_every_s / 2)
                if person and self.now_s - last_s >= self.read_every_s - 1e-6:
                    self._last_read_s[track_id] = self.now_s
                    self._under_way.append(person.reading(track_id, self.now_s))
                self._last_read_s.setdefault(track_id, last_s)
            due = [r for r in self._under_way if r.captured_at_s + self.delay_s <= self.now_s + 1e-6]
            self._under_way = [r for r in self._under_way if r not in due]
            self._say(self.keeper.read(due))
        self.now_s = start_s + seconds
        return self

    def finish(self) -> "Scene":
        self._say(self.keeper.finish())
        return self

    def _say(self, visits: tuple[Visit, ...]) -> None:
        self.said += [(self.now_s, visit) for visit in visits]

    def visits(self, phase: str | None = None) -> list[Visit]:
        return [visit for _, visit in self.said if phase is None or visit.phase == phase]

    def last(self) -> list[Visit]:
        """The latest word on each visit, in the order in which they began."""
        return list({visit.visit_id: visit for _, visit in self.said}.values())
