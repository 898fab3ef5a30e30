"""Garment classifiers: batches of crops in, readings out; one file per runtime."""

import importlib.util
from collections import Counter
from pathlib import Path
from typing import Literal, Protocol, assert_never, runtime_checkable

from vestibule.cores import threads_of
from vestibule.errors import ModelError
from vestibule.gpu import demand_tensorflow, has_gpu
from vestibule.sections import ClassifierConfig
from vestibule.types import CropBatch, Reading
from vestibule_models.artifact import ZOO, ArtifactError, GarmentManifest, load_manifest

SHIPPED = ZOO / "garments-efflite0"
Ran = Literal["server", "box"]
"""Where a crop was classified."""


class Classifier(Protocol):
    """A network that reads garments."""

    manifest: GarmentManifest
    runtime: str

    def classify(self, batch: CropBatch) -> tuple[Reading, ...]:
        """Return one reading per crop, in order."""


@runtime_checkable
class SharedClassifier(Classifier, Protocol):
    """One that asks a server, and takes over where that fails.

    Attributes:
        crops: how many were classified by the `server`, and how many on this `box`; only grow.
        problem: why the server is not asked now, with the remedy; None while it answers, or was never asked.
    """

    crops: Counter[Ran]
    problem: str | None


def build_classifier(config: ClassifierConfig, *, max_crops: int = 16) -> Classifier:
    """Load the configured model on the configured runtime.

    Args:
        config: the section.
        max_crops: of a batch; what has to be made ready for it is made ready now.

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

                return LitertClassifier(folder, manifest, threads=threads_of(config.threads))
            case "tensorflow":
                from vestibule.classifiers.tensorflow import TensorflowClassifier  # noqa: PLC0415 - likewise

                return TensorflowClassifier(
                    folder,
                    manifest,
                    max_crops=max_crops,
                    xla=config.xla,
                    mixed_precision=config.mixed_precision,
                )
            case "kserve":
                return _remote(folder, manifest, config)
            case _:
                assert_never(runtime)
    except ArtifactError as error:
        raise ModelError(str(error)) from error


def _remote(folder: Path, manifest: GarmentManifest, config: ClassifierConfig) -> Classifier:
    """Build the one that asks a server, beside the LiteRT one that takes over from it."""
    if importlib.util.find_spec("tritonclient") is None:
        raise ModelError(
            '[classifier] runtime = "kserve", but tritonclient is not installed; pip install "vestibule[kserve]"'
        )
    from vestibule.classifiers.kserve import KserveClassifier  # noqa: PLC0415 - loads gRPC
    from vestibule.classifiers.litert import LitertClassifier  # noqa: PLC0415 - loads its runtime

    assert config.remote is not None, "the section demands it"  # noqa: S101
    return KserveClassifier(config.remote, LitertClassifier(folder, manifest, threads=threads_of(config.threads)))


def choose_runtime(
    wanted: Literal["auto", "litert", "tensorflow", "kserve"],
) -> Literal["litert", "tensorflow", "kserve"]:
    """Resolve `auto`: TensorFlow where it is installed and sees a GPU, else LiteRT.

    Raises:
        ModelError: TensorFlow is asked for and not installed.
    """
    if wanted == "tensorflow":
        demand_tensorflow("classifier")
    if wanted != "auto":
        return wanted
    return "tensorflow" if has_gpu() else "litert"
