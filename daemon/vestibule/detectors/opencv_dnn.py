"""Runs an .onnx person detector on OpenCV's dnn module."""

from pathlib import Path

import cv2
import numpy as np

from vestibule.errors import ModelError
from vestibule_models.persons_decode import Bytes, Floats


class OpenCvNetwork:
    """One network on the CPU.

    Args:
        path: the .onnx file.
        threads: at least 1; OpenCV has one such setting for the whole process.

    Raises:
        ModelError: not an ONNX file that OpenCV can read, or it has several outputs.
    """

    runtime = "opencv"
    most_frames = 1
    is_resizable = False

    def __init__(self, path: Path, *, threads: int) -> None:
        cv2.setNumThreads(threads)
        self._path = path
        try:
            self._net = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as error:
            raise ModelError(f"model file {path} cannot be loaded by OpenCV ({_reason(error)}); is it ONNX?") from error
        names = self._net.getUnconnectedOutLayersNames()
        if len(names) != 1:
            raise ModelError(f"model file {path} gives {len(names)} outputs {list(names)}, one is wanted")

    def infer(self, tensor: Bytes | Floats) -> Floats:
        """Return the network's float32 output for one input (1, ...).

        Raises:
            ModelError: the network does not take an input of this shape.
        """
        self._net.setInput(tensor)
        try:
            return np.asarray(self._net.forward(), np.float32)
        except cv2.error as error:
            raise ModelError(
                f"model file {self._path} does not take an input of {tensor.shape} ({_reason(error)}); correct input "
                "or resizable in its manifest"
            ) from error


def _reason(error: cv2.error) -> str:
    lines = [line.strip() for line in str(error.err or error).splitlines() if line.strip()]
    return lines[0] if lines else "no reason given"
