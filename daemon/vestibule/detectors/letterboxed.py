"""The detector: letterbox, run a network, read its boxes. What runs the network is given to it."""

from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from vestibule.errors import ModelError
from vestibule.types import Detections, Frame
from vestibule_models.artifact import ArtifactError, DetectorManifest, load_manifest, model_path
from vestibule_models.persons_decode import Bytes, Floats, cells, letterbox, output_fault, read_people, to_tensor

Runtime = Literal["litert", "opencv"]


class Network(Protocol):
    """Runs one network on one picture."""

    def infer(self, tensor: Bytes | Floats) -> Floats:
        """Return the float32 output for an input of (1, ...); it is overwritten by the next call."""
        ...


def load_detector_manifest(folder: Path) -> DetectorManifest:
    """Read the manifest of a folder that must hold a person detector.

    Raises:
        ModelError: no readable manifest, or one of another kind of model.
    """
    try:
        manifest = load_manifest(folder)
    except ArtifactError as error:
        raise ModelError(str(error)) from error
    if not isinstance(manifest, DetectorManifest):
        raise ModelError(f"model {manifest.name} in {folder} is a {manifest.kind}; a person-detector is wanted here")
    spec = manifest.input
    if spec.dtype == "uint8" and (any(spec.mean) or spec.scale != 1.0):
        raise ModelError(
            f"model {manifest.name} in {folder}: a uint8 input is not scaled; remove mean and scale from the "
            "manifest, or set dtype to float32"
        )
    if manifest.person_class >= manifest.classes:
        raise ModelError(
            f"model {manifest.name} in {folder}: person_class {manifest.person_class} is not one of "
            f"{manifest.classes} classes (counted from 0)"
        )
    return manifest


def runtime_of(folder: Path, manifest: DetectorManifest) -> tuple[Runtime, Path]:
    """Choose what runs a model by its file: .tflite before .onnx.

    Raises:
        ModelError: neither is listed, or the file is missing or not the one it was.
    """
    choices: tuple[tuple[Runtime, str], ...] = (("litert", ".tflite"), ("opencv", ".onnx"))
    for runtime, suffix in choices:
        if any(name.endswith(suffix) for name in manifest.files):
            try:
                return runtime, model_path(folder, manifest, suffix)
            except ArtifactError as error:
                raise ModelError(str(error)) from error
    raise ModelError(
        f"model {manifest.name} in {folder} has only {sorted(manifest.files)}; a person detector is a .tflite file "
        "(run by LiteRT) or an .onnx file (run by OpenCV)"
    )


class LetterboxedDetector:
    """Finds people with any network whose output `vestibule_models.persons_decode` can read.

    Args:
        network: runs the network.
        path: its file, for messages.
        manifest: its input and output.
        score_threshold: lowest score of a person, 0 to 1.
        nms_iou: boxes that overlap by more are one person, 0 to 1.

    Raises:
        ModelError: a trial run gives an output of another shape than the manifest says.
    """

    def __init__(
        self, network: Network, path: Path, manifest: DetectorManifest, *, score_threshold: float, nms_iou: float
    ) -> None:
        self._network = network
        self.manifest = manifest
        self._grid = cells(manifest.input, manifest.strides)
        self._score_threshold = score_threshold
        self._nms_iou = nms_iou
        blank = np.full((manifest.input.height, manifest.input.width, 3), manifest.input.pad_value, np.uint8)
        if fault := output_fault(network.infer(to_tensor(blank, manifest.input)).shape, manifest):
            raise ModelError(f"model file {path}: {fault}; correct decoder, classes, strides or input of the manifest")

    def detect(self, frame: Frame) -> Detections:
        """Return the people of one frame of any size, best score first."""
        canvas, placement = letterbox(frame.image, self.manifest.input, by_halves=True)
        boxes, scores = read_people(
            self._network.infer(to_tensor(canvas, self.manifest.input)),
            self.manifest,
            self._grid,
            placement,
            score_threshold=self._score_threshold,
            nms_iou=self._nms_iou,
        )
        return Detections(frame=frame, boxes_xyxy=boxes, scores=scores)
