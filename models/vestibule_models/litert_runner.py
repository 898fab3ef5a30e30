"""Run an exported garment network on the CPU, as the daemon does, to measure it and to try it on photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError, GarmentManifest, load_manifest, model_path
from vestibule_models.letterbox import letterbox


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """What the network says of N crops.

    Attributes:
        probs: float32 (N, 15), independent, 0 to 1.
        embeddings: float32 (N, D), unit length.
    """

    probs: NDArray[np.float32]
    embeddings: NDArray[np.float32]


class LiteRTRunner:
    """A model folder's .tflite file, ready to run.

    Args:
        folder: with manifest.json.
        threads: of the CPU.

    Raises:
        ArtifactError: the folder is not a garment classifier's, or is damaged.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        manifest = load_manifest(folder)
        if not isinstance(manifest, GarmentManifest):
            raise ArtifactError(f"model folder {folder} holds a {manifest.kind}, not a garment classifier")
        self.manifest = manifest
        self._interpreter = Interpreter(str(model_path(folder, manifest, ".tflite")), num_threads=threads)
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = self._interpreter.get_output_details()
        self._probs = next(out["index"] for out in outputs if out["shape"][-1] == len(manifest.labels))
        self._embedding = next(out["index"] for out in outputs if out["index"] != self._probs)
        self._batch = 0

    def run(self, crops: NDArray[np.uint8]) -> Answers:
        """Classify uint8 (B, h, w, 3) RGB."""
        if len(crops) != self._batch:
            self._interpreter.resize_tensor_input(self._input, crops.shape)
            self._interpreter.allocate_tensors()
            self._batch = len(crops)
        self._interpreter.set_tensor(self._input, crops)
        self._interpreter.invoke()
        return Answers(
            probs=self._interpreter.get_tensor(self._probs), embeddings=self._interpreter.get_tensor(self._embedding)
        )

    def run_all(self, images: Sequence[NDArray[np.uint8]], *, batch: int = 16) -> Answers:
        """Letterbox pictures uint8 (H, W, 3) RGB of any size and classify them, N >= 1."""
        fitted = [letterbox(image, self.manifest.input)[0] for image in images]
        parts = [self.run(np.stack(fitted[start : start + batch])) for start in range(0, len(fitted), batch)]
        return Answers(
            probs=np.concatenate([part.probs for part in parts]),
            embeddings=np.concatenate([part.embeddings for part in parts]),
        )
