"""Load a model as the daemon will and run it once on a blank picture."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError, DetectorManifest, GarmentManifest, InputSpec, model_path
from vestibule_models.labels import LABELS
from vestibule_models.letterbox import as_input
from vestibule_models.persons_decode import output_fault, to_tensor


def try_classifier(folder: Path, manifest: GarmentManifest) -> None:
    """Run the .tflite on one blank crop and on two.

    Raises:
        ArtifactError: LiteRT cannot load it, it takes or gives something else than its manifest says, or its
            answers are no probabilities.
    """
    path, spec = model_path(folder, manifest, ".tflite"), manifest.input
    interpreter = load(path)
    widths = (len(LABELS), manifest.embedding_size)
    outputs = interpreter.get_output_details()
    taken = [(np.dtype(one["dtype"]).name, *one["shape"].tolist()[1:]) for one in interpreter.get_input_details()]
    given = [int(one["shape"][-1]) for one in outputs if len(one["shape"])]
    if taken != [(spec.dtype, spec.height, spec.width, 3)] or sorted(given) != sorted(widths) or len(set(widths)) == 1:
        raise ArtifactError(
            f"model file {path}: takes {taken} and gives widths {given}; its manifest says {spec.dtype} "
            f"({spec.height}, {spec.width}, 3) and widths {widths}, which must differ; export it again"
        )
    for count in (1, 2):
        blank = as_input(np.stack([blank_of(spec)] * count), spec)
        found = run_once(interpreter, path, blank)
        probs, embedding = (next(a for a in found if a.shape[-1] == width) for width in widths)
        if probs.shape[0] != count or not ((probs >= 0) & (probs <= 1)).all():
            raise ArtifactError(f"model file {path}: a blank crop's answers are no probabilities: {probs[0].tolist()}")
        if not np.allclose(np.linalg.norm(embedding, axis=1), 1, atol=0.05):
            raise ArtifactError(f"model file {path}: a blank crop's embedding is not of unit length; export it again")


def try_detector(folder: Path, manifest: DetectorManifest) -> None:
    """Run the .tflite, or the .onnx where there is none, on a blank picture; if it is resizable, on a smaller one too.

    Raises:
        ArtifactError: it cannot be loaded, or takes or gives something else than its manifest says.
    """
    spec = manifest.input
    if spec.dtype == "uint8" and (any(spec.mean) or spec.scale != 1.0):
        raise ArtifactError(f"model {folder}: a uint8 input is not scaled; remove mean and scale from the manifest")
    if manifest.person_class >= manifest.classes:
        raise ArtifactError(f"model {folder}: person_class {manifest.person_class} is not one of {manifest.classes}")
    suffix = ".tflite" if any(name.endswith(".tflite") for name in manifest.files) else ".onnx"
    path = model_path(folder, manifest, suffix)
    if suffix == ".tflite":
        tensor = to_tensor(blank_of(spec), spec)
        taken = [(np.dtype(i["dtype"]).name, *i["shape"].tolist()) for i in load(path).get_input_details()]
        if taken != [(tensor.dtype.name, *tensor.shape)]:
            raise ArtifactError(f"model file {path}: takes {taken}, its manifest says {tensor.dtype} {tensor.shape}")
    smaller = [] if manifest.resizable is None else [manifest.resized(2 * manifest.resizable, manifest.resizable)]
    for sized in (manifest, *smaller):
        _try_size(path, sized)


def _try_size(path: Path, manifest: DetectorManifest) -> None:
    tensor = to_tensor(blank_of(manifest.input), manifest.input)
    outputs = run_once(load(path), path, tensor) if path.suffix == ".tflite" else run_onnx(path, tensor)
    if len(outputs) != 1 or outputs[0].dtype != np.float32:
        raise ArtifactError(f"model file {path}: gives {len(outputs)} outputs, one of float32 is wanted")
    if fault := output_fault(outputs[0].shape, manifest):
        raise ArtifactError(
            f"model file {path}: {fault}; correct decoder, classes, strides, input or resizable of the manifest"
        )


def blank_of(spec: InputSpec) -> NDArray[np.uint8]:
    """Return a picture of nothing, uint8 (height, width, 3)."""
    return np.full((spec.height, spec.width, 3), spec.pad_value, np.uint8)


def load(path: Path) -> Interpreter:
    """Return LiteRT's interpreter of a file."""
    try:
        interpreter = Interpreter(model_path=str(path), num_threads=1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ArtifactError(f"model file {path}: LiteRT cannot load it ({str(error).splitlines()[0]})") from error
    return interpreter


def run_once(interpreter: Interpreter, path: Path, tensor: NDArray[Any]) -> list[NDArray[Any]]:
    """Return the outputs for one input of any batch."""
    index = interpreter.get_input_details()[0]["index"]
    try:
        interpreter.resize_tensor_input(index, tensor.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(index, tensor)
        interpreter.invoke()
    except (ValueError, RuntimeError) as error:
        raise ArtifactError(
            f"model file {path}: LiteRT cannot run it on {tensor.shape} ({str(error).splitlines()[0]}); export it with "
            "axes of no fixed size, or correct resizable in its manifest"
        ) from error
    return [interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()]


def run_onnx(path: Path, tensor: NDArray[Any]) -> list[NDArray[Any]]:
    """Return the outputs of a network that OpenCV runs."""
    try:
        net = cv2.dnn.readNetFromONNX(str(path))
        net.setInput(tensor)
        return [np.asarray(found) for found in net.forward(net.getUnconnectedOutLayersNames())]
    except cv2.error as error:
        reason = str(error.err or error).strip().splitlines()[0]
        raise ArtifactError(f"model file {path}: OpenCV cannot run it on {tensor.shape} ({reason})") from error
