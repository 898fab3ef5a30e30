"""The files are written here by hand in the old format, since PyTorch is not installed."""

import io
import os
import pickle
import struct
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vestibule_models.artifact import ArtifactError
from vestibule_models.torch_weights import MAGIC, load_torch_weights


class FloatStorage:
    def __init__(self, key: str, values: list[float]) -> None:
        self.key, self.values = key, values


class Tensor:
    def __init__(self, storage: FloatStorage, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> None:
        self.args: tuple[Any, ...] = (storage, offset, size, stride, False, OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.args


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: object) -> tuple[Any, ...] | None:
        if isinstance(obj, FloatStorage):
            return ("storage", sys.modules["torch"].FloatStorage, obj.key, "cpu", len(obj.values), None)
        return None


@pytest.fixture(autouse=True)
def torch_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins of the two names that such a file refers to, so that it can be pickled."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    storage = type("FloatStorage", (), {"__module__": "torch"})
    torch.FloatStorage = storage  # type: ignore[attr-defined]

    def _rebuild_tensor_v2() -> None: ...

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


def write(path: Path, state: dict[str, Tensor], storages: list[FloatStorage]) -> None:
    file = io.BytesIO()
    for part in (MAGIC, 1001, {"little_endian": True}):
        pickle.dump(part, file, protocol=2)
    _Pickler(file, protocol=2).dump(OrderedDict(state))
    pickle.dump([storage.key for storage in storages], file, protocol=2)
    for storage in storages:
        file.write(struct.pack("<q", len(storage.values)) + np.array(storage.values, "<f4").tobytes())
    path.write_bytes(file.getvalue())


def test_tensors_share_storages_with_offset_and_stride(tmp_path: Path) -> None:
    storage = FloatStorage("1", [0, 1, 2, 3, 4, 5, 6])
    state = {"a": Tensor(storage, 0, (2, 3), (3, 1)), "t": Tensor(storage, 1, (3, 2), (1, 3))}
    write(tmp_path / "w.pth", state, [storage])
    weights = load_torch_weights(tmp_path / "w.pth")
    assert weights["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert weights["t"].tolist() == [[1, 4], [2, 5], [3, 6]]


def test_a_tensor_may_not_reach_past_its_storage(tmp_path: Path) -> None:
    storage = FloatStorage("1", [0, 1, 2])
    write(tmp_path / "w.pth", {"a": Tensor(storage, 1, (3,), (1,))}, [storage])
    with pytest.raises(ArtifactError, match="past the end"):
        load_torch_weights(tmp_path / "w.pth")


def test_a_file_cut_off_is_refused(tmp_path: Path) -> None:
    storage = FloatStorage("1", [0, 1, 2])
    write(tmp_path / "w.pth", {"a": Tensor(storage, 0, (3,), (1,))}, [storage])
    content = (tmp_path / "w.pth").read_bytes()
    (tmp_path / "w.pth").write_bytes(content[:-2])
    with pytest.raises(ArtifactError, match="not a PyTorch state dictionary"):
        load_torch_weights(tmp_path / "w.pth")


def test_nothing_else_in_a_pickle_is_run(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "harm"),)

    (tmp_path / "w.pth").write_bytes(pickle.dumps(Attack(), protocol=2))
    with pytest.raises(ArtifactError, match="mkdir is not part of a state dictionary"):
        load_torch_weights(tmp_path / "w.pth")
    assert not (tmp_path / "harm").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot read"):
        load_torch_weights(tmp_path / "none.pth")
