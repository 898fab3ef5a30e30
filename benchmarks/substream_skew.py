"""How far a box of the sub-stream is from the person in the main stream's picture that it is given.

The demo's scene at 25 frames/s, each picture's number written into it, over RTSP at 1920x1080 and 640x360 at once; the
first is sent late by so much. A frame asks for its detail 15 ms after it arrived, as the detector takes. What the
scene's truth says of its customers at both pictures' times, in between interpolated, is compared; those of 110 pixels
and more at 1920x1080 whom the frame does not cut. *as placed* is the box put to where the step from the frame before
says (`cropping.placed`), of true boxes: a detector's own unrest comes on top. *arrival* is without the camera's own
clock. `substream.py` prints the table.
"""

import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import numpy.typing as npt
from clips import BUSY, Image, pictures, resized, sub_stream, write
from live import RtspServer
from measuring import percentiles, table

from vestibule.cropping import placed
from vestibule.detail_section import DetailConfig
from vestibule.sections import CameraConfig, CaptureConfig, CroppingConfig
from vestibule.sources import LiveSources
from vestibule.sources.camera_clock import CameraClock
from vestibule.types import Frame, LargerPicture, Tracks

_FPS, _SCENE_FPS = 25, 12
_PICTURES = 800
_WIDE = (1920, 1080)
_BITS, _SQUARE_PX, _GREY = 10, 48, 128
_EDGE_PX = 2
_DETECTOR_S = 0.015
_BEGUN_S = 8.0
"""The first sender reports have come."""
_LATE_MS = (0, 40, 80, 120, 160, 200, 240)
Boxes = npt.NDArray[np.float64]


def numbered(scene: list[Image]) -> Iterator[Image]:
    """Yield the scene at 25 frames/s, with each picture's number in squares of black and white along its top."""
    for number in range(_PICTURES):
        image = resized(scene[number * _SCENE_FPS // _FPS], _WIDE)
        for bit in range(_BITS):
            left = bit * _SQUARE_PX
            image[:_SQUARE_PX, left : left + _SQUARE_PX] = 255 * (number >> bit & 1)
        yield image


def number_of(image: Image) -> int:
    """Read a picture's number, at any size."""
    side = _SQUARE_PX * image.shape[1] / _WIDE[0]
    middles = [(round(side / 2), round((bit + 0.5) * side)) for bit in range(_BITS)]
    return sum(int(image[row, column].mean() > _GREY) << bit for bit, (row, column) in enumerate(middles))


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a frame was given: numbers of pictures, and when it believes that its own was taken.

    Attributes:
        previous: the frame before.
        frame: the frame.
        picture: the main stream's picture.
        passed_s: from the frame before to the frame, seconds.
        before_s: from the picture to the frame, seconds, as the source says.
    """

    previous: int
    frame: int
    picture: int
    passed_s: float
    before_s: float

    @property
    def apart_s(self) -> float:
        """From the picture to the frame, seconds, by their numbers; the clip plays in a loop."""
        half = _PICTURES // 2
        return ((self.frame - self.picture + half) % _PICTURES - half) / _FPS


def given(main: Path, sub: Path, late_ms: int, seconds: float, *, clock: bool) -> tuple[list[Given], float]:
    """Return what the frames were given, and the share of them that were given anything."""
    asked, found = 0, []
    with ExitStack() as stack:
        server = stack.enter_context(RtspServer(main, "--sub", str(sub), "--late", str(late_ms / 1000)))
        if not clock:
            stack.enter_context(mock.patch.object(CameraClock, "read_s", return_value=None))
        camera = CameraConfig(id="door", source=server.address, detect_source=server.sub_address)
        sources = LiveSources(CaptureConfig(), DetailConfig(), time.time, lambda *_: None)
        main_stream = sources.open_main(camera, lambda _: None)
        stack.callback(main_stream.close)
        threading.Thread(target=lambda: list(main_stream.frames()), daemon=True).start()
        source = sources.open(camera, lambda _: None)
        stack.callback(source.close)
        began_s = time.monotonic()
        for before, frame in itertools.pairwise(source.frames()):
            frame.detail.want()
            time.sleep(_DETECTOR_S)
            if time.monotonic() - began_s < _BEGUN_S:
                continue
            asked += 1
            if (larger := frame.detail.picture()) is not None:
                numbers = [number_of(image) for image in (before.image, frame.image, larger.image)]
                passed_s = frame.captured_at_s - before.captured_at_s
                found.append(
                    Given(
                        previous=numbers[0],
                        frame=numbers[1],
                        picture=numbers[2],
                        passed_s=passed_s,
                        before_s=larger.before_s,
                    )
                )
            if time.monotonic() - began_s > _BEGUN_S + seconds:
                break
    return found, len(found) / asked


class Truth:
    """Where the demo's customers are, at any time."""

    def __init__(self) -> None:
        truth = json.loads(BUSY.with_suffix(".truth.json").read_text(encoding="utf-8"))
        self._scale = _WIDE[0] / truth["size"][0]
        self._people = [np.array(one["boxes"], float) for one in truth["people"] if one["role"] == "customer"]

    def at(self, number: int) -> list[Boxes | None]:
        """Return each person's box, pixels at 1920x1080, or None, in a picture of this number."""
        at = number * _SCENE_FPS / _FPS
        return [self._box(boxes, at) for boxes in self._people]

    def _box(self, boxes: Boxes, at: float) -> Boxes | None:
        row = int(np.searchsorted(boxes[:, 0], at, side="right")) - 1
        if row < 0 or row + 1 >= len(boxes) or boxes[row + 1, 0] - boxes[row, 0] != 1:
            return None
        share = at - boxes[row, 0]
        return np.asarray((boxes[row, 1:] * (1 - share) + boxes[row + 1, 1:] * share) * self._scale)


def compared(truth: Truth, found: list[Given]) -> Boxes:
    """Return, by person and frame, how a box meets the person in the picture, first as it is and then as it is placed.

    Each time: share of the width that it is aside, IoU, share of the person within the crop.
    """
    rows = []
    for one in found:
        for boxes in zip(truth.at(one.previous), truth.at(one.frame), truth.at(one.picture), strict=True):
            previous, box, person = boxes
            if box is not None and person is not None and _read(box):
                rows.append([*_met(box, person), *_met(_placed(one, previous, box), person)])
    return np.array(rows).reshape(-1, 6)


def _placed(one: Given, previous: Boxes | None, box: Boxes) -> Boxes:
    """Return the box where the cropper puts it."""
    image = np.broadcast_to(np.uint8(0), (*_WIDE[::-1], 3))
    tracks = Tracks(
        frame=Frame(camera_id="door", seq=0, captured_at_s=one.passed_s, image=image),
        ids=np.array([1]),
        boxes_xyxy=box[None].astype(np.float32),
        scores=np.ones(1, np.float32),
        colours=np.zeros((1, 1), np.float32),
    )
    before = (0.0, {} if previous is None else {1: previous.astype(np.float32)})
    return placed(tracks, 0, before, LargerPicture(image=image, before_s=one.before_s))


def _met(box: Boxes, person: Boxes) -> tuple[float, float, float]:
    margin = np.tile((box[2:] - box[:2]) * CroppingConfig().margin, 2) * (-1, -1, 1, 1)
    return (
        abs(box[0] + box[2] - person[0] - person[2]) / 2 / (person[2] - person[0]),
        _shared(box, person) / (_area(box) + _area(person) - _shared(box, person)),
        _shared(box + margin, person) / _area(person),
    )


def _read(box: Boxes) -> bool:
    inside = box[:2].min() > _EDGE_PX and (_WIDE - box[2:]).min() > _EDGE_PX
    return bool(inside and box[3] - box[1] >= CroppingConfig().min_height_px)


def _area(box: Boxes) -> float:
    return float(np.prod(box[2:] - box[:2]))


def _shared(one: Boxes, other: Boxes) -> float:
    return float(np.prod(np.maximum(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0)))


def skew_table(folder: Path, seconds: float) -> str:
    """Measure with and without the camera's clock, with a main stream that comes late by more and more."""
    main = write(folder / "numbered.mp4", numbered(list(pictures(BUSY, _PICTURES))), _FPS)
    sub, truth, rows = sub_stream(folder, main), Truth(), []
    for late_ms in _LATE_MS:
        for clock in (True, False):
            found, share = given(main, sub, late_ms, seconds, clock=clock)
            apart = percentiles(abs(one.apart_s) for one in found)
            wrong = percentiles(abs(one.apart_s - one.before_s) for one in found)
            name = "camera's" if clock else "arrival"
            rows.append([late_ms, name, f"{share:.0%}", apart, wrong, *_cells(compared(truth, found))])
    header = ["main stream late, ms", "clock", "given", "pictures apart, ms: p50 / p95 / p99", "error of that, ms"]
    for how in ("as it is", "as placed"):
        header += [f"box {how}, aside, of the width: p50 / p95", "IoU: p50 / p5", "person within the crop: p50 / p5"]
    return table(header, rows)


def _cells(rows: Boxes) -> list[str]:
    """Return how far off the boxes are: at the median, and what the worst twentieth exceeds."""
    if not len(rows):
        return ["-"] * rows.shape[1]
    forms = (("{:.0%}", 95), ("{:.2f}", 5), ("{:.0%}", 5))
    return [
        " / ".join(form.format(value) for value in np.percentile(column, (50, worst)))
        for column, (form, worst) in zip(rows.T, forms * 2, strict=True)
    ]
