"""Whether there is a GPU, on machines that are made up."""

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from vestibule import gpu
from vestibule.errors import ModelError


def machine(monkeypatch: pytest.MonkeyPatch, *, devices: Sequence[str], installed: bool, gpus: Sequence[str]) -> None:
    """A machine with these device nodes and TensorFlow, or without, which sees these GPUs and must not ask in vain."""

    class Dev:
        def __init__(self, folder: str) -> None:
            assert folder == "/dev"

        def glob(self, pattern: str) -> Iterator[Path]:
            return (Path("/dev") / name for name in devices if Path(name).match(pattern))

    def list_physical_devices(kind: str) -> Sequence[str]:
        assert installed
        assert set(devices) & {"nvidia0", "kfd"}
        return gpus if kind == "GPU" else ["CPU:0"]

    real = importlib.util.find_spec
    monkeypatch.setattr(gpu, "Path", Dev)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: installed or None if name == "tensorflow" else real(name)
    )
    config = SimpleNamespace(list_physical_devices=list_physical_devices)
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(config=config))


@pytest.mark.parametrize("device", ["nvidia0", "kfd"])
@pytest.mark.parametrize("gpus", [["GPU:0"], []])
def test_tensorflow_is_asked_where_there_is_a_gpus_device(
    monkeypatch: pytest.MonkeyPatch, device: str, gpus: list[str]
) -> None:
    machine(monkeypatch, devices=["null", device], installed=True, gpus=gpus)
    assert gpu.has_gpu() == bool(gpus)


@pytest.mark.parametrize(("devices", "installed"), [(["null", "video0", "nvidiactl"], True), (["nvidia0"], False)])
def test_tensorflow_is_not_loaded_in_vain(
    monkeypatch: pytest.MonkeyPatch, devices: list[str], *, installed: bool
) -> None:
    machine(monkeypatch, devices=devices, installed=installed, gpus=["GPU:0"])
    assert not gpu.has_gpu()


def test_who_asks_for_tensorflow_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, devices=[], installed=False, gpus=[])
    with pytest.raises(ModelError, match=r'^\[detector\] .*not installed; pip install "vestibule\[tensorflow\]"'):
        gpu.demand_tensorflow("detector")
