"""Measures person detectors: the shipped one, HOG, any model folder; on labelled frames and on photos."""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from vestibule_models.artifact import ZOO, ArtifactError, DetectorManifest, load_manifest, model_path
from vestibule_models.persons_decode import Bytes, Floats, cells, letterbox, read_people, suppress, to_tensor
from vestibule_models.persons_metrics import Figures, Matched, figures, intervals, match
from vestibule_models.persons_sources import Photo, load_photos

Find = Callable[[Bytes], tuple[Floats, Floats]]
"""uint8 (H, W, 3) BGR -> boxes xyxy float32 (N, 4) in its pixels, scores float32 (N,)."""

LOWEST_SCORE = 0.02
"""Curves are drawn from here on."""
_CLIPS = {"onebyone": "one-by-one-person-detection.mp4", "worker-zone-detection": "worker-zone-detection.gif"}
_SMALLEST_SHARE = 0.1
"""Of the photo's height: smaller people count neither way; none in a shop is."""
_HOG_MARGIN, _HOG_INSIDE = np.array([0.1, 0.06]), np.array([0.8, 0.9])
"""HOG's windows are larger than people; OpenCV's example peopledetect.cpp shrinks them so (AP50 0.36 against 0.12)."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vestibule-models evaluate persons`."""
    parser.add_argument("--data", type=Path, required=True, help="folder of clips and persons-v1")
    parser.add_argument(
        "--model", type=Path, action="append", help="model folder; may be repeated (default: the shipped one)"
    )
    parser.add_argument("--no-hog", action="store_true", help="leave OpenCV's HOG detector out")
    parser.add_argument("--no-photos", action="store_true", help="only the labelled frames")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Print a table: one row for each detector and set of pictures."""
    cv2.setNumThreads(1)
    detectors: dict[str, Find] = {}
    for folder in args.model or [ZOO / "person-mobilenet"]:
        detectors[folder.name] = network_of(folder)
    if not args.no_hog:
        detectors["HOG, 640 wide"] = find_with_hog
    sets = {"labelled frames": labelled_frames(args.data / "clips" / "real")}
    if not args.no_photos:
        sets["composed clips"] = clip_frames(args.data / "clips")
        photos = load_photos(args.data / "persons-v1", "test")
        sets["photos, everyday"] = [large_only(photo) for photo in photos if photo.source.startswith("coco")]
        sets["photos, street"] = [alone(photo) for photo in photos if photo.source == "ccp" and len(photo.people)]
    _say(
        "| detector | pictures | people | recall at precision 0.9 | AP50 | CPU ms a frame |\n|---|---|---|---|---|---|"
    )
    for name, find in detectors.items():
        spent_ms = milliseconds(find)
        for pictures, photos in sets.items():
            frames = compare(find, photos)
            ranges = intervals(frames, np.random.default_rng(args.seed))
            _say(row(name, pictures, figures(frames), ranges, spent_ms))
    return 0


def row(name: str, pictures: str, found: Figures, ranges: dict[str, tuple[float, float]], spent_ms: float) -> str:
    """One line of the table."""
    cells_ = [
        f"{getattr(found, key):.2f} ({low:.2f} to {high:.2f})"
        for key, (low, high) in ((key, ranges[key]) for key in ("recall_at_p90", "ap50"))
    ]
    return f"| {name} | {pictures} | {found.people} | {cells_[0]} | {cells_[1]} | {spent_ms:.1f} |"


def compare(find: Find, photos: list[Photo]) -> list[Matched]:
    """Run a detector over pictures."""
    return [match(*find(photo.image), photo.people, photo.ignore) for photo in photos]


def network_of(folder: Path, *, nms_iou: float = 0.5) -> Find:
    """Run a model folder as the daemon does: .tflite on LiteRT, .onnx on OpenCV, one thread.

    Raises:
        ArtifactError: the folder holds no person detector, or is damaged.
    """
    manifest = load_manifest(folder)
    if not isinstance(manifest, DetectorManifest):
        raise ArtifactError(f"model folder {folder} holds a {manifest.kind}, not a person detector")
    infer = _litert(folder, manifest) if _has(manifest, ".tflite") else _opencv(folder, manifest)
    grid = cells(manifest.input, manifest.strides)

    def find(image: Bytes) -> tuple[Floats, Floats]:
        canvas, placement = letterbox(image, manifest.input)
        output = infer(to_tensor(canvas, manifest.input))
        return read_people(output, manifest, grid, placement, score_threshold=LOWEST_SCORE, nms_iou=nms_iou)

    return find


def _has(manifest: DetectorManifest, suffix: str) -> bool:
    return any(name.endswith(suffix) for name in manifest.files)


def _litert(folder: Path, manifest: DetectorManifest) -> Callable[[Bytes | Floats], Floats]:
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - a folder of ONNX does without

    interpreter = Interpreter(model_path=str(model_path(folder, manifest, ".tflite")), num_threads=1)
    interpreter.allocate_tensors()
    put, get = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

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


def labelled_frames(folder: Path) -> list[Photo]:
    """Read the frames of the real clips that people have labelled; frames are counted from 0 as decoded."""
    labels = json.loads((folder / "boxes.json").read_text(encoding="utf-8"))
    photos = []
    for key, clip in _CLIPS.items():
        wanted = {int(name.rsplit("_", 1)[1].split(".")[0]): name for name in labels if name.startswith(f"{key}_")}
        capture = cv2.VideoCapture(str(folder / clip))
        for number in range(max(wanted) + 1):
            read, image = capture.read()
            if not read:
                raise FileNotFoundError(2, f"ends before frame {number}", str(folder / clip))
            if number in wanted:
                label = labels[wanted[number]]
                photos.append(
                    Photo(
                        name=wanted[number],
                        source=key,
                        image=np.asarray(image, np.uint8),
                        people=np.array(label["boxes"], np.float32).reshape(-1, 4),
                        ignore=np.array(label["ignore"], np.float32).reshape(-1, 4),
                    )
                )
        capture.release()
    return photos


def clip_frames(folder: Path, *, apart_s: float = 2.0) -> list[Photo]:
    """Read frames of the clips that were composed with complete truth, some seconds apart."""
    photos = []
    for path in sorted(folder.glob("*.truth.json")):
        truth = json.loads(path.read_text(encoding="utf-8"))
        capture = cv2.VideoCapture(str(folder / truth["clip"]))
        every = max(1, round(truth["fps"] * apart_s))
        for number in range(truth["frames"]):
            if not capture.grab():
                raise FileNotFoundError(2, f"ends before frame {number}", str(folder / truth["clip"]))
            if number % every:
                continue
            image = np.asarray(capture.retrieve()[1], np.uint8)
            rows = [box[1:] for person in truth["people"] for box in person["boxes"] if box[0] == number]
            people = np.array(rows, np.float32).reshape(-1, 4)
            nobody = np.zeros((0, 4), np.float32)
            photos.append(
                Photo(name=f"{path.stem}_{number}", source=path.stem, image=image, people=people, ignore=nobody)
            )
        capture.release()
    return photos


def large_only(photo: Photo) -> Photo:
    """Let people under a tenth of the photo's height count neither way."""
    large = photo.people[:, 3] - photo.people[:, 1] >= _SMALLEST_SHARE * photo.image.shape[0]
    ignore = np.concatenate([photo.ignore, photo.people[~large]])
    return Photo(name=photo.name, source=photo.source, image=photo.image, people=photo.people[large], ignore=ignore)


def alone(photo: Photo) -> Photo:
    """Ask only for the largest person: passers-by behind are labelled unevenly, so they count neither way."""
    sizes = np.prod(photo.people[:, 2:] - photo.people[:, :2], axis=1)
    height, width = photo.image.shape[:2]
    return Photo(
        name=photo.name,
        source=photo.source,
        image=photo.image,
        people=photo.people[[int(np.argmax(sizes))]],
        ignore=np.array([[0, 0, width, height]], np.float32),
    )


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command's answer
