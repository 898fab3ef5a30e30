"""Frames -> Detections: people found by a network, the shipped one or the user's own."""

from collections.abc import Sequence
from typing import Protocol, assert_never, runtime_checkable

from vestibule.cores import threads_of
from vestibule.detectors.letterboxed import LetterboxedDetector, Network, Runtime, load_detector_manifest, runtime_of
from vestibule.detectors.litert import LiteRtNetwork
from vestibule.detectors.opencv_dnn import OpenCvNetwork
from vestibule.errors import ModelError
from vestibule.gpu import demand_tensorflow, has_gpu
from vestibule.sections import DetectorConfig
from vestibule.types import Columns, Detections, Frame
from vestibule_models.artifact import ZOO, ArtifactError, DetectorManifest

SHIPPED = "person-mobilenet"


class Detector(Protocol):
    """Finds people. Not safe for use by several threads at once."""

    manifest: DetectorManifest
    runtime: str

    def detect(self, frame: Frame) -> Detections:
        """Return the people of one frame, best score first."""
        ...


@runtime_checkable
class BatchDetector(Detector, Protocol):
    """One that gains by looking at several frames together.

    Attributes:
        most_frames: so many that it takes in one go; 1 where it gains nothing.
    """

    most_frames: int

    def detect_all(self, frames: Sequence[Frame]) -> Sequence[Detections]:
        """Return the people of each frame, in their order; as `detect` would, but for rounding."""
        ...


@runtime_checkable
class RegionDetector(Detector, Protocol):
    """One that can look at some columns of a frame for less than at all of it."""

    def detect_region(self, frame: Frame, columns: Columns, known: Detections) -> Detections:
        """Return the people of one frame: of these columns or more as `detect` would, elsewhere as they are known."""
        ...


def build_detector(config: DetectorConfig) -> Detector:
    """Load a network and try it once.

    Raises:
        ModelError: the folder or a file is missing, damaged, of another format or of another shape than its manifest,
            does not take the size that is set, or the runtime is not installed.
    """
    folder = config.model or ZOO / SHIPPED
    manifest = load_detector_manifest(folder)
    runtime, path = runtime_of(folder, manifest, _wanted(config, manifest))
    try:
        sized = manifest if config.input_wh is None else manifest.resized(*config.input_wh)
    except ArtifactError as error:
        raise ModelError(f"detector.input_size: {error}") from error
    network: Network
    threads = threads_of(config.threads)
    match runtime:
        case "litert":
            network = LiteRtNetwork(path, manifest, threads=threads)
        case "opencv":
            network = OpenCvNetwork(path, threads=threads)
        case "tensorflow":
            demand_tensorflow("detector")
            from vestibule.detectors.tensorflow import TensorflowNetwork  # noqa: PLC0415 - loads its runtime

            network = TensorflowNetwork(
                path,
                sized.input,
                most_frames=config.max_frames,
                xla=config.xla,
                mixed_precision=config.mixed_precision,
            )
        case _:
            assert_never(runtime)
    threshold = manifest.score_threshold if config.score_threshold is None else config.score_threshold
    return LetterboxedDetector(network, path, sized, score_threshold=threshold, nms_iou=config.nms_iou)


def _wanted(config: DetectorConfig, manifest: DetectorManifest) -> Runtime | None:
    """Resolve `auto`: TensorFlow where it sees a GPU and the model has a file for it, else by the model's files."""
    if config.runtime != "auto":
        return config.runtime
    return "tensorflow" if any(name.endswith(".keras") for name in manifest.files) and has_gpu() else None
