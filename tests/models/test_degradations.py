import numpy as np
import pytest

from vestibule_models.degradations import DEGRADATIONS, scaled_to


def picture(height: int = 280, width: int = 100) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_each_changes_a_picture_the_same_way_every_time(name: str) -> None:
    before = picture()
    image = before.copy()
    once, again = DEGRADATIONS[name](image), DEGRADATIONS[name](image)
    assert np.array_equal(once, again)
    assert np.array_equal(image, before)
    assert once.dtype == np.uint8
    assert once.shape != before.shape or not np.array_equal(once, before)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_a_picture_of_one_pixel_survives(name: str) -> None:
    assert DEGRADATIONS[name](picture(1, 1)).shape == (1, 1, 3)


def test_pictures_shrink_to_the_height_and_never_grow() -> None:
    assert scaled_to(96)(picture(280, 100)).shape == (96, 34, 3)
    assert scaled_to(96)(picture(60, 30)).shape == (60, 30, 3)
    assert scaled_to(64)(picture(1000, 3)).shape == (64, 1, 3)


def test_colours_keep_their_order() -> None:
    red = np.zeros((80, 40, 3), np.uint8)
    red[..., 0] = 200
    for name, degrade in DEGRADATIONS.items():
        seen = degrade(red).mean(axis=(0, 1))
        assert seen[0] > 3 * max(seen[1:]), name
