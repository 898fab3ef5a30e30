"""The classifier on TensorFlow, for boxes with a GPU."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from vestibule.classifiers.readings import output_order, to_readings
from vestibule.errors import ModelError
from vestibule.types import CropBatch, Reading
from vestibule_models.artifact import GarmentManifest, model_path


class TensorflowClassifier:
    """Runs the folder's .keras; crops are padded to the next power of two, so that few graphs are traced.

    Raises:
        ModelError: the file is no .keras or its inputs and outputs are not those of the manifest.
        ArtifactError: the file is missing or damaged.
    """

    runtime = "tensorflow"

    def __init__(self, folder: Path, manifest: GarmentManifest) -> None:
        self.manifest = manifest
        path = model_path(folder, manifest, ".keras")
        try:
            model = keras.models.load_model(path, compile=False)
        except (ValueError, OSError, TypeError) as error:
            raise ModelError(f"model file {path}: Keras cannot load it ({str(error).splitlines()[0]})") from error
        outputs = list(model.outputs)
        order = output_order([int(o.shape[-1]) for o in outputs], manifest)
        spec = manifest.input
        if tuple(model.inputs[0].shape[1:]) != (spec.height, spec.width, 3) or order is None:
            raise ModelError(
                f"model file {path}: takes {tuple(model.inputs[0].shape)} and gives {[tuple(o.shape) for o in outputs]}; "
                f"its manifest says (B, {spec.height}, {spec.width}, 3) and (B, 15), (B, {manifest.embedding_size})"
            )
        self._dtype = spec.dtype
        self._run = tf.function(lambda images: _in_order(model, images, order))

    def classify(self, batch: CropBatch) -> tuple[Reading, ...]:
        """Return one reading per crop, in order."""
        count = len(batch.images)
        padded = np.zeros((1 << (count - 1).bit_length(), *batch.images.shape[1:]), self._dtype)
        padded[:count] = batch.images
        probs, embeddings = self._run(tf.constant(padded))
        return to_readings(batch, probs.numpy()[:count], embeddings.numpy()[:count])


def _in_order(model: keras.Model, images: tf.Tensor, order: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
    outputs = model(images, training=False)
    flat = list(outputs.values()) if isinstance(outputs, dict) else list(outputs)
    return flat[order[0]], flat[order[1]]
