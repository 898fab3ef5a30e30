"""Pictures fit into a network's input with their aspect kept, and boxes find their way back."""

from typing import Literal

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule_models.artifact import InputSpec
from vestibule_models.letterbox import Fitter, as_input, halved, inner_wh, letterbox

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


@pytest.mark.parametrize("size", [(1080, 1920), (720, 1280), (541, 963)])
def test_halving_a_large_picture_first_is_as_good_as_averaging_areas(size: tuple[int, int]) -> None:
    small = np.random.default_rng(3).integers(0, 256, (18, 32, 3), np.uint8)
    picture = np.asarray(cv2.resize(small, size[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
    wanted = spec(height=192, width=352)
    areas, halves = (letterbox(picture, wanted, by_halves=yes)[0].astype(int) for yes in (False, True))
    assert np.abs(areas - halves).mean() < 2


@pytest.mark.parametrize("size", [(360, 640), (270, 480), (64, 32), (1, 1)])
def test_a_picture_that_is_not_twice_as_large_is_not_halved(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(3).integers(0, 256, (*size, 3), np.uint8)
    wanted = spec(height=192, width=352)
    plain, halved = (letterbox(picture, wanted, by_halves=yes)[0] for yes in (False, True))
    assert (plain == halved).all()


@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    resize=st.sampled_from(["letterbox-top-left", "letterbox-centre"]),
    by_halves=st.booleans(),
)
def test_the_whole_picture_maps_back_onto_itself(height: int, width: int, resize: Resize, *, by_halves: bool) -> None:
    image = np.full((height, width, 3), 255, np.uint8)
    fitted, placement = letterbox(image, spec(resize=resize, pad_value=0), by_halves=by_halves)
    rows, columns = np.nonzero(fitted[..., 0])
    box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
    np.testing.assert_allclose(placement.to_frame(box), [[0, 0, width, height]], atol=1e-2)


def test_boxes_in_the_padding_are_clipped_to_the_frame() -> None:
    _, placement = letterbox(np.zeros((32, 32, 3), np.uint8), spec())
    boxes = placement.to_frame(np.array([[-5, 0, 40, 64], [0, 50, 10, 60]], np.float32))
    assert boxes.tolist() == [[0, 0, 32, 32], [0, 32, 10, 32]]
    assert boxes.dtype == np.float32
    assert placement.to_frame(np.zeros((0, 4), np.float32)).shape == (0, 4)


def test_a_picture_is_written_over_whatever_was_in_its_place() -> None:
    """A batch is written again and again, by frames of other sizes: none may show through in the padding."""
    batch = np.full((2, 64, 32, 3), 99, np.uint8)
    for shape in ((64, 32), (32, 32), (1, 1), (128, 16)):
        image = np.random.default_rng(shape).integers(0, 256, (*shape, 3), np.uint8)
        fresh, placement = letterbox(image, spec())
        written, again = letterbox(image, spec(), out=batch[1])
        assert np.shares_memory(written, batch)
        assert (batch[1] == fresh).all()
        assert placement == again
    assert (batch[0] == 99).all()


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_a_bgr_picture_is_written_in_the_order_of_colours_that_the_network_wants(colour: str) -> None:
    wanted = InputSpec.model_validate({**spec().model_dump(), "colour": colour})
    out = np.zeros((64, 32, 3), np.uint8)
    Fitter(wanted).fit(np.full((64, 32, 3), (10, 20, 30), np.uint8), out)
    assert out[5, 5].tolist() == ([30, 20, 10] if colour == "rgb" else [10, 20, 30])


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400)), min_size=1, max_size=4))
def test_what_is_fitted_before_leaves_no_trace(shapes: list[tuple[int, int]]) -> None:
    """The memory for the halves is kept from picture to picture, larger and smaller ones in turn."""
    wanted, random = spec(), np.random.default_rng(len(shapes))
    fitter, rows = Fitter(wanted), np.empty((len(shapes), 64, 32, 3), np.uint8)
    images = [random.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes]
    placements = [fitter.fit(image, row) for image, row in zip(images, rows, strict=True)]
    for image, row, placement in zip(images, rows, placements, strict=True):
        alone, where = letterbox(image, wanted, by_halves=True)
        assert (row == alone[..., ::-1]).all()
        assert placement == where


@given(st.integers(1, 600), st.integers(1, 400))
def test_a_picture_that_is_looked_at_before_it_is_fitted_is_halved_once(height: int, width: int) -> None:
    """Fitting it writes nothing over it, though it lies in the memory in which `fit` halves."""
    wanted, row = spec(), np.empty((64, 32, 3), np.uint8)
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    fitter = Fitter(wanted)
    small = fitter.halved(image)
    kept = small.copy()
    assert (kept == halved(image, inner_wh(image, wanted))).all()
    fitter.fit(small, row, by_halves=False)
    assert (small == kept).all()
    assert (row == letterbox(kept, wanted)[0][..., ::-1]).all()


def test_a_network_that_scales_by_itself_takes_the_batch_as_it_is() -> None:
    batch = np.zeros((3, 64, 32, 3), np.uint8)
    assert np.shares_memory(as_input(batch, spec()), batch)


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_a_batch_is_scaled_and_laid_out_as_the_manifest_says(layout: str) -> None:
    scaled = {"dtype": "float32", "mean": (1, 2, 3), "scale": 0.5, "layout": layout}
    batch = np.zeros((2, 64, 32, 3), np.uint8)
    batch[1] = (11, 22, 33)
    fed = as_input(batch, InputSpec.model_validate({**spec().model_dump(), **scaled}))
    assert fed.shape == ((2, 64, 32, 3) if layout == "nhwc" else (2, 3, 64, 32))
    assert fed.dtype == np.float32
    assert fed.flags.c_contiguous
    corner = fed[:, 0, 0] if layout == "nhwc" else fed[:, :, 0, 0]
    assert corner.tolist() == [[-0.5, -1, -1.5], [5, 10, 15]]
