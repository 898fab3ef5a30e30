"""Runs a person detector on TensorFlow, for boxes with a GPU: several cameras' frames in one go."""

from pathlib import Path

import keras

from vestibule.errors import ModelError
from vestibule.graphs import BucketGraphs
from vestibule.mixed_precision import in_mixed_precision
from vestibule_models.artifact import InputSpec
from vestibule_models.networks import person_mobilenet
from vestibule_models.persons_decode import Bytes, Floats


class TensorflowNetwork:
    """A .keras file; one that `vestibule-models export persons` wrote takes any size.

    Args:
        path: the file.
        spec: its input, of the size that is wanted; layout `nhwc`.
        most_frames: the largest batch.
        xla: compile the graphs.
        mixed_precision: compute in float16, with float32 weights and answers.

    Raises:
        ModelError: Keras cannot load the file, or it does not fit its manifest.
    """

    runtime = "tensorflow"
    is_resizable = False

    def __init__(self, path: Path, spec: InputSpec, *, most_frames: int, xla: bool, mixed_precision: bool) -> None:
        model = _resized(_saved(path), spec)
        inputs, shape = [(tensor.dtype, *tensor.shape) for tensor in model.inputs], (spec.height, spec.width, 3)
        if spec.layout != "nhwc" or not _takes(inputs, (spec.dtype, None, *shape)) or len(model.outputs) != 1:
            raise ModelError(
                f"model file {path}: takes {inputs} and gives {len(model.outputs)} outputs; its manifest says "
                f"{spec.dtype} {spec.layout} (B, {spec.height}, {spec.width}, 3), and nhwc and one output are wanted"
            )
        if mixed_precision:
            model = in_mixed_precision(model)
        self.most_frames = most_frames
        self._graphs = BucketGraphs(
            lambda pictures: (model(pictures, training=False),),
            shape=shape,
            dtype=spec.dtype,
            most=most_frames,
            xla=xla,
        )

    def infer(self, tensor: Bytes | Floats) -> Floats:
        """Return the network's float32 output for inputs (B, ...)."""
        (output,) = self._graphs(tensor)
        return output


def _takes(inputs: list[tuple[str | int | None, ...]], wanted: tuple[str | int | None, ...]) -> bool:
    """Whether there is one input, of this type and shape or one that leaves it open."""
    if [len(one) for one in inputs] != [len(wanted)]:
        return False
    return all(found in (None, this) for found, this in zip(inputs[0], wanted, strict=True))


def _saved(path: Path) -> keras.Model:
    try:
        return keras.models.load_model(path, compile=False)
    except (ValueError, OSError, TypeError, KeyError) as error:
        raise ModelError(f"model file {path}: Keras cannot load it ({str(error).splitlines()[0]})") from error


def _resized(model: keras.Model, spec: InputSpec) -> keras.Model:
    """Build our network around the weights for the size that is wanted; anybody else's has the size that it has."""
    if model.input_shape[1:3] == (spec.height, spec.width):
        return model
    try:
        return person_mobilenet.with_scores(person_mobilenet.rebuild(model, spec.height, spec.width))
    except ValueError:
        return model
