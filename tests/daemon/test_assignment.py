import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from vestibule.assignment import assign

COSTS = st.tuples(st.integers(0, 12), st.integers(0, 12)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(-10, 10) | st.just(1e6))
)


@given(COSTS)
def test_no_other_pairs_cost_less(costs: npt.NDArray[np.float64]) -> None:
    rows, columns = assign(costs)
    assert len(rows) == min(costs.shape)
    assert len(set(rows.tolist())) == len(set(columns.tolist())) == len(rows)
    assert costs[rows, columns].sum() == pytest.approx(costs[linear_sum_assignment(costs)].sum(), abs=1e-6)


def test_rows_come_in_their_order() -> None:
    rows, columns = assign(np.array([[9.0, 1.0], [5.0, 5.0], [1.0, 9.0]]))
    assert (rows.tolist(), columns.tolist()) == ([0, 2], [1, 0])


def test_nobody_is_paired_with_nobody() -> None:
    assert [part.tolist() for part in assign(np.empty((0, 3)))] == [[], []]
