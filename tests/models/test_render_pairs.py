"""The pairs show what they are for: the same people twice, some alike, some overtaken, some before one camera only."""

import pytest

from vestibule_models.render_pairs import FIRST, SECOND
from vestibule_models.render_scene import Scene

each = pytest.mark.parametrize("pair", [FIRST, SECOND], ids=["first", "second"])


@each
def test_somebody_is_before_both_cameras_and_somebody_before_one_only(pair: tuple[Scene, Scene]) -> None:
    entrance, floor = ({person.name: person for person in scene.people} for scene in pair)
    both = entrance.keys() & floor.keys()
    assert len(both) >= 8
    assert entrance.keys() - both
    assert floor.keys() - both
    for name in both:
        assert (entrance[name].avatar, entrance[name].tints) == (floor[name].avatar, floor[name].tints)


@each
def test_somebody_overtakes_somebody(pair: tuple[Scene, Scene]) -> None:
    orders = [[p.name for p in sorted(scene.people, key=lambda p: p.start_s)] for scene in pair]
    both = [name for name in orders[0] if name in orders[1]]
    assert both != [name for name in orders[1] if name in orders[0]]


def test_nobody_is_in_both_pairs() -> None:
    avatars = [{person.avatar for scene in pair for person in scene.people} for pair in (FIRST, SECOND)]
    assert not avatars[0] & avatars[1]
