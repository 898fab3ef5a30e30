"""A garment classifier small enough to be converted and trained in a test, as a model folder."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from vestibule_models.artifact import GarmentManifest, InputSpec, Thresholds, describe_file, save_manifest
from vestibule_models.labels import LABELS

if TYPE_CHECKING:
    import keras

SPEC = InputSpec(height=32, width=16, colour="rgb", dtype="uint8", resize="letterbox-centre")
EMBEDDING = 16


def build(seed: int = 1) -> "keras.Model":
    """A stem, five residual blocks, a head and a projection, random."""
    import keras  # noqa: PLC0415 - only where TensorFlow is installed

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    crops = keras.Input((SPEC.height, SPEC.width, 3), dtype="uint8", name="crops")
    x = layers.Rescaling(1 / 128, -127 / 128)(crops)
    x = layers.Conv2D(8, 4, 4, name="stem")(x)
    for block in range(5):
        inner = layers.ReLU(6.0)(layers.Conv2D(16, 1, name=f"expand{block}")(x))
        x = layers.Add(name=f"add{block}")([x, layers.Conv2D(8, 3, padding="same", name=f"project{block}")(inner)])
    pooled = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
    probs = layers.Dense(len(LABELS), activation="sigmoid", name="probs")(pooled)
    embedding = layers.UnitNormalization()(layers.Dense(EMBEDDING, name="projection")(pooled))
    return keras.Model(crops, {"probs": probs, "embedding": embedding}, name="tiny")


def manifest_of(folder: Path) -> GarmentManifest:
    """A manifest of every model file in the folder."""
    return GarmentManifest(
        schema_version=1,
        kind="garment-classifier",
        name="tiny",
        version="1",
        input=SPEC,
        labels=LABELS,
        embedding_size=EMBEDDING,
        same_person_distance=0.5,
        thresholds={label: Thresholds(positives=30, likely=0.6, certain=0.8) for label in LABELS},
        files={path.name: describe_file(path) for path in sorted(folder.glob("model.*"))},
        provenance={"architecture": "tiny"},
    )


def write(folder: Path, *, litert: bool = True) -> Path:
    """Save the model as .keras, and as .tflite if asked for, with the manifest."""
    folder.mkdir(parents=True)
    model = build()
    model.save(folder / "model.keras")
    if litert:
        from vestibule_models.export_formats import convert  # noqa: PLC0415 - see build

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TensorFlow's own converter uses what TensorFlow deprecates
            convert(model, "float32", folder, np.empty((0, 32, 16, 3), np.uint8))
    save_manifest(folder, manifest_of(folder))
    return folder


def draw_pictures(folder: Path, count: int, *, seed: int = 0) -> list[Path]:
    """Write pictures of coarse patches of colour."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    paths = [folder / f"crop{number:03d}.png" for number in range(count)]
    for path in paths:
        coarse = rng.integers(0, 256, (6, 3, 3), dtype=np.uint8)
        cv2.imwrite(str(path), cv2.resize(coarse, (24, 48), interpolation=cv2.INTER_NEAREST))
    return paths
