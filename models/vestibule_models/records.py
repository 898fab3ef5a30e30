"""What a training run leaves behind: `run.json`, with what was trained on what, for how long, and how good it is."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError
from vestibule_models.calibration import average_precision, binary_accuracy, bootstrap_map, top_k

RECORD = "run.json"
SCHEMA_VERSION = 1
MIN_POSITIVES = 10
"""A category with fewer positives among the photos measured does not count in the macro average precision."""
Floats = NDArray[np.floating]


def measure(targets: Floats, probs: Floats, names: Sequence[str]) -> dict[str, Any]:
    """Return the figures of some photos as plain values.

    Args:
        targets: (N, C), 1 worn, 0 not, -1 not known.
        probs: (N, C), 0 to 1.
        names: of the C labels.
    """
    known = (targets >= 0).astype(np.float64)
    worn = np.maximum(targets, 0)
    positives = (worn * known).sum(axis=0)
    counted = [i for i in range(len(names)) if positives[i] >= MIN_POSITIVES and (known[:, i] > worn[:, i]).any()]
    return {
        "photos": len(targets),
        "known_labels": int(known.sum()),
        "binary_accuracy": binary_accuracy(worn, probs, known),
        "all_no_accuracy": binary_accuracy(worn, np.zeros_like(probs), known),
        "top1": asdict(top_k(worn, probs, known, 1)),
        "top3": asdict(top_k(worn, probs, known, 3)),
        "macro_ap": asdict(bootstrap_map(worn, probs, known, counted)) if counted else None,
        "counted": [names[i] for i in counted],
        "per_category": {
            names[i]: {
                "positives": int(positives[i]),
                "ap": average_precision(worn[known[:, i] > 0, i], probs[known[:, i] > 0, i]) if positives[i] else None,
            }
            for i in range(len(names))
        },
    }


def machine() -> dict[str, Any]:
    """Return what the run is on: processor, cores, accelerator, Python and Keras; never the machine's name."""
    import keras  # noqa: PLC0415 - a backend is paid for only where a network is trained

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpu": _gpu(),
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
    }


def write(folder: Path, record: dict[str, Any]) -> None:
    """Write `folder/run.json`; figures that are no number become null."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{RECORD}.part"
    part.write_text(json.dumps(_plain(record), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    part.replace(folder / RECORD)


def read(path: Path) -> dict[str, Any]:
    """Return a record.

    Args:
        path: of the file, or of the folder that holds `run.json`.

    Raises:
        ArtifactError: it is missing, or no record of this version.
    """
    path = path / RECORD if path.is_dir() else path
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtifactError(
            f"cannot read {path} ({error.strerror}); name the folder of a run or its run.json"
        ) from error
    except ValueError as error:
        raise ArtifactError(f"{path} is no JSON: {error}") from error
    if not isinstance(record, dict) or record.get("schema_version") != SCHEMA_VERSION:
        raise ArtifactError(f"{path} is no record of a run with schema_version {SCHEMA_VERSION}")
    return record


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if np.isfinite(value) else None
    return value


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _gpu() -> str | None:
    try:
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return said.strip().splitlines()[0] if said.strip() else None
