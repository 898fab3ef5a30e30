"""Networks as graphs of fixed batch sizes, tried on the CPU."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed: vestibule[tensorflow]")

from vestibule.graphs import BucketGraphs  # noqa: E402 - needs TensorFlow


def graphs(most: int, *, xla: bool = False) -> BucketGraphs:
    """Of pictures of two numbers: their sum, and twice each."""
    return BucketGraphs(
        lambda pictures: (tf.reduce_sum(tf.cast(pictures, tf.float32), axis=1), 2 * tf.cast(pictures, tf.float16)),
        shape=(2,),
        dtype="uint8",
        most=most,
        xla=xla,
    )


def test_graphs_are_traced_at_once_and_never_again() -> None:
    run = graphs(6)
    assert run.traces == [1, 2, 4, 8]
    for count in range(1, 20):
        run(np.zeros((count, 2), np.uint8))
    assert run.traces == [1, 2, 4, 8]
    assert graphs(1).traces == [1]


@pytest.mark.parametrize("xla", [False, True])
def test_each_picture_gets_its_own_answer_however_many_there_are(*, xla: bool) -> None:
    run = graphs(4, xla=xla)
    for count in (1, 2, 3, 4, 5, 11, 3, 1):
        pictures = np.random.default_rng(count).integers(0, 100, (count, 2), dtype=np.uint8)
        sums, doubled = run(pictures)
        assert sums.dtype == doubled.dtype == np.float32
        assert sums.tolist() == pictures.sum(axis=1).tolist()
        assert doubled.tolist() == (2 * pictures.astype(int)).tolist()


def test_an_answer_is_the_callers_to_keep() -> None:
    run = graphs(4)
    kept, _ = run(np.full((3, 2), 1, np.uint8))
    run(np.full((3, 2), 9, np.uint8))
    assert kept.tolist() == [2, 2, 2]
