"""Crops of all cameras become batches."""

import numpy as np
import pytest
from fakes import crop
from hypothesis import given
from hypothesis import strategies as st

from vestibule.batching import Batcher
from vestibule.sections import BatchingConfig
from vestibule.types import CropBatch


def new(max_crops: int = 4, max_wait_ms: float = 40.0) -> Batcher:
    return Batcher(BatchingConfig(max_crops=max_crops, max_wait_ms=max_wait_ms))


def ids(batch: CropBatch | None) -> list[int]:
    assert batch is not None
    return [c.track_id for c in batch.crops]


def test_nothing_waits() -> None:
    batcher = new()
    assert batcher.wait_s(5.0) is None
    assert batcher.take(5.0) is None
    assert batcher.take(5.0, all_of_them=True) is None
    batcher.add((), 5.0)
    assert batcher.wait_s(5.0) is None


def test_a_full_batch_goes_at_once() -> None:
    batcher = new(max_crops=4)
    batcher.add([crop(1), crop(2), crop(3)], 10.0)
    assert batcher.take(10.0) is None
    batcher.add([crop(4)], 10.01)
    assert batcher.wait_s(10.01) == 0.0
    assert ids(batcher.take(10.01)) == [1, 2, 3, 4]
    assert batcher.wait_s(10.01) is None


def test_a_late_batch_goes_though_it_is_not_full() -> None:
    batcher = new(max_wait_ms=40)
    batcher.add([crop(1)], 10.0)
    batcher.add([crop(2)], 10.03)
    assert batcher.wait_s(10.03) == pytest.approx(0.01)
    assert batcher.take(10.039) is None
    assert ids(batcher.take(10.041)) == [1, 2]


def test_the_time_counts_from_the_oldest_crop_that_still_waits() -> None:
    batcher = new(max_crops=2, max_wait_ms=40)
    batcher.add([crop(1), crop(2), crop(3)], 10.0)
    assert ids(batcher.take(10.03)) == [1, 2]
    assert batcher.wait_s(10.03) == pytest.approx(0.01)  # the third has waited since 10.0
    assert batcher.take(10.03) is None
    assert ids(batcher.take(10.05)) == [3]


def test_a_wait_begins_anew_after_everything_went() -> None:
    batcher = new(max_wait_ms=40)
    batcher.add([crop(1)], 10.0)
    assert ids(batcher.take(11.0)) == [1]
    batcher.add([crop(2)], 12.0)
    assert batcher.wait_s(12.0) == pytest.approx(0.04)
    assert batcher.take(12.03) is None


def test_more_than_fits_goes_in_several_batches_in_order() -> None:
    batcher = new(max_crops=4)
    batcher.add([crop(n) for n in range(1, 11)], 10.0)
    assert ids(batcher.take(10.0)) == [1, 2, 3, 4]
    assert ids(batcher.take(10.0)) == [5, 6, 7, 8]
    assert batcher.take(10.0) is None
    assert ids(batcher.take(10.0, all_of_them=True)) == [9, 10]
    assert batcher.take(10.0, all_of_them=True) is None


def test_without_a_wait_every_crop_goes_at_once() -> None:
    batcher = new(max_wait_ms=0)
    batcher.add([crop(1)], 10.0)
    assert batcher.wait_s(10.0) == 0.0
    assert ids(batcher.take(10.0)) == [1]


def test_batches_of_one() -> None:
    batcher = new(max_crops=1)
    batcher.add([crop(1), crop(2)], 10.0)
    assert [ids(batcher.take(10.0)), ids(batcher.take(10.0))] == [[1], [2]]


def test_cameras_share_a_batch_and_pictures_stay_with_their_crops() -> None:
    batcher = new(max_crops=4)
    batcher.add([crop(1, camera_id="door"), crop(2, camera_id="door")], 10.0)
    batcher.add([crop(1, camera_id="back", image=np.full((64, 32, 3), 77, np.uint8))], 10.01)
    batch = batcher.take(10.1)
    assert batch is not None
    assert [(c.camera_id, c.track_id) for c in batch.crops] == [("door", 1), ("door", 2), ("back", 1)]
    assert batch.images.shape == (3, 64, 32, 3)
    assert batch.images.dtype == np.uint8
    assert not batch.images.flags.writeable
    assert batch.images[:, 0, 0, 0].tolist() == [1, 2, 77]
    for one, image in zip(batch.crops, batch.images, strict=True):
        np.testing.assert_array_equal(one.image, image)


@given(
    arrivals=st.lists(st.tuples(st.floats(0, 0.1), st.integers(0, 7)), max_size=30),
    max_crops=st.integers(1, 5),
    max_wait_ms=st.floats(0, 100),
)
def test_every_crop_goes_once_in_order_and_none_waits_too_long(
    arrivals: list[tuple[float, int]], max_crops: int, max_wait_ms: float
) -> None:
    batcher = new(max_crops, max_wait_ms)
    now_s = 0.0
    came: list[int] = []
    went: list[int] = []
    for gap_s, count in arrivals:
        now_s += gap_s
        fresh = [crop(len(came) + n, at_s=now_s) for n in range(count)]
        came += [c.track_id for c in fresh]
        batcher.add(fresh, now_s)
        while batch := batcher.take(now_s):
            assert 1 <= len(batch.crops) <= max_crops
            late = now_s - batch.crops[0].captured_at_s >= max_wait_ms / 1000 - 1e-9
            assert late or len(batch.crops) == max_crops
            went += ids(batch)
        wait_s = batcher.wait_s(now_s)
        assert (wait_s is None) == (came == went)
        assert wait_s is None or 0 < wait_s <= max_wait_ms / 1000 + 1e-9
    while batch := batcher.take(now_s, all_of_them=True):
        went += ids(batch)
    assert went == came
