"""Takes the weights of a person detector back out of its .tflite file, so that training can go on from what ships.

The file holds what `export persons` put there: float16 kernels under the names of their layers, and the batch norms
folded into them. The network then normalises by nothing (mean 0, variance 1) and keeps the folded bias as its shift.
Biases that are all nought may lie there once, under no layer's name: what has no bias there has one of nought. That
everything was read rightly is seen by comparing the network's answers with the file's.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vestibule_models.artifact import ArtifactError
from vestibule_models.persons_decode import Floats

if TYPE_CHECKING:
    import keras
    from ai_edge_litert.interpreter import Interpreter

_LAYER = re.compile(r"functional_\d+/(\w+?)_\d+/(?:convolution|depthwise)(?![\w/])")
"""The layer in a tensor's name: `functional_1/box_8_1/convolution`; a bias has it among several, after semicolons."""
_AS_GOOD_AS_EQUAL = 0.02
"""Of raw outputs: what float16 arithmetic inside the interpreter may change."""


def read_weights(path: Path) -> list[Floats]:
    """Return the weights in `path`, in the order of `person_mobilenet.build(...).get_weights()`, whatever its input.

    Raises:
        ArtifactError: the file is of another network, or a network with these weights answers otherwise than the file.
    """
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - where training goes on only

    from vestibule_models.networks import person_mobilenet  # noqa: PLC0415 - TensorFlow likewise

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    small = person_mobilenet.build(64, 64)  # its weights fit any size
    _set_weights(small, interpreter, path)
    _, height, width, _ = interpreter.get_input_details()[0]["shape"]
    network = person_mobilenet.build(int(height), int(width))
    network.set_weights(small.get_weights())
    picture = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
    interpreter.invoke()
    theirs = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    ours = np.asarray(network(picture, training=False))
    if not np.allclose(ours[..., :4], theirs[..., :4], atol=_AS_GOOD_AS_EQUAL):
        most = float(np.abs(ours[..., :4] - theirs[..., :4]).max())
        raise ArtifactError(f"{path}: the weights read from it answer otherwise than the file, by {most:.3f}")
    return [np.asarray(weight, np.float32) for weight in network.get_weights()]


def _set_weights(network: "keras.Model", interpreter: "Interpreter", path: Path) -> None:
    kernels, biases = _constants(interpreter)
    wanted = {layer.name for layer in network.layers if hasattr(layer, "kernel")}
    if wanted != set(kernels):
        odd = sorted(wanted ^ set(kernels))
        raise ArtifactError(f"{path}: not a network that `train --task persons` made; differs in {odd[:3]}")
    for layer in network.layers:
        if layer.name in kernels:
            # (out, h, w, in) and (1, h, w, out) in the file; Keras has (h, w, in, out) and (h, w, out, 1).
            kernel = np.moveaxis(kernels[layer.name], 0, -1)
            bias = [biases.get(layer.name, np.zeros(layer.bias.shape, np.float32))] if layer.use_bias else []
            layer.set_weights([kernel, *bias])
        elif layer.name.endswith("_norm"):
            ones = np.ones(layer.gamma.shape, np.float32)
            name = layer.name.removesuffix("_norm")
            shift = biases.get(f"{name}_point", biases.get(name, 0 * ones))
            layer.set_weights([ones, shift, 0 * ones, ones * (1 - layer.epsilon)])


def _constants(interpreter: "Interpreter") -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Return the float16 constants of each layer as float32: kernels (4 axes) and biases (1 axis)."""
    kernels: dict[str, Floats] = {}
    biases: dict[str, Floats] = {}
    for tensor in interpreter.get_tensor_details():
        if tensor["dtype"] is np.float16 and (named := _LAYER.search(tensor["name"])):
            into = biases if len(tensor["shape"]) == 1 else kernels
            into[named[1]] = np.asarray(interpreter.get_tensor(tensor["index"]), np.float32)
    return kernels, biases
