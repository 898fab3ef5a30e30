"""Runs a .tflite person detector on LiteRT with XNNPACK."""

from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from vestibule.errors import ModelError
from vestibule_models.artifact import DetectorManifest
from vestibule_models.persons_decode import Bytes, Floats


class LiteRtNetwork:
    """One network on a fixed number of threads, so that a detector's cost does not depend on the machine's size.

    A file that can be resized has an interpreter for each shape that it was given so far: another shape in one and the
    same would be prepared for anew each time.

    Args:
        path: the .tflite file.
        manifest: what it says of the file.
        threads: at least 1.

    Raises:
        ModelError: not a TFLite file, or its input or output is not what the manifest says.
    """

    runtime = "litert"
    most_frames = 1

    def __init__(self, path: Path, manifest: DetectorManifest, *, threads: int) -> None:
        # Not by its path: LiteRT would map the file, and crash when somebody writes over it.
        self._path, self._content, self._threads = path, path.read_bytes(), threads
        self.is_resizable = manifest.resizable is not None
        self._ready: dict[tuple[int, ...], tuple[Interpreter, int, int]] = {}
        spec = manifest.input
        own = (1, spec.height, spec.width, 3) if spec.layout == "nhwc" else (1, 3, spec.height, spec.width)
        try:
            interpreter = Interpreter(model_content=self._content, num_threads=threads)
        except ValueError as error:
            raise self._fault(error, own) from error
        _check(path, interpreter, own, spec.dtype)

    def infer(self, tensor: Bytes | Floats) -> Floats:
        """Return the network's float32 output for one input (1, ...).

        Raises:
            ModelError: the file does not take this shape; only when it is given for the first time.
        """
        interpreter, put, get = self._ready.get(tensor.shape) or self._prepare(tensor.shape)
        interpreter.set_tensor(put, tensor)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(get), np.float32)

    def _prepare(self, shape: tuple[int, ...]) -> tuple[Interpreter, int, int]:
        interpreter = Interpreter(model_content=self._content, num_threads=self._threads)
        (put,), (get,) = interpreter.get_input_details(), interpreter.get_output_details()
        try:
            if shape != tuple(put["shape"]):
                interpreter.resize_tensor_input(put["index"], shape)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise self._fault(error, shape) from error
        self._ready[shape] = ready = interpreter, put["index"], get["index"]
        return ready

    def _fault(self, error: Exception, shape: tuple[int, ...]) -> ModelError:
        first = (str(error).splitlines() or ["no reason given"])[0]
        return ModelError(
            f"model file {self._path} cannot be loaded by LiteRT for an input of {shape} ({first}); is it a .tflite "
            "file, and what its manifest says of input and resizable right?"
        )


def _check(path: Path, interpreter: Interpreter, wanted: tuple[int, ...], dtype: str) -> None:
    """Refuse a file whose own input or output is not what the manifest says."""
    inputs = interpreter.get_input_details()
    found = [(tuple(int(n) for n in one["shape"]), np.dtype(one["dtype"]).name) for one in inputs]
    if found != [(wanted, dtype)]:
        raise ModelError(f"model file {path} takes {found}, its manifest says {wanted} {dtype}; correct input")
    kinds = [np.dtype(one["dtype"]).name for one in interpreter.get_output_details()]
    if kinds != ["float32"]:
        raise ModelError(f"model file {path} gives {len(kinds)} outputs of type {kinds}, one of float32 is wanted")
