import numpy as np
import pytest

from vestibule_models import persons_hard
from vestibule_models.persons_decode import Bytes, Floats
from vestibule_models.persons_hard import ROOMS, repeat_hard
from vestibule_models.persons_sources import Sources

NOBODY = (np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
GREEN, BLUE = (0, 255, 0, 255), (255, 0, 0, 255)
"""BGRA, as sprites are."""


def sprite(colour: tuple[int, int, int, int]) -> Bytes:
    image = np.zeros((120, 50, 4), np.uint8)
    image[10:110, 10:40] = colour
    return image


def sees_green(image: Bytes) -> tuple[Floats, Floats]:
    """A detector that finds what is much greener than it is red or blue."""
    blue, green, red = (image[..., channel].astype(np.int32) for channel in range(3))
    rows, columns = np.nonzero((green > 2 * blue + 10) & (green > 2 * red + 10))
    if not len(rows):
        return NOBODY
    box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
    return box, np.array([0.9], np.float32)


@pytest.fixture(autouse=True)
def two_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of two rooms without people is grey, the second green."""
    monkeypatch.setattr(persons_hard, "furnished_rooms", lambda *_: iter([plain((9, 9, 9)), plain((0, 99, 0))]))


def sources(sprites: list[Bytes], places: list[Bytes]) -> Sources:
    return Sources(photos=[], cutouts=[], sprites=sprites, places=places, things=[])


def plain(colour: tuple[int, int, int]) -> Bytes:
    return np.full((36, 64, 3), colour, np.uint8)


def test_who_is_missed_and_places_with_a_box_come_more_often() -> None:
    seen: list[Bytes] = []

    def find(image: Bytes) -> tuple[Floats, Floats]:
        seen.append(image)
        return sees_green(image) if image.shape[0] == 36 else NOBODY

    given = sources([sprite(BLUE), sprite(GREEN)], [plain((0, 200, 0)), plain((90, 90, 90))])
    more, hard = repeat_hard(given, find, 0.5, times=3, seed=1)
    assert hard == {"missed sprites": 2, "places with a box": 1, "rooms with a box": 1}
    assert (len(more.sprites), len(more.places)) == (6, 7)
    assert sum(np.array_equal(place, plain((0, 99, 0))) for place in more.places) == 3
    assert sum(np.array_equal(place, given.places[0]) for place in more.places) == 3
    assert sum(image.shape[0] == 360 for image in seen) == 2  # one miss is enough


def test_who_is_always_found_comes_once() -> None:
    rooms = []

    def everywhere(image: Bytes) -> tuple[Floats, Floats]:
        """Boxes of every size at every place: somebody's is among them."""
        rooms.append(image)
        grid = [
            (x, y, x + height * 0.3, y + height)
            for height in 40 * 1.25 ** np.arange(11)
            for x in np.arange(0, 640, height * 0.06)
            for y in np.arange(0, 360, height * 0.2)
        ]
        return np.array(grid, np.float32), np.ones(len(grid), np.float32)

    more, hard = repeat_hard(sources([sprite(GREEN)], []), everywhere, 0.5, times=5, seed=1)
    assert hard == {"missed sprites": 0, "places with a box": 0, "rooms with a box": 2}
    assert len(more.sprites) == 1
    assert sum(room.shape[0] == 360 for room in rooms) == ROOMS
