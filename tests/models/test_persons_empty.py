from collections.abc import Callable, Iterator

import numpy as np
import pytest

from vestibule_models.persons_decode import Bytes, Floats
from vestibule_models.persons_empty import drawn_rooms, furnished_rooms, look_for_nobody
from vestibule_models.persons_places import add_reflections

BOX = np.array([[0, 0, 9, 9]], np.float32)


def test_pictures_with_any_box_at_the_threshold_are_counted() -> None:
    scores = iter([0.5, 0.49, 0.9, 0.1])

    def find(_: Bytes) -> tuple[Floats, Floats]:
        return BOX, np.array([next(scores), 0.05], np.float32)

    found = look_for_nobody(find, [np.zeros((4, 4, 3), np.uint8)] * 4, 0.5)
    assert found is not None
    assert (found.pictures, found.with_box.value) == (4, 0.5)


def test_without_a_picture_there_is_no_share() -> None:
    assert look_for_nobody(lambda _: (BOX, np.ones(1, np.float32)), [], 0.5) is None


@pytest.mark.parametrize("draw", [drawn_rooms, furnished_rooms])
def test_rooms_repeat_with_their_seed_and_differ(draw: Callable[[int, int], Iterator[Bytes]]) -> None:
    one, again, other = ([*draw(3, seed)] for seed in (1, 1, 2))
    assert {room.shape for room in one} == {(360, 640, 3)}
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert len({room.tobytes() for room in one}) == 3


def test_a_polished_floor_shows_what_stands_above_it() -> None:
    lit = np.zeros((100, 160, 3), np.uint8)
    lit[:50] = 240
    brighter = []
    for seed in range(12):
        seen = lit.copy()
        add_reflections(np.random.default_rng(seed), seen)
        assert seen.shape == lit.shape
        brighter.append(seen[60:].mean() > 5)
    assert any(brighter)
