"""IDX files, the form in which MNIST and Fashion-MNIST are given out (LeCun et al., "The MNIST database").

A file begins with two zero bytes, the type of its values, the number of dimensions, and each dimension as four bytes,
the high one first; the values follow.
"""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError

_BYTES = 0x08
"""The type of unsigned bytes, the only one that pictures and labels come in."""
STEMS = {"train": "train", "test": "t10k"}
"""How the files of each split begin."""


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the values of one file, plain or gzipped.

    Raises:
        ArtifactError: the file is missing, no IDX file of bytes, or shorter or longer than it says.
    """
    try:
        data = path.read_bytes()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise ArtifactError(f"cannot read {path}: {error}") from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != _BYTES:  # noqa: PLR2004 - the fixed part of the header
        raise ArtifactError(f"{path} is no IDX file of unsigned bytes; it begins with {data[:4].hex() or 'nothing'}")
    dimensions = data[3]
    start = 4 + 4 * dimensions
    if len(data) < start:
        raise ArtifactError(f"{path} ends within its header of {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", data[4:start])
    expected = int(np.prod([int(size) for size in shape], dtype=object)) if shape else 1
    if len(data) - start != expected:
        raise ArtifactError(f"{path} says {shape} values, {expected} bytes; it has {len(data) - start}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def is_idx(folder: Path) -> bool:
    """Return whether a folder holds training pictures in this form."""
    return _find(folder, "train-images-idx3-ubyte") is not None


def read_pair(folder: Path, split: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a split's pictures uint8 (N, H, W) and labels uint8 (N,).

    Args:
        folder: holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-...`, each plain or `.gz`.
        split: train or test.

    Raises:
        ArtifactError: a file is missing or damaged, or there are more labels than pictures.
    """
    arrays = []
    for name in (f"{STEMS[split]}-images-idx3-ubyte", f"{STEMS[split]}-labels-idx1-ubyte"):
        path = _find(folder, name)
        if path is None:
            raise ArtifactError(f"{folder} lacks {name} or {name}.gz")
        arrays.append(read_idx(path))
    images, labels = arrays
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):  # noqa: PLR2004 - pictures in rows
        raise ArtifactError(f"{folder}: {STEMS[split]} has pictures {images.shape} and labels {labels.shape}")
    return images, labels


def _find(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
