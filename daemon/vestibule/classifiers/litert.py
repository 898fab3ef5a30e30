"""The classifier on LiteRT: XNNPACK kernels on a CPU, a tenth of TensorFlow's memory."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from vestibule.classifiers.readings import output_order, to_readings
from vestibule.errors import ModelError
from vestibule.types import CropBatch, Reading
from vestibule_models.artifact import GarmentManifest, model_path


class LitertClassifier:
    """Runs the folder's .tflite.

    Raises:
        ModelError: the file is no .tflite or its inputs and outputs are not those of the manifest.
        ArtifactError: the file is missing or damaged.
    """

    runtime = "litert"

    def __init__(self, folder: Path, manifest: GarmentManifest, *, threads: int) -> None:
        self.manifest = manifest
        path = model_path(folder, manifest, ".tflite")
        try:
            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"model file {path}: LiteRT cannot load it ({str(error).splitlines()[0]})") from error
        spec, inputs = manifest.input, self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        order = output_order([int(o["shape"][-1]) for o in outputs], manifest)
        shape = inputs[0]["shape"].tolist()
        if len(inputs) != 1 or shape[1:] != [spec.height, spec.width, 3] or order is None:
            raise ModelError(
                f"model file {path}: takes {shape} and gives {[o['shape'].tolist() for o in outputs]}; its manifest "
                f"says (B, {spec.height}, {spec.width}, 3) and (B, 15), (B, {manifest.embedding_size}); export it again"
            )
        self._input, self._dtype = inputs[0]["index"], inputs[0]["dtype"]
        self._probs, self._embedding = (outputs[i]["index"] for i in order)
        self._batch = shape[0]

    def classify(self, batch: CropBatch) -> tuple[Reading, ...]:
        """Return one reading per crop, in order."""
        images: npt.NDArray[np.generic] = batch.images.astype(self._dtype, copy=False)
        if len(images) != self._batch:
            self._interpreter.resize_tensor_input(self._input, images.shape)
            self._interpreter.allocate_tensors()
            self._batch = len(images)
        self._interpreter.set_tensor(self._input, images)
        self._interpreter.invoke()
        probs = self._interpreter.get_tensor(self._probs)
        return to_readings(batch, probs, self._interpreter.get_tensor(self._embedding))
