"""What is known of the garment groups, from what is known of their members; imports numpy only."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vestibule_models.labels import LABELS, MEMBERS

Precision = TypeVar("Precision", np.float32, np.float64)
Floats = NDArray[np.float32]

_COLUMNS = [[LABELS.index(label) for label in members] for members in MEMBERS.values()]


def group_scores(probs: NDArray[Precision]) -> NDArray[Precision]:
    """Return (N, 4): how sure it is that any member of each group is worn, taken as independent (noisy-or).

    Args:
        probs: (N, 15), 0 to 1.
    """
    return np.stack([1 - np.prod(1 - probs[:, members], axis=1) for members in _COLUMNS], axis=1)


def group_truth(targets: Floats, known: Floats) -> tuple[Floats, Floats]:
    """Return targets and known float32 (N, 4): worn if any member is, absent if all are known to be, else unknown."""
    truth, told = [], []
    for columns in _COLUMNS:
        worn = (targets[:, columns] * known[:, columns]).max(axis=1)
        truth.append(worn)
        told.append(np.maximum(worn, known[:, columns].min(axis=1)))
    return np.stack(truth, axis=1), np.stack(told, axis=1)
