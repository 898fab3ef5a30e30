"""Measure person detectors on pictures with labelled people: a model folder, others beside it, OpenCV's HOG."""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vestibule_models.artifact import ArtifactError, DetectorManifest, load_manifest, model_path
from vestibule_models.as_json import as_json
from vestibule_models.calibration import Interval
from vestibule_models.dataset import read_sprites
from vestibule_models.fairness import Fairness, Find, garments_csv, measure_persons
from vestibule_models.persons_decode import Bytes, Floats, cells, letterbox, read_people, suppress, to_tensor
from vestibule_models.persons_empty import ROOMS, Empty, drawn_rooms, furnished_rooms, look_for_nobody
from vestibule_models.persons_frames import EVERYDAY, FRAMES, read_sets
from vestibule_models.persons_metrics import HEIGHTS_PX, Matched, figures, intervals, match, within
from vestibule_models.persons_sources import Photo, find_places

LOWEST_SCORE = 0.02
"""Curves are drawn from here on."""
LOWEST_TIMED_SCORE = 0.1
"""Times are those of a daemon, which passes over fainter boxes (`tracking.low_score`)."""
COMPARED_WIDTH_PX = 640
"""Pictures count as so wide when heights of people are told."""
HOG = "HOG, 640 wide"
_HOG_MARGIN, _HOG_INSIDE = np.array([0.1, 0.06]), np.array([0.8, 0.9])
"""HOG's windows are larger than people; OpenCV's example peopledetect.cpp shrinks them so (AP50 0.36 against 0.12)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a detector finds of one set of pictures, or of the people of some height in them.

    Attributes:
        pictures: how many.
        people: labelled, but for those who count neither way.
        ap50: average precision at IoU 0.5.
        recall_at_p90: best recall at a precision of 0.9 or more.
        recall_at_1_fppi: best recall with no more false boxes than pictures.
    """

    pictures: int
    people: int
    ap50: Interval
    recall_at_p90: Interval
    recall_at_1_fppi: Interval


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detected:
    """One detector's figures.

    Attributes:
        name: of the model, or `HOG`.
        cpu_ms: of a 640x360 frame on one thread.
        sets: by the set's name.
        by_height: set -> range of heights -> figures; ranges without people are left out.
        frames: the boxes of each set's pictures, compared with their people.
    """

    name: str
    cpu_ms: float
    sets: dict[str, Found]
    by_height: dict[str, dict[str, Found]]
    frames: dict[str, list[Matched]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PersonReport:
    """All that one run of `evaluate` found.

    Attributes:
        manifest: of the model.
        data: name of the folder; empty where only rendered people were looked at.
        split: of the photos: the one that was asked for, or `all`.
        detectors: the model first, then what it is compared with.
        photos: the pictures of each set.
        empty: pictures that show nobody, by their kind.
        fairness: by women and men, and by group, on rendered people.
    """

    manifest: DetectorManifest
    data: str
    split: str
    detectors: tuple[Detected, ...]
    photos: dict[str, list[Photo]]
    empty: dict[str, Empty]
    fairness: tuple[Fairness, ...]


def evaluate(args: argparse.Namespace) -> PersonReport:
    """Run everything that was asked for.

    Raises:
        ArtifactError: a model or the data cannot be used.
    """
    cv2.setNumThreads(1)
    manifest = load_detector(args.model).resized(*args.input_size) if args.input_size else load_detector(args.model)
    finds, timed = (
        {
            manifest.name: network_of(args.model, input_wh=args.input_size, lowest_score=lowest),
            **{load_detector(folder).name: network_of(folder, lowest_score=lowest) for folder in args.against},
            **({} if args.no_hog else {HOG: find_with_hog}),
        }
        for lowest in (LOWEST_SCORE, LOWEST_TIMED_SCORE)
    )
    sets = read_sets(args.data, args.split) if args.data else {}
    sprites = read_sprites(args.sprites, garments_csv(args.avatars)) if args.sprites else []
    find = finds[manifest.name]
    return PersonReport(
        manifest=manifest,
        data=args.data.resolve().name if args.data else "",
        split=args.split or "all",
        detectors=tuple(
            detect_all(name, finds[name], sets, cpu_ms=milliseconds(timed[name]), seed=args.seed) for name in finds
        )
        if sets
        else (),
        photos=sets,
        empty=look_at_empty(find, manifest.score_threshold, sets, seed=args.seed) if sets else {},
        fairness=measure_persons(find, manifest.score_threshold, sprites, rooms=args.rooms, seed=args.seed)
        if sprites
        else (),
    )


def detect_all(name: str, find: Find, sets: dict[str, list[Photo]], *, cpu_ms: float, seed: int = 0) -> Detected:
    """Run one detector over all sets."""
    frames = {pictures: compare(find, photos) for pictures, photos in sets.items()}
    ranges = {
        pictures: {
            height: [within(frame, low, high) for frame in matched] for height, (low, high) in HEIGHTS_PX.items()
        }
        for pictures, matched in frames.items()
    }
    return Detected(
        name=name,
        cpu_ms=cpu_ms,
        sets={pictures: sum_up(matched, seed=seed) for pictures, matched in frames.items()},
        by_height={
            pictures: {
                height: sum_up(matched, seed=seed)
                for height, matched in heights.items()
                if any(frame.people for frame in matched)
            }
            for pictures, heights in ranges.items()
        },
        frames=frames,
    )


def look_at_empty(find: Find, threshold: float, sets: dict[str, list[Photo]], *, seed: int = 0) -> dict[str, Empty]:
    """Look for people in drawn rooms and in windows of the everyday photos that miss everybody."""
    windows = find_places(sets.get(EVERYDAY, []), np.random.default_rng(seed))
    looked = {
        "drawn rooms": look_for_nobody(find, drawn_rooms(ROOMS, seed), threshold),
        "the same with posters and reflections": look_for_nobody(find, furnished_rooms(ROOMS, seed), threshold),
        "windows of everyday photos": look_for_nobody(find, windows, threshold),
    }
    return {kind: empty for kind, empty in looked.items() if empty}


def sum_up(frames: list[Matched], *, seed: int = 0) -> Found:
    """Return the figures of some frames with their intervals."""
    value, ends = figures(frames), intervals(frames, np.random.default_rng(seed))

    def interval(name: str) -> Interval:
        return Interval(value=getattr(value, name), low=ends[name][0], high=ends[name][1])

    return Found(
        pictures=len(frames),
        people=value.people,
        ap50=interval("ap50"),
        recall_at_p90=interval("recall_at_p90"),
        recall_at_1_fppi=interval("recall_at_1_fppi"),
    )


def compare(find: Find, photos: list[Photo]) -> list[Matched]:
    """Run a detector over pictures; heights are those of pictures 640 pixels wide."""
    frames = []
    for photo in photos:
        boxes, scores = find(photo.image)
        scale = np.float32(COMPARED_WIDTH_PX / photo.image.shape[1])
        frames.append(match(boxes * scale, scores, photo.people * scale, photo.ignore * scale))
    return frames


def to_json(report: PersonReport) -> dict[str, Any]:
    """Return plain values: the model's figures on the labelled frames on top, everything by set below."""
    found: dict[str, Any] = {
        "model": report.manifest.name,
        "version": report.manifest.version,
        "kind": report.manifest.kind,
        "data": report.data,
        "split": report.split,
        "score_threshold": report.manifest.score_threshold,
    }
    if report.detectors:
        mine = report.detectors[0]
        head = mine.sets.get(FRAMES)
        found |= {
            "ap50": head.ap50 if head else None,
            "recall_at_p90": head.recall_at_p90 if head else None,
            "recall_at_1_fppi": head.recall_at_1_fppi if head else None,
            "cpu_ms": mine.cpu_ms,
            "empty": report.empty,
            "detectors": {
                each.name: {"cpu_ms": each.cpu_ms, "per_set": each.sets, "by_height": each.by_height}
                for each in report.detectors
            },
        }
    if report.fairness:
        found["fairness"] = report.fairness
    plain: dict[str, Any] = as_json(found)
    return plain


def load_detector(folder: Path) -> DetectorManifest:
    """Read a model folder's manifest.

    Raises:
        ArtifactError: the folder holds no person detector.
    """
    manifest = load_manifest(folder)
    if not isinstance(manifest, DetectorManifest):
        raise ArtifactError(f"model folder {folder} holds a {manifest.kind}, not a person detector")
    return manifest


def network_of(
    folder: Path,
    *,
    nms_iou: float = 0.5,
    input_wh: tuple[int, int] | None = None,
    lowest_score: float = LOWEST_SCORE,
) -> Find:
    """Run a model folder as the daemon does: .tflite on LiteRT, .onnx on OpenCV, one thread.

    Args:
        folder: of the model.
        nms_iou: of two boxes that overlap more, the lower score goes.
        input_wh: width and height of the input, pixels; the manifest's if absent.
        lowest_score: fainter boxes are passed over.

    Raises:
        ArtifactError: the folder holds no person detector, is damaged, or does not take that input.
    """
    manifest = load_detector(folder)
    manifest = manifest.resized(*input_wh) if input_wh else manifest
    infer = _litert(folder, manifest) if _has(manifest, ".tflite") else _opencv(folder, manifest)
    grid = cells(manifest.input, manifest.strides)

    def find(image: Bytes) -> tuple[Floats, Floats]:
        canvas, placement = letterbox(image, manifest.input, by_halves=True)
        output = infer(to_tensor(canvas, manifest.input))
        return read_people(output, manifest, grid, placement, score_threshold=lowest_score, nms_iou=nms_iou)

    return find


def _has(manifest: DetectorManifest, suffix: str) -> bool:
    return any(name.endswith(suffix) for name in manifest.files)


def _litert(folder: Path, manifest: DetectorManifest) -> Callable[[Bytes | Floats], Floats]:
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - a folder of ONNX does without

    interpreter = Interpreter(model_path=str(model_path(folder, manifest, ".tflite")), num_threads=1)
    put, get = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    sides = (manifest.input.height, manifest.input.width)
    interpreter.resize_tensor_input(put, (1, *sides, 3) if manifest.input.layout == "nhwc" else (1, 3, *sides))
    interpreter.allocate_tensors()

    def infer(tensor: Bytes | Floats) -> Floats:
        interpreter.set_tensor(put, tensor)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(get), np.float32)

    return infer


def _opencv(folder: Path, manifest: DetectorManifest) -> Callable[[Bytes | Floats], Floats]:
    net = cv2.dnn.readNetFromONNX(str(model_path(folder, manifest, ".onnx")))

    def infer(tensor: Bytes | Floats) -> Floats:
        net.setInput(tensor)
        return np.asarray(net.forward(), np.float32)

    return infer


def find_with_hog(image: Bytes) -> tuple[Floats, Floats]:
    """OpenCV's people detector (Dalal and Triggs 2005) on a picture made 640 pixels wide: the baseline."""
    hog = cv2.HOGDescriptor()
    hog.setSVMDetector(np.asarray(cv2.HOGDescriptor.getDefaultPeopleDetector(), np.float32))
    scale = 640 / image.shape[1]
    resized = cv2.resize(image, (640, max(128, round(image.shape[0] * scale))), interpolation=cv2.INTER_AREA)
    found, weights = hog.detectMultiScale(resized, winStride=(8, 8), scale=1.05)
    rects = np.asarray(found, np.float32).reshape(-1, 4)
    scores = np.asarray(weights, np.float32).reshape(-1)
    low = rects[:, :2] + rects[:, 2:] * _HOG_MARGIN
    corners = np.concatenate([low, low + rects[:, 2:] * _HOG_INSIDE], axis=1)
    boxes = np.asarray(corners / scale, np.float32)
    kept = suppress(boxes, scores, iou=0.5)
    return boxes[kept], scores[kept]


def milliseconds(find: Find, times: int = 40) -> float:
    """Median CPU time of one 640x360 frame, on one thread, after a few to warm up.

    CPU time, not time on the clock: on one thread they are the same, and other programs do not disturb it.
    """
    noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3), dtype=np.uint8)
    spent = []
    for _ in range(times):
        start = time.process_time()
        find(noise)
        spent.append(time.process_time() - start)
    return float(np.median(spent[5:])) * 1000
