"""How often a person detector sees somebody where nobody is."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from vestibule_models.calibration import Interval, wilson
from vestibule_models.persons_decode import Bytes, Floats
from vestibule_models.persons_places import draw_place, furnish

ROOMS = 1000
_HEIGHT, _WIDTH = 360, 640


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """Of pictures that show nobody.

    Attributes:
        pictures: how many.
        with_box: share of them with a box at or above the threshold, with Wilson's interval.
    """

    pictures: int
    with_box: Interval


def drawn_rooms(count: int, seed: int) -> Iterator[Bytes]:
    """Draw rooms with shelves, rails, lamps and stands, uint8 (360, 640, 3) BGR; the same for the same seed.

    The detector that ships has learnt from others drawn alike, so they are easier for it than a shop.
    """
    return (draw_place(np.random.default_rng([seed, number, _HEIGHT]), _HEIGHT, _WIDTH) for number in range(count))


def furnished_rooms(count: int, seed: int) -> Iterator[Bytes]:
    """Draw other rooms, with posters on the walls, polished floors and mirrors, which no training has shown."""
    for number in range(count):
        rng = np.random.default_rng([seed, number, _HEIGHT, _WIDTH])
        image = draw_place(rng, _HEIGHT, _WIDTH)
        furnish(rng, image)
        yield image


def look_for_nobody(
    find: Callable[[Bytes], tuple[Floats, Floats]], pictures: Iterable[Bytes], threshold: float
) -> Empty | None:
    """Count the pictures in which somebody is found; None without a picture."""
    found = [bool((find(image)[1] >= threshold).any()) for image in pictures]
    return Empty(pictures=len(found), with_box=wilson(sum(found), len(found))) if found else None
