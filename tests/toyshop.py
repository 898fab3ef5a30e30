"""A shop in which people are coloured rectangles: networks that find and read them without any weights.

It drives everything around the networks (capture, threads, visits, rules, sinks, command line) on real video in
milliseconds, with a truth that is known by construction.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from footage import write_clip

from vestibule.classifiers.readings import to_readings
from vestibule.config import Settings
from vestibule.detectors.letterboxed import LetterboxedDetector
from vestibule.sections import CameraConfig
from vestibule.stages import Models, Stages, build_stages
from vestibule.types import CropBatch, Detections, Frame, Reading
from vestibule_models.artifact import DetectorManifest, GarmentManifest, InputSpec, ModelFile, Thresholds
from vestibule_models.labels import LABELS, GarmentLabel

Image = npt.NDArray[np.uint8]

HUES = {"Dress": 0, "Blazer": 120, "Jeans": 60}
"""OpenCV hue (0-179) of the rectangle of somebody who wears it."""
WIDTH, HEIGHT, FPS = 400, 240, 10

_FILES = {"toy.bin": ModelFile(sha256="0" * 64, bytes=1)}

DETECTOR = DetectorManifest(
    schema_version=1,
    kind="person-detector",
    name="toy-detector",
    version="1",
    input=InputSpec(height=HEIGHT, width=WIDTH, colour="bgr", dtype="uint8", resize="letterbox-top-left"),
    files=_FILES,
    decoder="yolox",
    classes=1,
    person_class=0,
)
CLASSIFIER = GarmentManifest(
    schema_version=1,
    kind="garment-classifier",
    name="toy-classifier",
    version="1",
    input=InputSpec(height=64, width=32, colour="rgb", dtype="uint8", resize="letterbox-centre"),
    files=_FILES,
    labels=LABELS,
    embedding_size=len(LABELS),
    same_person_distance=0.2,
    thresholds={
        label: Thresholds(positives=40, likely=None if label is GarmentLabel.ROMPER else 0.5, certain=0.95)
        for label in LABELS
    },
)


class ToyDetector:
    """Finds rectangles of full colour."""

    manifest = DETECTOR
    runtime = "toy"

    def detect(self, frame: Frame) -> Detections:
        hsv = cv2.cvtColor(frame.image, cv2.COLOR_BGR2HSV)
        _, _, stats, _ = cv2.connectedComponentsWithStats((hsv[..., 1] > 120).astype(np.uint8))
        large = [s for s in stats[1:] if s[cv2.CC_STAT_AREA] > 100]
        boxes = [[s[0], s[1], s[0] + s[2], s[1] + s[3]] for s in large]
        return Detections(
            frame=frame,
            boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
            scores=np.full(len(boxes), 0.9, np.float32),
        )


class ToyBatchDetector(ToyDetector):
    """Takes four frames in one go.

    Attributes:
        goes: the cameras whose frames it was given together.
    """

    most_frames = 4

    def __init__(self) -> None:
        self.goes: list[list[str]] = []

    def detect(self, frame: Frame) -> Detections:
        self.goes.append([frame.camera_id])
        return super().detect(frame)

    def detect_all(self, frames: Sequence[Frame]) -> list[Detections]:
        self.goes.append([frame.camera_id for frame in frames])
        return [super(ToyBatchDetector, self).detect(frame) for frame in frames]


class ToyNetwork:
    """Finds the same rectangles in a picture of any width, as a network of 352x192 does.

    Attributes:
        pixels: that it was given.
        widths: of the pictures.
    """

    runtime, most_frames, is_resizable = "toy", 1, True

    def __init__(self) -> None:
        self.pixels, self.widths = 0, Counter[int]()

    def infer(self, tensor: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return (1, 5, N) as the decoder yolov8 wants it."""
        self.pixels += tensor.shape[1] * tensor.shape[2]
        self.widths[tensor.shape[2]] += 1
        hsv = cv2.cvtColor(tensor[0], cv2.COLOR_BGR2HSV)
        _, _, stats, _ = cv2.connectedComponentsWithStats((hsv[..., 1] > 120).astype(np.uint8))
        large = [s for s in stats[1:] if s[cv2.CC_STAT_AREA] > 30]
        rows = [[s[0] + s[2] / 2, s[1] + s[3] / 2, s[2], s[3], 0.9] for s in large]
        return np.array(rows, np.float32).reshape(-1, 5).T[np.newaxis]


def toy_region_detector(network: ToyNetwork) -> LetterboxedDetector:
    """A detector that can look at regions."""
    spec = InputSpec(height=192, width=352, colour="bgr", dtype="uint8", resize="letterbox-top-left")
    manifest = DETECTOR.model_copy(update={"input": spec, "decoder": "yolov8", "resizable": 32})
    return LetterboxedDetector(network, Path("toy"), manifest, score_threshold=0.3, nms_iou=0.5)


class ToyClassifier:
    """Reads the hue in the middle."""

    manifest = CLASSIFIER
    runtime = "toy"

    def classify(self, batch: CropBatch) -> tuple[Reading, ...]:
        probs = np.full((len(batch.crops), len(LABELS)), 0.05, np.float32)
        for row, image in zip(probs, batch.images, strict=True):
            hue = int(np.median(cv2.cvtColor(image[28:36, 12:20], cv2.COLOR_RGB2HSV)[..., 0]))
            nearest = min(HUES, key=lambda name: min(abs(HUES[name] - hue), 180 - abs(HUES[name] - hue)))
            row[LABELS.index(GarmentLabel(nearest))] = 0.9
        return to_readings(batch, probs, probs / np.linalg.norm(probs, axis=1, keepdims=True))


def toy_models() -> Models:
    return Models(detector=ToyDetector(), classifier=ToyClassifier())


def toy_stages(*cameras: CameraConfig, models: Models | None = None) -> Stages:
    return build_stages(Settings(cameras=cameras), cameras, models or toy_models())


def picture(people: Sequence[tuple[str, float, float]], width: int = WIDTH, height: int = HEIGHT) -> Image:
    """Draw people (garment, centre x, feet y as fractions) half as high as the frame. uint8 (H, W, 3) BGR."""
    image = np.full((height, width, 3), 128, np.uint8)
    image[::4] = 110
    for garment, x, feet in people:
        hsv = np.array([[[HUES[garment], 255, 220]]], np.uint8)
        colour = tuple(int(v) for v in cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0])
        left, right = round((x - 0.06) * width), round((x + 0.06) * width)
        top, bottom = round((feet - 0.5) * height), round(feet * height)
        cv2.rectangle(image, (left, top), (right, bottom), colour, cv2.FILLED)
        cv2.rectangle(image, (left + 4, top + 4), (right - 4, top + 10), (0, 0, 0), cv2.FILLED)  # sharp edges
        cv2.rectangle(image, (left + 4, bottom - 10), (right - 4, bottom - 4), (0, 0, 0), cv2.FILLED)
    return image


def crossing(
    garment: str, begin_s: float, *, seconds: float = 4.0
) -> Callable[[float], list[tuple[str, float, float]]]:
    """Somebody who walks from the left to the right."""

    def at(t: float) -> list[tuple[str, float, float]]:
        share = (t - begin_s) / seconds
        return [(garment, 0.1 + 0.8 * share, 0.8)] if 0 <= share <= 1 else []

    return at


def pictures(seconds: float, *walks: Callable[[float], list[tuple[str, float, float]]]) -> Iterator[Image]:
    for number in range(round(seconds * FPS)):
        yield picture([person for walk in walks for person in walk(number / FPS)])


def clip(path: Path, seconds: float, *walks: Callable[[float], list[tuple[str, float, float]]]) -> Path:
    return write_clip(path, pictures(seconds, *walks), fps=FPS)


def frames(
    seconds: float, *walks: Callable[[float], list[tuple[str, float, float]]], camera: str = "door"
) -> Iterator[Frame]:
    for number, image in enumerate(pictures(seconds, *walks)):
        yield Frame(camera_id=camera, seq=number, captured_at_s=number / FPS, image=image)
