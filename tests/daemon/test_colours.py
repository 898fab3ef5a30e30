"""What somebody wears, as colours."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule import colours

RED, BLUE, GREY = (80, 80, 140), (130, 90, 60), (128, 128, 128)
Colour = tuple[int, int, int]


def shop(*people: tuple[int, Colour, Colour], height: int = 360) -> npt.NDArray[np.uint8]:
    """A grey picture with people at some x: 60 px wide, 180 tall, of two colours, above and below (BGR)."""
    image = np.full((height, 640, 3), GREY, np.uint8)
    for x, above, below in people:
        image[100:190, x : x + 60] = above
        image[190:280, x : x + 60] = below
    return image


def signature(image: npt.NDArray[np.uint8], box_xyxy: list[float]) -> colours.Floats:
    (only,) = colours.signatures(image, np.array([box_xyxy], np.float32))
    return np.asarray(only, np.float32)


def worn(
    image: npt.NDArray[np.uint8], x: float, y: float = 100, width: float = 60, height: float = 180
) -> colours.Floats:
    return signature(image, [x, y, x + width, y + height])


def apart(a: colours.Floats, b: colours.Floats) -> float:
    return float(colours.distance(a, b))


def test_the_same_person_elsewhere_in_the_picture_has_the_same_colours() -> None:
    image = shop((50, RED, BLUE), (400, RED, BLUE))
    assert apart(worn(image, 50), worn(image, 400)) == pytest.approx(0, abs=1e-5)


def test_other_clothes_are_far_apart_and_where_a_colour_is_worn_counts() -> None:
    image = shop((50, RED, BLUE), (200, BLUE, RED), (400, GREY, GREY))
    upright, upside_down, plain = (worn(image, x) for x in (50, 200, 400))
    assert apart(upright, upside_down) > 0.6
    assert apart(upright, plain) > 0.9


def test_clothes_are_the_colours_of_chest_and_legs_without_arms_and_head() -> None:
    image = shop((50, RED, BLUE))
    image[100:125, 50:110] = (200, 220, 240)  # the head
    image[125:280, 50:62] = image[125:280, 98:110] = (0, 255, 0)  # somebody's arms, or what is behind
    found = colours.clothes_lab(image, np.array([50, 100, 110, 280], np.float32))
    lab = cv2.cvtColor(np.array([[RED, BLUE]], np.uint8), cv2.COLOR_BGR2LAB)[0].astype(float) - (0, 128, 128)
    assert found == pytest.approx(lab.ravel())
    assert found.dtype == np.float32


@given(st.tuples(*[st.floats(-100, 800, width=32)] * 4))
def test_clothes_have_a_colour_wherever_the_box_is(box: tuple[float, ...]) -> None:
    found = colours.clothes_lab(shop((50, RED, BLUE)), np.array(box, np.float32))
    assert found.shape == (6,)
    assert np.isfinite(found).all()


def test_a_box_a_little_off_changes_little() -> None:
    image = shop((50, RED, BLUE))
    assert apart(worn(image, 50), worn(image, 56, 105, 64, 172)) < 0.1


def test_the_sides_of_the_box_say_nothing() -> None:
    image = shop((50, RED, BLUE))
    beside = image.copy()
    beside[:, 50:60] = beside[:, 100:110] = (0, 255, 0)
    assert apart(worn(image, 50), worn(beside, 50)) == pytest.approx(0, abs=1e-5)


def test_the_size_of_the_picture_changes_little() -> None:
    image = shop((50, RED, BLUE))
    large = image.repeat(3, axis=0).repeat(3, axis=1)
    assert apart(worn(image, 50), worn(large, 150, 300, 180, 540)) < 0.05


coordinates = st.floats(-2000, 2000, width=32)


@given(coordinates, coordinates, st.floats(0, 3000, width=32), st.floats(0, 3000, width=32))
def test_any_box_has_a_signature_of_length_one(x: float, y: float, width: float, height: float) -> None:
    found = worn(shop((50, RED, BLUE)), x, y, width, height)
    assert found.shape == (colours.SIZE,)
    assert found.dtype == np.float32
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)
    assert apart(found, found) == pytest.approx(0, abs=1e-5)


def test_the_colours_of_a_box_do_not_depend_on_the_others() -> None:
    noise = np.random.default_rng(3).integers(90, 170, (90, 160, 3), np.uint8)
    boxes = np.array([(0, 0, 40, 90), (20, 5, 150, 80), (-9, -9, 3, 3), (60, 10, 61, 11)], np.float32)
    together = colours.signatures(noise, boxes)
    assert [row.tolist() for row in together] == [signature(noise, box.tolist()).tolist() for box in boxes]


def test_nobody_has_no_colours() -> None:
    assert colours.signatures(np.zeros((9, 9, 3), np.uint8), np.zeros((0, 4), np.float32)).shape == (0, colours.SIZE)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_bins_are_counted_as_opencv_s_histogram_counts_them(height: int, width: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(60, 200, (height, width, 3), np.uint8)
    (found,) = colours.signatures(image, np.array([(0, 0, width, height)], np.float32))
    sample = np.empty((48, 12, 3), np.uint8)
    colours._sample(image, (0, 0, width, height), sample)
    lab = cv2.cvtColor(sample, cv2.COLOR_BGR2LAB)
    parts = [
        cv2.calcHist([lab[top : top + 16]], [0, 1, 2], None, [6] * 3, [0, 256, 96, 160, 96, 160]) for top in (0, 16, 32)
    ]
    counts = np.concatenate([part.ravel() for part in parts])
    expected = np.sqrt(counts / counts.sum()) if counts.sum() >= 144 else np.zeros_like(counts)
    assert found.tolist() == expected.tolist()


def test_a_picture_of_one_pixel_is_borne() -> None:
    assert np.isfinite(signature(np.zeros((1, 1, 3), np.uint8), [0, 0, 1, 1])).all()


def test_of_colours_too_vivid_for_the_bins_nothing_is_known() -> None:
    vivid = np.full((100, 100, 3), (255, 0, 255), np.uint8)
    assert not signature(vivid, [0, 0, 100, 100]).any()


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_medians_by_counting_are_those_of_numpy(height: int, width: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    assert colours._medians(image).tolist() == np.median(image.reshape(-1, 3), axis=0).tolist()
