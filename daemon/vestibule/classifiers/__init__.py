"""Garment classifiers: batches of crops in, readings out; one file per runtime."""

import importlib.util
from pathlib import Path
from typing import Literal, Protocol, assert_never

from vestibule.errors import ModelError
from vestibule.sections import ClassifierConfig
from vestibule.types import CropBatch, Reading
from vestibule_models.artifact import ZOO, ArtifactError, GarmentManifest, load_manifest

SHIPPED = ZOO / "garments-efflite0"
_GPU_DEVICES = ("nvidia[0-9]*", "kfd", "nvhost*")
"""NVIDIA's, AMD's and Jetson's device nodes; without one, TensorFlow's ten seconds of import can be saved."""


class Classifier(Protocol):
    """A network that reads garments."""

    manifest: GarmentManifest
    runtime: str

    def classify(self, batch: CropBatch) -> tuple[Reading, ...]:
        """Return one reading per crop, in order."""


def build_classifier(config: ClassifierConfig) -> Classifier:
    """Load the configured model on the configured runtime.

    Raises:
        ModelError: the folder is not a garment classifier, a file is missing or damaged, of another shape, or
            the runtime is not installed.
    """
    folder = config.model or SHIPPED
    try:
        manifest = load_manifest(folder)
        if not isinstance(manifest, GarmentManifest):
            raise ModelError(f"model {folder}: is a {manifest.kind}, [classifier] model needs a garment-classifier")
        runtime = choose_runtime(config.runtime)
        match runtime:
            case "litert":
                from vestibule.classifiers.litert import LitertClassifier  # noqa: PLC0415 - loads its runtime

                return LitertClassifier(folder, manifest, threads=config.threads)
            case "tensorflow":
                from vestibule.classifiers.tensorflow import TensorflowClassifier  # noqa: PLC0415 - likewise

                return TensorflowClassifier(folder, manifest)
            case _:
                assert_never(runtime)
    except ArtifactError as error:
        raise ModelError(str(error)) from error


def choose_runtime(wanted: Literal["auto", "litert", "tensorflow"]) -> Literal["litert", "tensorflow"]:
    """Resolve `auto`: TensorFlow where it is installed and sees a GPU, else LiteRT.

    Raises:
        ModelError: TensorFlow is asked for and not installed.
    """
    installed = importlib.util.find_spec("tensorflow") is not None
    if wanted == "tensorflow" and not installed:
        raise ModelError(
            '[classifier] runtime = "tensorflow", but TensorFlow is not installed; '
            'pip install "vestibule[tensorflow]", or use runtime = "litert"'
        )
    if wanted != "auto":
        return wanted
    if not installed or not any(next(Path("/dev").glob(name), None) for name in _GPU_DEVICES):
        return "litert"
    import tensorflow as tf  # noqa: PLC0415 - a box that runs LiteRT never pays for it

    return "tensorflow" if tf.config.list_physical_devices("GPU") else "litert"
