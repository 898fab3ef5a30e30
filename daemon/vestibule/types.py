"""Every type that flows through the pipeline. Data flows one way; each stage returns a new type."""

from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

Scalar = TypeVar("Scalar", bound=np.generic)

Phase = Literal["new", "confirmed", "ended"]
"""new: seen, evidence is being gathered; confirmed: the garments are final; ended: the person has gone."""

Confidence = Literal["likely", "certain"]
"""How sure a garment is: at a threshold chosen to be right 3 times in 4, or 9 times in 10."""


def read_only(array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """Return a read-only view of `array`, so that a frozen type stays frozen; itself if it is one."""
    if not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def _unknown_clothes() -> npt.NDArray[np.float32]:
    return np.full(6, np.nan, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LargerPicture:
    """What a camera's larger stream shows of a frame.

    Attributes:
        image: uint8 (H, W, 3) BGR, of the frame's shape, read-only.
        before_s: so long before the frame it was taken, seconds; negative if after it.
    """

    image: npt.NDArray[np.uint8]
    before_s: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", read_only(self.image))


class Detail(Protocol):
    """What a camera's larger stream shows of one frame; decoded only while somebody wants it."""

    def want(self) -> None:
        """Have such pictures ready from now on, for some seconds."""
        ...

    def picture(self) -> LargerPicture | None:
        """Return the picture nearest in time; None if none is near enough."""
        ...


class NoDetail:
    """Of a camera with one stream."""

    def want(self) -> None:
        """Do nothing."""

    def picture(self) -> None:
        """Return None."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One decoded picture of one camera.

    Attributes:
        camera_id: the camera's id in the configuration.
        seq: number of the decoded frame, from 0; gaps are drops.
        captured_at_s: Unix seconds, UTC; in replay the clock's start plus the media time.
        image: uint8 (H, W, 3) BGR, read-only.
        detail: what there is besides to cut people out of.
    """

    camera_id: str
    seq: int
    captured_at_s: float
    image: npt.NDArray[np.uint8]
    detail: Detail = field(default_factory=NoDetail)

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", read_only(self.image))


Columns = tuple[float, float]
"""First and last of some columns of a picture, as fractions of its width."""
WHOLE: Columns = (0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detections:
    """People found in one frame.

    Attributes:
        frame: where they were found.
        boxes_xyxy: float32 (N, 4) pixels, clipped to the frame.
        scores: float32 (N,), 0 to 1.
        columns: that were looked at; whoever is elsewhere was found there before.
    """

    frame: Frame
    boxes_xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    columns: Columns = WHOLE

    def __post_init__(self) -> None:
        object.__setattr__(self, "boxes_xyxy", read_only(self.boxes_xyxy))
        object.__setattr__(self, "scores", read_only(self.scores))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tracks:
    """People of one frame with the ids under which they are followed; only those seen in this very frame.

    Attributes:
        frame: the frame.
        ids: int64 (M,); unique within the camera, never reused, counted from 1.
        boxes_xyxy: float32 (M, 4) pixels, clipped to the frame (as detected, not as predicted).
        scores: float32 (M,), 0 to 1.
        colours: float32 (M, D), what each wears as `colours.signatures`, of late; zeros where not known yet.
    """

    frame: Frame
    ids: npt.NDArray[np.int64]
    boxes_xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    colours: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", read_only(self.ids))
        object.__setattr__(self, "boxes_xyxy", read_only(self.boxes_xyxy))
        object.__setattr__(self, "scores", read_only(self.scores))
        object.__setattr__(self, "colours", read_only(self.colours))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crop:
    """One person, cut out and padded to the classifier's input.

    Attributes:
        camera_id: the camera.
        track_id: the track within that camera.
        captured_at_s: when the frame was captured.
        quality: 0 to 1, of size, sharpness and completeness; weighs the reading.
        image: uint8 (h, w, 3) RGB, read-only.
        clothes_lab: float32 (6,), as `colours.clothes_lab`; NaN where not known.
    """

    camera_id: str
    track_id: int
    captured_at_s: float
    quality: float
    image: npt.NDArray[np.uint8]
    clothes_lab: npt.NDArray[np.float32] = field(default_factory=_unknown_clothes)

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", read_only(self.image))
        object.__setattr__(self, "clothes_lab", read_only(self.clothes_lab))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CropBatch:
    """Crops of any cameras that go through the classifier together.

    Attributes:
        crops: B >= 1 of them.
        images: uint8 (B, h, w, 3) RGB, their pictures in the same order.
    """

    crops: tuple[Crop, ...]
    images: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", read_only(self.images))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """What the classifier says of one crop.

    Attributes:
        camera_id: the camera.
        track_id: the track within that camera.
        captured_at_s: when the crop's frame was captured.
        quality: the crop's.
        probs: float32 (15,), independent, 0 to 1, in the order of `vestibule_models.labels.LABELS`.
        embedding: float32 (D,) of unit length, for re-identification.
        clothes_lab: the crop's.
    """

    camera_id: str
    track_id: int
    captured_at_s: float
    quality: float
    probs: npt.NDArray[np.float32]
    embedding: npt.NDArray[np.float32]
    clothes_lab: npt.NDArray[np.float32] = field(default_factory=_unknown_clothes)

    def __post_init__(self) -> None:
        object.__setattr__(self, "probs", read_only(self.probs))
        object.__setattr__(self, "embedding", read_only(self.embedding))
        object.__setattr__(self, "clothes_lab", read_only(self.clothes_lab))


@dataclass(frozen=True, slots=True, kw_only=True)
class Garment:
    """One garment of a visit, or a group of garments one of which is worn.

    Attributes:
        label: one of the 15 categories, or of the groups of `vestibule_models.labels.GarmentGroup`.
        score: 0 to 1, how probable it is: the quality-weighted mean over the visit's readings, calibrated as the
            model's manifest says.
        votes: how many readings alone were at or above its threshold.
    """

    label: str
    score: float
    votes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One customer in the store, before one camera after the other, as one of the visits belongs to it.

    Attributes:
        stay_id: the id of its first visit.
        cameras: those of its visits, in the order in which they were joined.
        in_doubt: the visit may continue another stay, but that was not sure enough.
    """

    stay_id: str
    cameras: tuple[str, ...]
    in_doubt: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One person in front of one camera, as far as it is known now.

    Attributes:
        visit_id: stable through track breaks; derived from the site, camera, start and a counter.
        camera_id: the camera.
        first_seen_at_s: Unix seconds, UTC.
        last_seen_at_s: Unix seconds, UTC.
        entered: crossed the entrance line inwards (always true once confirmed where there is no line).
        zones: names of the zones that the feet have been in, in order of first entry.
        garments: what is worn, best score first; provisional until `settled`.
        phase: new, confirmed or ended.
        settled: the evidence sufficed before the deadline; only a settled visit may raise an alert.
        silent: never alerts: staff, mannequin, poster.
        readings: how many readings it rests on.
        groups: those that are sure enough, best score first, with or without a member among `garments`.
    """

    visit_id: str
    camera_id: str
    first_seen_at_s: float
    last_seen_at_s: float
    entered: bool
    zones: tuple[str, ...]
    garments: tuple[Garment, ...]
    phase: Phase
    settled: bool
    silent: bool
    readings: int
    groups: tuple[Garment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Appearance:
    """What somebody looks like, to be recognised by before another camera. Kept in memory only, and not for long.

    Attributes:
        look: float32 (D,) of unit length, the mean embedding.
        garments: float32 (15,), the mean probabilities, as `Reading.probs`.
        clothes_lab: float32 (6,), the mean of the readings'; NaN where not known.
    """

    look: npt.NDArray[np.float32]
    garments: npt.NDArray[np.float32]
    clothes_lab: npt.NDArray[np.float32] = field(default_factory=_unknown_clothes)

    def __post_init__(self) -> None:
        object.__setattr__(self, "look", read_only(self.look))
        object.__setattr__(self, "garments", read_only(self.garments))
        object.__setattr__(self, "clothes_lab", read_only(self.clothes_lab))


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What the staff asked to be told, once a visit and rule. No pixels.

    Attributes:
        alert_id: stable, derived from the visit and the rule.
        visit_id: whose.
        camera_id: the camera.
        zones: of the visit at this moment.
        rule: the rule's name.
        garments: those of the visit that the rule asked for.
        first_seen_at_s: of the visit, Unix seconds, UTC.
        raised_at_s: Unix seconds, UTC.
        groups: those that the rule asked for and none of whose members is among `garments`.
        confidence: of the least sure garment or group that is told.
    """

    alert_id: str
    visit_id: str
    camera_id: str
    zones: tuple[str, ...]
    rule: str
    garments: tuple[Garment, ...]
    first_seen_at_s: float
    raised_at_s: float
    groups: tuple[Garment, ...] = ()
    confidence: Confidence = "likely"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One event as it is published.

    Attributes:
        topic: full topic.
        at_s: when, Unix seconds, UTC.
        payload: UTF-8 JSON, an object; the bytes that every sink gets. Empty with `retain`: the topic is forgotten.
        retain: it is how things stand and no event: the broker keeps the topic's last, and it needs no outbox.
    """

    topic: str
    at_s: float
    payload: bytes
    retain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRequest:
    """Somebody says that they go to the customer of an alert; nothing of it has been checked.

    Attributes:
        alert_id: what the topic names.
        payload: as it arrived, or as much of it as shows that it is too large.
    """

    alert_id: str
    payload: bytes
