"""Frames, detections, tracks, crops and claims made by hand."""

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vestibule.types import ClaimRequest, Crop, Detections, Frame, Garment, LargerPicture, Message, Phase, Tracks, Visit

Image = npt.NDArray[np.uint8]
Box = Sequence[float]
"""x0, y0, x1, y1 in pixels."""


def frame(at_s: float = 0.0, *, size: tuple[int, int] = (640, 360), image: Image | None = None) -> Frame:
    """A frame of (width, height), black where no picture is given."""
    if image is None:
        image = np.broadcast_to(np.zeros(1, np.uint8), (size[1], size[0], 3))
    return Frame(camera_id="door", seq=round(at_s * 1000), captured_at_s=at_s, image=image)


class Larger:
    """What a main stream shows: a picture or nothing; counts what it is asked."""

    def __init__(self, image: Image | None, before_s: float = 0.0) -> None:
        self._picture = None if image is None else LargerPicture(image=image, before_s=before_s)
        self.wants = self.looks = 0

    def want(self) -> None:
        self.wants += 1

    def picture(self) -> LargerPicture | None:
        self.looks += 1
        return self._picture


def detections(
    boxes: Sequence[Box],
    at_s: float = 0.0,
    *,
    scores: float | Sequence[float] = 0.9,
    size: tuple[int, int] = (640, 360),
) -> Detections:
    return Detections(
        frame=frame(at_s, size=size),
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.broadcast_to(np.array(scores, np.float32), (len(boxes),)),
    )


def tracks(boxes: dict[int, Box], at_s: float = 0.0, *, image: Image | None = None) -> Tracks:
    """The people of one frame by their ids."""
    return Tracks(
        frame=frame(at_s, image=image),
        ids=np.array(list(boxes), np.int64),
        boxes_xyxy=np.array(list(boxes.values()), np.float32).reshape(-1, 4),
        scores=np.full(len(boxes), 0.9, np.float32),
        colours=np.zeros((len(boxes), 1), np.float32),
    )


def crop(track_id: int = 1, *, camera_id: str = "door", image: Image | None = None, at_s: float = 0.0) -> Crop:
    """A crop; its picture is filled with the track's id where none is given."""
    picture = np.full((64, 32, 3), track_id % 256, np.uint8) if image is None else image
    return Crop(camera_id=camera_id, track_id=track_id, captured_at_s=at_s, quality=0.5, image=picture)


def visit(visit_id: str = "v1", *, phase: Phase = "new", silent: bool = False, garments: int = 0) -> Visit:
    """A visit of so many dresses; settled once it is confirmed."""
    return Visit(
        visit_id=visit_id,
        camera_id="door",
        first_seen_at_s=0.0,
        last_seen_at_s=0.0,
        entered=True,
        zones=(),
        garments=tuple(Garment(label="Dress", score=0.9, votes=3) for _ in range(garments)),
        phase=phase,
        settled=phase == "confirmed",
        silent=silent,
        readings=3,
    )


def claim_request(alert: Message, by: str) -> ClaimRequest:
    """What somebody's app asks for."""
    claim = {"schema_version": 1, "by": by, "claim_id": f"press-of-{by}"}
    return ClaimRequest(alert_id=json.loads(alert.payload)["alert_id"], payload=json.dumps(claim).encode())


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now_s: float = 1_700_000_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s
