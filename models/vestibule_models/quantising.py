"""LiteRT files that compute in int8, with chosen operators left in floats."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import tensorflow as tf


def to_int8(
    converter: "tf.lite.TFLiteConverter", pictures: Iterable[NDArray[np.uint8]], kept_in_floats: Sequence[str]
) -> bytes:
    """Convert to int8 weights and arithmetic, 255 steps a layer (Jacob et al. 2018, arXiv:1712.05877).

    Args:
        converter: of the network; its input and outputs stay as they are.
        pictures: uint8 (H, W, 3) each, of the network's input; each layer's range is what they show there. Gone through
            more than once.
        kept_in_floats: TensorFlow Lite's operators that are left alone.
    """
    import tensorflow as tf  # noqa: PLC0415 - TensorFlow is paid for only where a network is converted

    def one_by_one() -> Iterator[list[NDArray[np.uint8]]]:
        return ([picture[np.newaxis]] for picture in pictures)

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = one_by_one
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=list(kept_in_floats))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the only way to keep operators in floats uses what TF deprecates
        chosen = tf.lite.experimental.QuantizationDebugger(
            converter=converter, debug_dataset=one_by_one, debug_options=options
        )
        return bytes(chosen.get_nondebug_quantized_model())
