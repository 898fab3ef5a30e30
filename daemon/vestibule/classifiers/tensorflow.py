"""The classifier on TensorFlow, for boxes with a GPU."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vestibule.classifiers.readings import output_order, to_input, to_readings, wanted_shapes
from vestibule.errors import ModelError
from vestibule.types import CropBatch, Reading
from vestibule_models.artifact import GarmentManifest, model_path
from vestibule_models.labels import LABELS
from vestibule_models.letterbox import Bytes, Floats

_IN_FLOAT32 = {"UnitNormalization", "LayerNormalization", "Normalization", "Rescaling", "Softmax"} | {
    f"Global{kind}Pooling2D" for kind in ("Average", "Max")
}
"""Layers that add up or divide: in float16 sums overflow, and the small number that keeps from dividing by 0 is 0."""


class TensorflowClassifier:
    """Runs the folder's .keras; crops are padded to the next power of two, so that few graphs are traced.

    All of them, up to the largest batch that will come, are traced at once when it is loaded: with XLA each takes
    seconds, during which people would walk by. Its outputs are told apart by name where it returns a dictionary
    (`probs`, `embedding`), else by width.

    Args:
        folder: the model's.
        manifest: its.
        max_crops: the largest batch; more crops at once go through in parts.
        xla: compile the graphs.
        mixed_precision: compute in float16, with float32 weights and answers.

    Attributes:
        traces: batch sizes of the graphs, in the order in which they were traced.

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
        self.traces: list[int] = []

        def run(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            self.traces.append(images.shape[0])  # runs while a graph is traced, not when it runs
            return _in_order(model, images, keys)

        function = tf.function(run, jit_compile=xla)
        self._graphs = {
            bucket: function.get_concrete_function(tf.TensorSpec((bucket, spec.height, spec.width, 3), spec.dtype))
            for bucket in (1 << power for power in range((max_crops - 1).bit_length() + 1))
        }
        for bucket in self._graphs:  # XLA compiles when a graph first runs
            self._probs_and_embeddings(np.zeros((bucket, spec.height, spec.width, 3), np.uint8))

    def classify(self, batch: CropBatch) -> tuple[Reading, ...]:
        """Return one reading per crop, in order."""
        largest = max(self._graphs)
        parts = [
            self._probs_and_embeddings(batch.images[begin : begin + largest])
            for begin in range(0, len(batch.images), largest)
        ]
        probs, embeddings = (np.concatenate(column) for column in zip(*parts, strict=True))
        return to_readings(batch, probs, embeddings)

    def _probs_and_embeddings(self, images: Bytes) -> tuple[Floats, Floats]:
        """Pad to the next bucket, run, and leave the padding out."""
        count = len(images)
        bucket = next(size for size in self._graphs if size >= count)
        if bucket > count:
            padded = np.zeros((bucket, *images.shape[1:]), np.uint8)
            padded[:count] = images
            images = padded
        probs, embeddings = self._graphs[bucket](tf.constant(to_input(images, self.manifest.input)))
        return probs.numpy()[:count], embeddings.numpy()[:count]


def in_mixed_precision(model: keras.Model) -> keras.Model:
    """Return a copy that computes in float16 but for sums over many numbers; weights stay as they are."""

    def policies(value: object) -> object:
        if isinstance(value, dict):
            if value.get("class_name") in _IN_FLOAT32:
                return value
            if value.get("class_name") == "DTypePolicy":
                return {**value, "config": {"name": "mixed_float16"}}
            return {key: policies(inner) for key, inner in value.items()}
        return [policies(inner) for inner in value] if isinstance(value, list) else value

    copy = keras.saving.deserialize_keras_object(policies(keras.saving.serialize_keras_object(model)))
    copy.set_weights(model.get_weights())
    return copy


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
    return tf.cast(outputs[keys[0]], tf.float32), tf.cast(outputs[keys[1]], tf.float32)
