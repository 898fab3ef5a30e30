"""Frames -> Detections: people found by a network, the shipped one or the user's own."""

from pathlib import Path
from typing import Protocol, assert_never

from pydantic import BaseModel, ConfigDict, Field

from vestibule.detectors.letterboxed import LetterboxedDetector, Network, load_detector_manifest, runtime_of
from vestibule.detectors.litert import LiteRtNetwork
from vestibule.detectors.opencv_dnn import OpenCvNetwork
from vestibule.types import Detections, Frame
from vestibule_models.artifact import ZOO

SHIPPED = "person-mobilenet"


class Detector(Protocol):
    """Finds people. Not safe for use by several threads at once."""

    def detect(self, frame: Frame) -> Detections:
        """Return the people of one frame, best score first."""
        ...


class DetectorConfig(BaseModel):
    """Which network finds people, and when it is believed.

    Attributes:
        model: a model folder (manifest.json and a .tflite or .onnx file); None is the one that ships.
        score_threshold: lowest score of a person; None takes the manifest's.
        nms_iou: two boxes that overlap by more than this are one person.
        threads: of the network; set for the whole process where it runs on OpenCV.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Path | None = None
    score_threshold: float | None = Field(default=None, gt=0, lt=1)
    nms_iou: float = Field(default=0.5, gt=0, lt=1)
    threads: int = Field(default=1, ge=1, le=64)


def build_detector(config: DetectorConfig) -> Detector:
    """Load a network and try it once.

    Raises:
        ModelError: the folder or a file is missing, damaged, of another format or of another shape than its manifest.
    """
    folder = config.model or ZOO / SHIPPED
    manifest = load_detector_manifest(folder)
    runtime, path = runtime_of(folder, manifest)
    network: Network
    match runtime:
        case "litert":
            network = LiteRtNetwork(path, manifest.input, threads=config.threads)
        case "opencv":
            network = OpenCvNetwork(path, threads=config.threads)
        case _:
            assert_never(runtime)
    threshold = manifest.score_threshold if config.score_threshold is None else config.score_threshold
    return LetterboxedDetector(network, path, manifest, score_threshold=threshold, nms_iou=config.nms_iou)
