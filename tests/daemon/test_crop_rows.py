"""Crops next to each other are a batch without a copy; all others are copied, and nobody's picture is written over."""

import numpy as np
import numpy.typing as npt
import pytest

from vestibule.crop_rows import CropRows, together
from vestibule.types import read_only
from vestibule_models.artifact import InputSpec

SPEC = InputSpec(height=6, width=4, colour="rgb", dtype="uint8", resize="letterbox-centre")
MANY = 100
"""More than a block holds."""


def written(rows: CropRows, count: int) -> list[npt.NDArray[np.uint8]]:
    """So many crops, each filled with its number, read-only as a Crop makes them."""
    crops = []
    for number in range(count):
        row = rows.next()
        row.fill(number)
        crops.append(read_only(row))
    return crops


def test_crops_that_follow_each_other_are_a_batch_without_a_copy() -> None:
    crops = written(CropRows(SPEC), 7)
    for begin, end in ((0, 7), (0, 1), (3, 6)):
        batch = together(crops[begin:end])
        assert batch.shape == (end - begin, 6, 4, 3)
        assert batch[:, 0, 0, 0].tolist() == list(range(begin, end))
        assert all(np.shares_memory(batch[n], crop) for n, crop in enumerate(crops[begin:end]))


@pytest.mark.parametrize("order", [[1, 0], [0, 2], [2, 2], [0, 1, 3]])
def test_those_that_do_not_are_copied_in_their_order(order: list[int]) -> None:
    crops = written(CropRows(SPEC), 4)
    batch = together([crops[n] for n in order])
    assert batch[:, 0, 0, 0].tolist() == order
    assert not np.shares_memory(batch, crops[0])


def test_a_row_is_handed_out_once() -> None:
    """A crop may wait in a queue, or be kept: what comes later must not show on it."""
    rows = CropRows(SPEC)
    crops = written(rows, MANY)
    assert [int(crop[0, 0, 0]) for crop in crops] == list(range(MANY))
    assert len({crop.__array_interface__["data"][0] for crop in crops}) == MANY
    batches = [together(crops[begin : begin + 5]) for begin in range(0, MANY, 5)]
    assert np.concatenate(batches)[:, 0, 0, 0].tolist() == list(range(MANY))
    copied = [batch for batch in batches if not any(np.shares_memory(batch, crop) for crop in crops)]
    assert len(copied) < len(batches) / 4  # those across two blocks


def test_pictures_that_are_no_rows_at_all_are_copied_too() -> None:
    alone = [np.full((6, 4, 3), n, np.uint8) for n in range(3)]
    assert together(alone)[:, 0, 0, 0].tolist() == [0, 1, 2]
    larger = np.zeros((20, 4, 3), np.uint8)
    assert together([larger[:6]]).shape == (1, 6, 4, 3)  # a view of something else
    assert together([larger[:6], larger[6:12]]).shape == (2, 6, 4, 3)
