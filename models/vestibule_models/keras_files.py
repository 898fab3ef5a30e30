"""Keras files of half their size: every weight is one that float16 holds, as in the .tflite files beside them."""

import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


def round_to_float16(model: "keras.Model") -> None:
    """Round every weight to a value that float16 holds, so that both files carry the same ones."""
    model.set_weights([weight.astype(np.float16).astype(weight.dtype) for weight in model.get_weights()])


def save_keras(model: "keras.Model", path: Path) -> None:
    """Save in Keras's own format, packed: the low bits that float16 lacks are zeros, which deflate well."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "model.keras"
        model.save(plain)
        with (
            zipfile.ZipFile(plain) as source,
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed,
        ):
            for name in source.namelist():
                packed.writestr(zipfile.ZipInfo(name), source.read(name), zipfile.ZIP_DEFLATED, 9)
