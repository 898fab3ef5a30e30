"""The classifier on TensorFlow, for boxes with a GPU."""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from vestibule.classifiers.readings import output_order, to_readings, wanted_shapes
from vestibule.errors import ModelError
from vestibule.graphs import BucketGraphs
from vestibule.mixed_precision import in_mixed_precision
from vestibule.types import CropBatch, Reading
from vestibule_models.artifact import GarmentManifest, model_path
from vestibule_models.labels import LABELS
from vestibule_models.letterbox import as_input


class TensorflowClassifier:
    """Runs the folder's .keras.

    Its outputs are told apart by name where it returns a dictionary (`probs`, `embedding`), else by width.

    Args:
        folder: the model's.
        manifest: its.
        max_crops: the largest batch; more crops at once go through in parts.
        xla: compile the graphs.
        mixed_precision: compute in float16, with float32 weights and answers.

    Raises:
        ModelError: the file is no .keras or its inputs and outputs are not those of the manifest.
        ArtifactError: the file is missing or damaged.
    """

    runtime = "tensorflow"

    def __init__(
        self,
        folder: Path,
        manifest: GarmentManifest,
        *,
        max_crops: int = 16,
        xla: bool = False,
        mixed_precision: bool = False,
    ) -> None:
        self.manifest = manifest
        path = model_path(folder, manifest, ".keras")
        try:
            model = keras.models.load_model(path, compile=False)
        except (ValueError, OSError, TypeError, KeyError) as error:
            raise ModelError(f"model file {path}: Keras cannot load it ({str(error).splitlines()[0]})") from error
        spec = manifest.input
        inputs = [(tensor.dtype, *tensor.shape) for tensor in getattr(model, "inputs", None) or ()]
        outputs = getattr(model, "output", [])  # a tensor, a list or a dictionary, as the model returns them
        keys = _keys(outputs, manifest)
        if inputs != [(spec.dtype, None, spec.height, spec.width, 3)] or keys is None:
            raise ModelError(
                f"model file {path}: takes {inputs} and gives {_shapes(outputs)}; {wanted_shapes(manifest)}"
            )
        if mixed_precision:
            model = in_mixed_precision(model)
        self._graphs = BucketGraphs(
            lambda images: _in_order(model, images, keys),
            shape=(spec.height, spec.width, 3),
            dtype=spec.dtype,
            most=max_crops,
            xla=xla,
        )

    def classify(self, batch: CropBatch) -> tuple[Reading, ...]:
        """Return one reading per crop, in order."""
        probs, embeddings = self._graphs(as_input(batch.images, self.manifest.input))
        return to_readings(batch, probs, embeddings)


def _shapes(outputs: Any) -> Any:  # noqa: ANN401 - whatever Keras gives
    """Return the shapes of Keras's outputs in the structure that the model returns."""
    if isinstance(outputs, dict):
        return {name: tuple(tensor.shape) for name, tensor in outputs.items()}
    return [tuple(tensor.shape) for tensor in (outputs if isinstance(outputs, list | tuple) else [outputs])]


def _keys(outputs: Any, manifest: GarmentManifest) -> tuple[str, str] | tuple[int, int] | None:  # noqa: ANN401
    """Return under which names or indices the model gives `probs` and `embedding`; None if they do not fit."""
    shapes = _shapes(outputs)
    if isinstance(shapes, dict):
        wanted = {"probs": (None, len(LABELS)), "embedding": (None, manifest.embedding_size)}
        return ("probs", "embedding") if shapes == wanted else None
    return output_order(shapes, manifest)


def _in_order(
    model: keras.Model, images: tf.Tensor, keys: tuple[str, str] | tuple[int, int]
) -> tuple[tf.Tensor, tf.Tensor]:
    outputs = model(images, training=False)
    return outputs[keys[0]], outputs[keys[1]]
