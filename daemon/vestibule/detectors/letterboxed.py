"""The detector: letterbox, run a network, read its boxes. What runs the network is given to it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from vestibule.detectors.regions import Region, choose, join, widths
from vestibule.errors import ModelError
from vestibule.types import Columns, Detections, Frame
from vestibule_models.artifact import ArtifactError, DetectorManifest, load_manifest, model_path
from vestibule_models.letterbox import Fitter, Placement, as_input
from vestibule_models.persons_decode import Bytes, Floats, cells, output_fault, read_people

Runtime = Literal["litert", "opencv", "tensorflow"]


class Network(Protocol):
    """Runs one network.

    Attributes:
        runtime: what runs it.
        most_frames: pictures that it takes in one go; 1 where it gains nothing by more.
        is_resizable: whether it takes narrower pictures too, for less.
    """

    runtime: str
    most_frames: int
    is_resizable: bool

    def infer(self, tensor: Bytes | Floats) -> Floats:
        """Return the float32 output (B, ...) for an input (B, ...), B from 1 to `most_frames`.

        The input is not kept, and the next call may overwrite the output.
        """
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


def runtime_of(folder: Path, manifest: DetectorManifest, wanted: Runtime | None = None) -> tuple[Runtime, Path]:
    """Choose what runs a model by its files: .tflite before .onnx before .keras.

    Args:
        folder: the model's.
        manifest: its.
        wanted: this runtime and no other.

    Raises:
        ModelError: no file for the runtime is listed, or the file is missing or not the one it was.
    """
    choices: tuple[tuple[Runtime, str], ...] = (("litert", ".tflite"), ("opencv", ".onnx"), ("tensorflow", ".keras"))
    for runtime, suffix in choices:
        if wanted in (None, runtime) and any(name.endswith(suffix) for name in manifest.files):
            try:
                return runtime, model_path(folder, manifest, suffix)
            except ArtifactError as error:
                raise ModelError(str(error)) from error
    asked = "" if wanted is None else f', and [detector] runtime = "{wanted}"'
    raise ModelError(
        f"model {manifest.name} in {folder} has only {sorted(manifest.files)}{asked}; a person detector is a "
        ".tflite file (run by LiteRT), an .onnx file (run by OpenCV) or a .keras file (run by TensorFlow)"
    )


class LetterboxedDetector:
    """Finds people with any network whose output `vestibule_models.persons_decode` can read.

    Args:
        network: runs the network.
        path: its file, for messages.
        manifest: its input and output.
        score_threshold: lowest score of a person, 0 to 1.
        nms_iou: boxes that overlap by more are one person, 0 to 1.

    Attributes:
        runtime: the network's.
        most_frames: the network's.

    Raises:
        ModelError: a trial run gives an output of another shape than the manifest says.
    """

    def __init__(
        self, network: Network, path: Path, manifest: DetectorManifest, *, score_threshold: float, nms_iou: float
    ) -> None:
        self._network = network
        self.manifest = manifest
        self._believed = manifest.score_threshold
        self._score_threshold = score_threshold
        self._nms_iou = nms_iou
        self.runtime, self.most_frames = network.runtime, network.most_frames
        spec = manifest.input
        self._fitter = Fitter(spec)
        # The batch, written by each look in place; nobody else ever sees it.
        self._pictures = np.full((self.most_frames, spec.height, spec.width, 3), spec.pad_value, np.uint8)
        self._multiple = manifest.resizable if network.is_resizable else None
        self._widths = widths(spec.width, self._multiple)
        sizes = {width: manifest.resized(width, spec.height) for width in self._widths}
        self._grids = {width: cells(sized.input, sized.strides) for width, sized in sizes.items()}
        for width in sorted({self._widths[0], spec.width}):
            output = network.infer(as_input(self._pictures[:1, :, :width], spec))
            if fault := output_fault(output.shape, sizes[width]):
                raise ModelError(
                    f"model file {path}: {fault}; correct decoder, classes, strides, input or resizable of the manifest"
                )

    def detect(self, frame: Frame) -> Detections:
        """Return the people of one frame of any size, best score first."""
        return self.detect_all((frame,))[0]

    def detect_all(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return the people of each frame, in their order; the frames may be of different sizes."""
        parts = [frames[begin : begin + self.most_frames] for begin in range(0, len(frames), self.most_frames)]
        return [found for part in parts for found in self._together(part)]

    def detect_region(self, frame: Frame, columns: Columns, known: Detections) -> Detections:
        """Look at some columns of a frame only, or at more of it where that is better; the rest is as it was known.

        Args:
            frame: of any size.
            columns: to look at.
            known: of a frame of that size before.
        """
        spec, picture = self.manifest.input, self._pictures[:1]
        placement = self._fitter.fit(frame.image, picture[0])
        region = choose(columns, known.boxes_xyxy, placement, self._widths, self._multiple or 1)
        if region is not None:
            shown = picture[:, :, region.first : region.first + region.width]
            found = self._people(frame, self._network.infer(as_input(shown, spec)), placement, region)
            joined = join(known, found, region, believed=self._believed, nms_iou=self._nms_iou)
            if joined is not None:
                return joined
        return self._people(frame, self._network.infer(as_input(picture, spec)), placement)

    def _together(self, frames: Sequence[Frame]) -> list[Detections]:
        pictures = self._pictures[: len(frames)]
        placements = [self._fitter.fit(frame.image, row) for frame, row in zip(frames, pictures, strict=True)]
        outputs = self._network.infer(as_input(pictures, self.manifest.input))
        return [
            self._people(frame, output[np.newaxis], placement)
            for frame, output, placement in zip(frames, outputs, placements, strict=True)
        ]

    def _people(self, frame: Frame, output: Floats, placement: Placement, region: Region | None = None) -> Detections:
        boxes, scores = read_people(
            output,
            self.manifest,
            self._grids[region.width if region else self.manifest.input.width],
            replace(placement, left=placement.left - region.first) if region else placement,
            score_threshold=self._score_threshold,
            nms_iou=self._nms_iou,
        )
        return Detections(frame=frame, boxes_xyxy=boxes, scores=scores)
