"""Makes IDX files, the form of MNIST and Fashion-MNIST."""

import gzip
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def coded(values: NDArray[np.uint8]) -> bytes:
    """Return an array as the bytes of a file."""
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_set(folder: Path, count: int = 30, *, zipped: bool = False) -> None:
    """Pictures of ten classes: a bright row at a place that the class says."""
    rng = np.random.default_rng(0)
    for stem in ("train", "t10k"):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = rng.integers(0, 60, (count, 28, 28)).astype(np.uint8)
        images[np.arange(count), 4 + 2 * labels] = 250
        for name, values in ((f"{stem}-images-idx3-ubyte", images), (f"{stem}-labels-idx1-ubyte", labels)):
            data = coded(values)
            path = folder / (f"{name}.gz" if zipped else name)
            path.write_bytes(gzip.compress(data) if zipped else data)
