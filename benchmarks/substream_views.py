"""What crops out of the main stream give, on a clip made at 1920x1080: how tall they are and how they are read.

The detector sees every third picture, at 640x360 or as it is, and people are cut out of that or of the large one; the
main stream is in step and always there. *far* is the same scene shrunk to two fifths in the middle of a grey picture,
as of a camera with a wider lens. A reading's person is the one whom its track matches in most frames, see
`accuracy.py`. `substream.py` prints the table.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from accuracy import Watch, count_alerts, watch_of
from measuring import percentiles, table

from vestibule.config import Settings
from vestibule.inline import run_inline
from vestibule.replay import choose_camera
from vestibule.sources.replay import ReplaySource
from vestibule.stages import Models, build_stages, load_models
from vestibule.types import CropBatch, Frame, LargerPicture, Message, Reading, Tracks
from vestibule_models.labels import LABELS

_EVERY = 3
"""Of 25 pictures a second, as `capture.analysed_fps` does."""
_SMALL, _LARGE = (640, 360), (1920, 1080)
_FAR = 0.4
WAYS = ("sub-stream alone", "sub-stream, crops of the main stream", "main stream alone")


class _InStep:
    """A main stream's picture that is always there."""

    def __init__(self, image: npt.NDArray[np.uint8]) -> None:
        self._picture = LargerPicture(image=image, before_s=0.0)

    def want(self) -> None:
        """Nothing needs to be made ready."""

    def picture(self) -> LargerPicture:
        """Return it."""
        return self._picture


class _Noted:
    """The classifier; keeps what it said."""

    def __init__(self, models: Models) -> None:
        self._classifier = models.classifier
        self.manifest, self.runtime = models.classifier.manifest, models.classifier.runtime
        self.readings: list[Reading] = []

    def classify(self, batch: CropBatch) -> tuple[Reading, ...]:
        """Classify as it does."""
        readings = self._classifier.classify(batch)
        self.readings += readings
        return readings


def seen(clip: Path, way: str, share: float) -> Iterator[Frame]:
    """Yield the frames as a camera of one or two streams gives them, the scene in so large a part of the picture."""
    source = ReplaySource(clip, choose_camera(Settings(), None), 0.0)
    for frame in source.frames():
        if frame.seq % _EVERY:
            continue
        image = _shrunk(frame.image, share)
        small = np.asarray(cv2.resize(image, _SMALL, interpolation=cv2.INTER_AREA), np.uint8)
        match WAYS.index(way):
            case 0:
                yield replace(frame, image=small)
            case 1:
                yield replace(frame, image=small, detail=_InStep(image))
            case _:
                yield replace(frame, image=image)


def _shrunk(image: npt.NDArray[np.uint8], share: float) -> npt.NDArray[np.uint8]:
    if share == 1:
        return image
    canvas = np.full_like(image, 128)
    size = [round(share * side) for side in image.shape[:2]]
    top, left = ((whole - part) // 2 for whole, part in zip(image.shape, size, strict=False))
    canvas[top : top + size[0], left : left + size[1]] = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    return canvas


def read(clip: Path, way: str, share: float, models: Models) -> list[str]:
    """Run one way; return its row."""
    small, large = way != WAYS[2], way != WAYS[0]
    watch = _placed(watch_of(clip), share, _SMALL if small else _LARGE)
    noted, heights_px = _Noted(models), dict[tuple[int, float], float]()
    camera = choose_camera(Settings(), None)
    stages = build_stages(Settings(), (camera,), replace(models, classifier=noted))

    def observe(frame: Frame, tracks: Tracks, _: Sequence[Message]) -> None:
        watch.see(frame.seq, tracks)
        for track, box in zip(tracks.ids.tolist(), tracks.boxes_xyxy, strict=True):
            heights_px[track, frame.captured_at_s] = float(box[3] - box[1]) * (3 if small and large else 1)
            if visit := stages.desk.visit_of(camera.id, track):
                watch.visit_of[track] = visit.visit_id

    run_inline(seen(clip, way, share), stages, lambda m: watch.messages.append(json.loads(m.payload)), observe)
    heights = [heights_px[one.track_id, one.captured_at_s] for one in noted.readings]
    worn, absent = _answers(watch, noted.readings)
    alerts = count_alerts(watch)
    return [
        "near" if share == 1 else "far",
        way,
        str(len(noted.readings)),
        percentiles(heights, unit=1.0),
        f"{np.mean([one.quality for one in noted.readings]):.2f}" if heights else "-",
        f"{worn:.2f}",
        f"{absent:.3f}",
        f"{alerts['alerts right']} / {alerts['wrong']} / {alerts['alerts missed']}",
    ]


def _placed(watch: Watch, share: float, size: tuple[int, int]) -> Watch:
    """Put the true boxes to where the scene is in a picture of this size."""
    middle, scale = np.tile(_LARGE, 2) / 2, size[0] / _LARGE[0]
    for person in watch.people:
        person["frames"] = {
            seq: [[box[0], *(((np.array(box[1:]) - middle) * share + middle) * scale)] for box in boxes]
            for seq, boxes in person["frames"].items()
        }
    return watch


def _answers(watch: Watch, readings: Sequence[Reading]) -> tuple[float, float]:
    """Return the mean score of garments that are worn, and of those that are not; each person counts alike."""
    matches: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for (track, person), count in watch.matches.items():
        matches[track][person] += count
    by_person: defaultdict[int, list[npt.NDArray[np.float32]]] = defaultdict(list)
    for one in readings:
        if one.track_id in matches:
            by_person[matches[one.track_id].most_common(1)[0][0]].append(one.probs)
    worn, absent = [], []
    for person, probs in by_person.items():
        told = np.mean(probs, axis=0)
        names, unknown = watch.people[person]["garments"], watch.people[person]["garments_unknown"]
        worn += [float(told[index]) for index, label in enumerate(LABELS) if label in names]
        absent += [float(told[index]) for index, label in enumerate(LABELS) if label not in {*names, *unknown}]
    return (float(np.mean(worn)), float(np.mean(absent))) if worn else (float("nan"), float("nan"))


def views_table(data: Path | None) -> str:
    """Measure all ways on the composed clip."""
    if data is None:
        return "not measured: name the folder of the composed clips with --data or VESTIBULE_DATA"
    models = load_models(Settings())
    rows = [read(Path(data) / "clips" / "room-1080.mp4", way, share, models) for share in (1.0, _FAR) for way in WAYS]
    header = ["scene", "detector and crops", "crops read", "height, px: p50 / p95 / p99", "mean quality"]
    header += ["mean score of what is worn", "of what is not", "alerts right / wrong / missed"]
    return table(header, rows)
