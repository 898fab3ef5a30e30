"""A Keras network as TensorFlow graphs of fixed batch sizes, for boxes with a GPU; what both networks are run by.

TensorFlow itself copies what lies in ordinary memory through pinned buffers of its own on the way to the GPU
(`tensorflow/core/common_runtime/gpu/gpu_util.cc`, `CopyCPUTensorToGPU`); it has no interface by which we could keep
our pictures in pinned memory.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from vestibule_models.letterbox import Bytes, Floats


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
