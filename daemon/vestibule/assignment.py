"""Who belongs to whom: pairs of least total cost."""

import lap
import numpy as np
import numpy.typing as npt


def assign(costs: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Pair rows with columns, each once, so that the costs of all pairs add up to the least.

    Jonker and Volgenant 1987, "A Shortest Augmenting Path Algorithm for Dense and Sparse Linear Assignment Problems".

    Args:
        costs: float64 (N, M), finite.

    Returns:
        Indices of the rows, rising, and of their columns: min(N, M) pairs.
    """
    if costs.size == 0:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    _, column_of, _ = lap.lapjv(np.ascontiguousarray(costs, np.float64), extend_cost=True)
    rows = np.flatnonzero(column_of >= 0)
    return rows, column_of[rows].astype(np.intp)
