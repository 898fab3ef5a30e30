"""The classifier on LiteRT: XNNPACK kernels on a CPU, a tenth of TensorFlow's memory."""

from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from vestibule.classifiers.readings import output_order, to_readings, wanted_shapes
from vestibule.errors import ModelError
from vestibule.types import CropBatch, Reading
from vestibule_models.artifact import GarmentManifest, model_path
from vestibule_models.letterbox import as_input


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
            # Not by its path: LiteRT would map the file, and crash when somebody writes over it.
            self._interpreter = Interpreter(model_content=path.read_bytes(), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"model file {path}: LiteRT cannot load it ({str(error).splitlines()[0]})") from error
        spec, inputs = manifest.input, self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        order = output_order([o["shape"].tolist() for o in outputs], manifest)
        taken = [(np.dtype(i["dtype"]).name, *i["shape"].tolist()) for i in inputs]
        # The first axis is the batch: -1 or 1 in the file, whatever `_resize` makes of it.
        fits = [(one[0], *one[2:]) for one in taken] == [(spec.dtype, spec.height, spec.width, 3)]
        if not fits or order is None:
            raise ModelError(
                f"model file {path}: takes {taken} and gives {[o['shape'].tolist() for o in outputs]}; "
                f"{wanted_shapes(manifest)}"
            )
        self._input = inputs[0]["index"]
        self._probs, self._embedding = (outputs[i]["index"] for i in order)
        self._batch = taken[0][1]
        try:
            self._resize(2)
        except (ValueError, RuntimeError) as error:
            raise ModelError(
                f"model file {path}: takes one crop at a time only ({str(error).splitlines()[0]}); export it with a "
                "batch axis of no fixed size"
            ) from error

    def _resize(self, batch: int) -> None:
        if batch != self._batch:
            spec = self.manifest.input
            self._interpreter.resize_tensor_input(self._input, (batch, spec.height, spec.width, 3))
            self._interpreter.allocate_tensors()
            self._batch = batch

    def classify(self, batch: CropBatch) -> tuple[Reading, ...]:
        """Return one reading per crop, in order."""
        self._resize(len(batch.images))
        # Into its memory directly: `set_tensor` would copy what is read-only, as a batch is, once more.
        np.copyto(self._interpreter.tensor(self._input)(), as_input(batch.images, self.manifest.input))
        self._interpreter.invoke()
        probs = self._interpreter.get_tensor(self._probs)
        return to_readings(batch, probs, self._interpreter.get_tensor(self._embedding))
