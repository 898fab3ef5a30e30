"""What a person detector gets wrong among its training pictures, so that training can show it more often.

Hard examples are mined once, before the training (as Felzenszwalb et al. 2010, "Object Detection with Discriminatively
Trained Part-Based Models", mine hard negatives): rendered people that the detector misses in drawn rooms, and places
without people in which it sees somebody, windows of photos and drawn rooms with posters and mirrors. Who is missed
decides, not who somebody is.
"""

from dataclasses import replace

import numpy as np

from vestibule_models.fairness import Find, best_overlap, put_into_room
from vestibule_models.persons_decode import Bytes
from vestibule_models.persons_empty import furnished_rooms
from vestibule_models.persons_sources import Sources

ROOMS = 4
"""Drawn for each rendered person."""
EMPTY_ROOMS = 1500
"""Drawn with posters and mirrors; the detector that ships sees somebody in one of forty."""
_LEAST_IOU = 0.5


def repeat_hard(
    sources: Sources, find: Find, threshold: float, *, times: int, seed: int
) -> tuple[Sources, dict[str, int]]:
    """Return the sources with what the detector gets wrong `times` times, and how many of each that is.

    Args:
        sources: of the training split.
        find: the detector.
        threshold: boxes with a lower score are not believed.
        times: each hard picture shows up so often.
        seed: of the rooms; other than that of an evaluation.
    """
    streams = [np.random.default_rng([seed, number]) for number in range(len(sources.sprites))]
    missed = [
        sprite
        for sprite, rng in zip(sources.sprites, streams, strict=True)
        if not all(_finds(find, threshold, sprite, rng) for _ in range(ROOMS))
    ]
    haunted = [place for place in sources.places if (find(place)[1] >= threshold).any()]
    rooms_with_box = [room for room in furnished_rooms(EMPTY_ROOMS, seed) if (find(room)[1] >= threshold).any()]
    more = replace(
        sources,
        sprites=[*sources.sprites, *missed * (times - 1)],
        places=[*sources.places, *haunted * (times - 1), *rooms_with_box * times],
    )
    counts = {"missed sprites": len(missed), "places with a box": len(haunted), "rooms with a box": len(rooms_with_box)}
    return more, counts


def _finds(find: Find, threshold: float, sprite: Bytes, rng: np.random.Generator) -> bool:
    image, person = put_into_room(sprite[..., [2, 1, 0, 3]], rng)
    return best_overlap(person, *find(image), threshold) >= _LEAST_IOU
