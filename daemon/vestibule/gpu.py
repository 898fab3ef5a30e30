"""Whether TensorFlow is here, and a GPU for it; found out without loading it where there is none."""

import importlib.util
from pathlib import Path

from vestibule.errors import ModelError

_DEVICES = ("nvidia[0-9]*", "kfd", "nvhost*")
"""NVIDIA's, AMD's and Jetson's device nodes; without one, TensorFlow's ten seconds of import can be saved."""


def has_gpu() -> bool:
    """Return whether TensorFlow is installed and sees a GPU."""
    if not _installed() or not any(next(Path("/dev").glob(name), None) for name in _DEVICES):
        return False
    import tensorflow as tf  # noqa: PLC0415 - a box that runs LiteRT never pays for it

    return bool(tf.config.list_physical_devices("GPU"))


def demand_tensorflow(section: str) -> None:
    """Complain if a section of the configuration asks for TensorFlow and it is not installed.

    Raises:
        ModelError: it is not.
    """
    if not _installed():
        raise ModelError(
            f'[{section}] runtime = "tensorflow", but TensorFlow is not installed; '
            'pip install "vestibule[tensorflow]", or use runtime = "litert"'
        )


def _installed() -> bool:
    return importlib.util.find_spec("tensorflow") is not None
