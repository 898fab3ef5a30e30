"""Pictures fit into a network's input with their aspect kept, and boxes find their way back."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule_models.artifact import InputSpec
from vestibule_models.letterbox import letterbox

Resize = Literal["letterbox-top-left", "letterbox-centre"]


def spec(height: int = 64, width: int = 32, resize: Resize = "letterbox-centre", pad_value: int = 114) -> InputSpec:
    return InputSpec(height=height, width=width, colour="rgb", dtype="uint8", resize=resize, pad_value=pad_value)


@pytest.mark.parametrize(
    ("shape", "inner"),
    [((64, 32), (0, 0, 64, 32)), ((32, 32), (16, 0, 48, 32)), ((128, 16), (0, 12, 64, 20)), ((1, 1), (16, 0, 48, 32))],
)
def test_the_picture_lies_in_the_middle_and_the_rest_is_padding(
    shape: tuple[int, int], inner: tuple[int, int, int, int]
) -> None:
    fitted, placement = letterbox(np.full((*shape, 3), 200, np.uint8), spec(pad_value=7))
    top, left, bottom, right = inner
    assert fitted.shape == (64, 32, 3)
    assert fitted.dtype == np.uint8
    assert (fitted[top:bottom, left:right] == 200).all()
    fitted[top:bottom, left:right] = 7
    assert (fitted == 7).all()
    assert (placement.top, placement.left) == (top, left)


def test_top_left_pads_right_and_below() -> None:
    fitted, placement = letterbox(np.full((32, 32, 3), 200, np.uint8), spec(resize="letterbox-top-left"))
    assert (fitted[:32] == 200).all()
    assert (fitted[32:] == 114).all()
    assert (placement.top, placement.left) == (0, 0)


def test_the_order_of_the_channels_is_kept() -> None:
    fitted, _ = letterbox(np.full((64, 32, 3), (10, 20, 30), np.uint8), spec())
    assert fitted[5, 5].tolist() == [10, 20, 30]


@pytest.mark.parametrize("shape", [(1, 4000), (4000, 1), (3, 2), (1, 1)])
def test_extreme_shapes_leave_at_least_a_pixel(shape: tuple[int, int]) -> None:
    fitted, placement = letterbox(np.full((*shape, 3), 255, np.uint8), spec(pad_value=0))
    assert (fitted == 255).any()
    assert placement.scale_x > 0
    assert placement.scale_y > 0


def test_shrinking_by_much_averages_areas() -> None:
    stripes = np.zeros((192, 96, 3), np.uint8)
    stripes[::3] = 255  # every third row: area means see each alike, bilinear samples would pick some
    fitted, _ = letterbox(stripes, spec())
    assert (fitted == 85).all()


@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    resize=st.sampled_from(["letterbox-top-left", "letterbox-centre"]),
)
def test_the_whole_picture_maps_back_onto_itself(height: int, width: int, resize: Resize) -> None:
    fitted, placement = letterbox(np.full((height, width, 3), 255, np.uint8), spec(resize=resize, pad_value=0))
    rows, columns = np.nonzero(fitted[..., 0])
    box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
    np.testing.assert_allclose(placement.to_frame(box), [[0, 0, width, height]], atol=1e-2)


def test_boxes_in_the_padding_are_clipped_to_the_frame() -> None:
    _, placement = letterbox(np.zeros((32, 32, 3), np.uint8), spec())
    boxes = placement.to_frame(np.array([[-5, 0, 40, 64], [0, 50, 10, 60]], np.float32))
    assert boxes.tolist() == [[0, 0, 32, 32], [0, 32, 10, 32]]
    assert boxes.dtype == np.float32
    assert placement.to_frame(np.zeros((0, 4), np.float32)).shape == (0, 4)
