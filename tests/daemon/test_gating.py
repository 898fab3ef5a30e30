import numpy as np
import numpy.typing as npt
import pytest
from fakes import frame

from vestibule.gating import MotionGate, small_grey
from vestibule.motion_section import MotionConfig
from vestibule.types import WHOLE, Columns, Frame

Image = npt.NDArray[np.uint8]
SIZES = [(640, 360), (1920, 1080), (320, 180), (80, 45), (1, 1)]


def aisle(size: tuple[int, int] = (640, 360)) -> Image:
    """Somewhere with nobody in it: uneven, as floors are."""
    return np.random.default_rng(1).integers(60, 120, (size[1], size[0], 3), np.uint8)


def with_person(image: Image, left: float, *, height: float = 0.4) -> Image:
    """The picture with somebody dark at a fraction of its width."""
    image, (rows, columns) = image.copy(), image.shape[:2]
    x, wide = round(left * columns), max(1, round(height * rows / 3))
    image[rows - max(1, round(height * rows)) :, x : x + wide] = 10
    return image


def looks(gate: MotionGate, images: list[Image], *, period_s: float = 0.1) -> list[bool]:
    return [look(gate, frame(i * period_s, image=image)) is not None for i, image in enumerate(images)]


def look(gate: MotionGate, picture: Frame, also: Columns | None = None) -> Columns | None:
    """What of a picture is looked at; it is."""
    columns = gate.opens(picture, also=also)
    if columns is not None:
        gate.looked(picture, columns)
    return columns


@pytest.mark.parametrize("size", SIZES)
def test_an_empty_aisle_is_looked_at_once_a_second(size: tuple[int, int]) -> None:
    assert looks(MotionGate(MotionConfig()), [aisle(size)] * 21) == ([True] + [False] * 9) * 2 + [True]


@pytest.mark.parametrize("size", SIZES[:3])
@pytest.mark.parametrize("height", [0.1, 0.3, 1.0])
def test_somebody_who_comes_in_is_looked_at_at_once(size: tuple[int, int], height: float) -> None:
    empty = aisle(size)
    assert looks(MotionGate(MotionConfig()), [empty, empty, with_person(empty, 0.5, height=height)])[-1]


def test_somebody_who_stands_still_is_looked_at_as_often_as_an_empty_aisle() -> None:
    there = with_person(aisle(), 0.5)
    assert (
        looks(MotionGate(MotionConfig()), [aisle(), *[there] * 20])
        == [True, True, *([False] * 8 + [True, False]) * 2][:21]
    )


def test_creeping_adds_up() -> None:
    """A pixel a frame of 1920 changes next to nothing from frame to frame."""
    empty = aisle((1920, 1080))
    steps = [with_person(empty, 0.5 + number / 1920, height=0.2) for number in range(40)]
    assert sum(looks(MotionGate(MotionConfig(look_every_s=100)), steps)) > 1


def test_grain_is_no_change() -> None:
    grain = np.random.default_rng(2)
    images = [
        np.clip(aisle().astype(int) + grain.normal(0, 6, (360, 640, 3)), 0, 255).astype(np.uint8) for _ in range(9)
    ]
    assert sum(looks(MotionGate(MotionConfig()), images)) == 1


def test_light_that_goes_on_is_looked_at_once() -> None:
    assert looks(MotionGate(MotionConfig()), [aisle(), aisle() + 40, aisle() + 40]) == [True, True, False]


def test_a_picture_of_another_size_is_looked_at() -> None:
    assert looks(MotionGate(MotionConfig()), [np.zeros((90, 160, 3), np.uint8), np.zeros((180, 320, 3), np.uint8)]) == [
        True,
        True,
    ]


def test_a_reason_besides_motion_opens_it_and_the_wait_begins_anew() -> None:
    gate = MotionGate(MotionConfig())
    found = [look(gate, frame(i / 10, image=aisle()), WHOLE if i == 5 else None) for i in range(16)]
    assert found == [WHOLE if i in {0, 5, 15} else None for i in range(16)]


def test_a_clock_that_is_set_back_opens_it() -> None:
    gate = MotionGate(MotionConfig())
    assert [look(gate, frame(at_s, image=aisle())) for at_s in (1000.0, 10.0)] == [WHOLE, WHOLE]


def test_where_little_has_changed_only_that_is_looked_at() -> None:
    gate, empty = MotionGate(MotionConfig()), aisle()
    assert look(gate, frame(0.0, image=empty)) == WHOLE
    first, last = look(gate, frame(0.1, image=with_person(empty, 0.5))) or WHOLE
    width = 0.4 * 360 / 3 / 640
    assert 0.5 - 0.02 < first < 0.5 < 0.5 + width < last < 0.5 + width + 0.02
    both = look(gate, frame(0.2, image=with_person(with_person(empty, 0.5), 0.8)), (0.1, 0.2))
    assert both is not None
    assert (both[0], 0.8 + width < both[1] < 0.8 + width + 0.02) == (0.1, True)


def test_what_was_looked_at_is_compared_with_from_then_on_and_what_was_not_is_not() -> None:
    gate, empty = MotionGate(MotionConfig()), aisle()
    look(gate, frame(0.0, image=empty))
    there = frame(0.1, image=with_person(with_person(empty, 0.2), 0.7))
    assert gate.opens(there) is not None
    gate.looked(there, (0.5, 1.0))
    first, last = gate.opens(frame(0.2, image=there.image)) or WHOLE
    assert 0.18 < first < last < 0.3
    assert gate.opens(frame(0.3, image=with_person(empty, 0.7))) is None


def test_a_look_at_a_region_does_not_put_off_the_look_at_all_of_it() -> None:
    gate, empty = MotionGate(MotionConfig()), aisle()
    steps = [with_person(empty, 0.3 + number / 100) for number in range(21)]
    found = [look(gate, frame(number / 10, image=image)) for number, image in enumerate(steps)]
    assert [number for number, columns in enumerate(found) if columns == WHOLE] == [0, 10, 20]
    assert all(columns is not None and columns[1] - columns[0] < 0.2 for columns in found[1:10])


def test_regions_switched_off_all_of_it_is_looked_at() -> None:
    gate = MotionGate(MotionConfig(regions=False))
    images = [aisle(), with_person(aisle(), 0.5), with_person(aisle(), 0.5)]
    assert [look(gate, frame(i / 10, image=image)) for i, image in enumerate(images)] == [WHOLE, WHOLE, None]


def test_switched_off_it_is_always_open() -> None:
    assert all(looks(MotionGate(MotionConfig(enabled=False)), [aisle()] * 5))


def test_the_small_picture_is_the_mean_of_what_it_stands_for() -> None:
    image = np.zeros((180, 320, 3), np.uint8)
    image[::2, :, 1] = 200
    assert np.all(small_grey(image) == 100)
