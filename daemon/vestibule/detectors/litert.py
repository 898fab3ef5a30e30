"""Runs a .tflite person detector on LiteRT with XNNPACK."""

from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from vestibule.errors import ModelError
from vestibule_models.artifact import InputSpec
from vestibule_models.persons_decode import Bytes, Floats


class LiteRtNetwork:
    """One network on a fixed number of threads, so that a detector's cost does not depend on the machine's size.

    Args:
        path: the .tflite file.
        spec: its input as the manifest has it.
        size_wh: what pictures will be fitted into, pixels; another one than the manifest's where the file allows it.
        threads: at least 1.

    Raises:
        ModelError: not a TFLite file, or its input or output is not what the manifest says.
    """

    runtime = "litert"
    most_frames = 1

    def __init__(self, path: Path, spec: InputSpec, *, size_wh: tuple[int, int], threads: int) -> None:
        try:
            # Not by its path: LiteRT would map the file, and crash when somebody writes over it.
            self._interpreter = Interpreter(model_content=path.read_bytes(), num_threads=threads)
            inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
            _check(path, spec, inputs, outputs)
            self._input, self._output = inputs[0]["index"], outputs[0]["index"]
            if size_wh != (spec.width, spec.height):
                self._interpreter.resize_tensor_input(self._input, _shape(spec, *size_wh))
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            first = (str(error).splitlines() or ["no reason given"])[0]
            raise ModelError(
                f"model file {path} cannot be loaded by LiteRT for pictures of {size_wh[0]}x{size_wh[1]} ({first}); "
                "is it a .tflite file, and what its manifest says of input and resizable right?"
            ) from error

    def infer(self, tensor: Bytes | Floats) -> Floats:
        """Return the network's float32 output for one input (1, ...)."""
        self._interpreter.set_tensor(self._input, tensor)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output), np.float32)


def _shape(spec: InputSpec, width: int, height: int) -> tuple[int, ...]:
    return (1, height, width, 3) if spec.layout == "nhwc" else (1, 3, height, width)


def _check(path: Path, spec: InputSpec, inputs: list[dict[str, Any]], outputs: list[dict[str, Any]]) -> None:
    """Refuse a file whose own input or output is not what the manifest says."""
    wanted = _shape(spec, spec.width, spec.height)
    found = [(tuple(int(n) for n in one["shape"]), np.dtype(one["dtype"]).name) for one in inputs]
    if found != [(wanted, spec.dtype)]:
        raise ModelError(f"model file {path} takes {found}, its manifest says {wanted} {spec.dtype}; correct input")
    kinds = [np.dtype(one["dtype"]).name for one in outputs]
    if kinds != ["float32"]:
        raise ModelError(f"model file {path} gives {len(kinds)} outputs of type {kinds}, one of float32 is wanted")
