"""A Keras network as TensorFlow graphs of fixed batch sizes, for boxes with a GPU; what both networks are run by.

TensorFlow itself copies what lies in ordinary memory through pinned buffers of its own on the way to the GPU
(`tensorflow/core/common_runtime/gpu/gpu_util.cc`, `CopyCPUTensorToGPU`); it has no interface by which we could keep
our pictures in pinned memory.
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from vestibule_models.letterbox import Bytes, Floats

_IN_FLOAT32 = {"UnitNormalization", "LayerNormalization", "Normalization", "Rescaling", "Softmax"} | {
    f"Global{kind}Pooling2D" for kind in ("Average", "Max")
}
"""Layers that add up or divide: in float16 sums overflow, and the small number that keeps from dividing by 0 is 0."""


class BucketGraphs:
    """Runs batches of up to `most` pictures, padded to the next power of two, so that few graphs are traced.

    All of them are traced at once, when the network is loaded: with XLA each takes seconds, during which people would
    walk by.

    Args:
        network: pictures (B, ...) to its answers, each (B, ...).
        shape: of one picture.
        dtype: of the pictures.
        most: the largest batch; what is longer goes through in parts.
        xla: compile the graphs.

    Attributes:
        traces: batch sizes of the graphs, in the order in which they were traced.
    """

    def __init__(
        self,
        network: Callable[[tf.Tensor], tuple[tf.Tensor, ...]],
        *,
        shape: tuple[int, ...],
        dtype: str,
        most: int,
        xla: bool,
    ) -> None:
        self.traces: list[int] = []

        def run(pictures: tf.Tensor) -> tuple[tf.Tensor, ...]:
            self.traces.append(pictures.shape[0])  # runs while a graph is traced, not when it runs
            return tuple(tf.cast(answer, tf.float32) for answer in network(pictures))

        function = tf.function(run, jit_compile=xla)
        self._graphs = {
            bucket: function.get_concrete_function(tf.TensorSpec((bucket, *shape), dtype))
            for bucket in (1 << power for power in range((most - 1).bit_length() + 1))
        }
        self._padded = {bucket: np.zeros((bucket, *shape), dtype) for bucket in self._graphs}
        for pictures in self._padded.values():  # XLA compiles when a graph first runs
            self._run(pictures)

    def __call__(self, pictures: Bytes | Floats) -> tuple[Floats, ...]:
        """Return the network's answers, float32, for pictures (B, ...), B at least 1."""
        largest = max(self._graphs)
        parts = [self._run(pictures[begin : begin + largest]) for begin in range(0, len(pictures), largest)]
        return parts[0] if len(parts) == 1 else tuple(np.concatenate(answer) for answer in zip(*parts, strict=True))

    def _run(self, pictures: Bytes | Floats) -> tuple[Floats, ...]:
        """Pad to the next bucket, run, and leave the padding out."""
        count = len(pictures)
        bucket = next(size for size in self._graphs if size >= count)
        if bucket > count:
            padded = self._padded[bucket]  # after these pictures there are some of an earlier batch: it is all one
            padded[:count] = pictures
            pictures = padded
        return tuple(answer.numpy()[:count] for answer in self._graphs[bucket](tf.constant(pictures)))


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
