"""How long somebody may take from one camera to the next."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.sections import CameraConfig, EntranceConfig
from vestibule.stay_sections import StaysConfig
from vestibule.walks import LEARNT_FROM, Walks

DOOR, SIDE = (CameraConfig(id=name, source="0") for name in ("door", "side-door"))
HALL, TILL = (CameraConfig(id=name, role="floor", source="0") for name in ("hall", "till"))


def walks(*cameras: CameraConfig, **config: object) -> Walks:
    return Walks(cameras or (DOOR, SIDE, HALL, TILL), StaysConfig.model_validate({"max_walk_s": 100, **config}))


@pytest.mark.parametrize(
    ("way", "window"),
    [
        (("door", "hall"), (0, 100)),
        (("hall", "door"), (0, 100)),
        (("hall", "till"), (0, 100)),
        (("door", "side-door"), None),
        (("hall", "hall"), None),
        (("hall", "attic"), None),
    ],
)
def test_one_of_two_cameras_is_on_the_floor(way: tuple[str, str], window: tuple[float, float] | None) -> None:
    assert walks().window_s(*way) == window


def test_over_an_entrance_line_people_come_from_outside() -> None:
    line = EntranceConfig(line=((0.1, 0.5), (0.9, 0.5)), inside=(0.5, 0.9))
    door = DOOR.model_copy(update={"entrance": line})
    found = walks(door, HALL)
    assert (found.window_s("door", "hall"), found.window_s("hall", "door")) == ((0, 100), None)
    back = {"from_camera": "hall", "to_camera": "door", "min_s": 0, "max_s": 50}
    assert walks(door, HALL, walks=[back]).window_s("hall", "door") == (0, 50)


def test_a_configured_way_is_of_one_direction_and_may_be_between_entrances() -> None:
    asked = [{"from_camera": "door", "to_camera": to, "min_s": -5, "max_s": 300} for to in ("hall", "side-door")]
    found = walks(walks=asked)
    assert [found.window_s("door", to) for to in ("hall", "side-door", "till")] == [(-5, 300), (-5, 300), (0, 100)]
    assert [found.window_s(to, "door") for to in ("hall", "side-door")] == [(0, 100), None]
    assert found.longest_s == 300


def test_nothing_is_linked_where_it_is_turned_off_or_there_is_one_camera() -> None:
    for found in (walks(enabled=False), walks(HALL), walks(DOOR, SIDE)):
        assert not found.any
        assert found.longest_s == 0


def learned(times_s: list[float], **config: object) -> tuple[float, float] | None:
    found = walks(learn_walks=True, **config)
    for walk_s in times_s:
        found.note("door", "hall", walk_s)
    assert found.window_s("hall", "door") == (0, 100)  # the other direction has its own
    assert found.longest_s == 100
    return found.window_s("door", "hall")


def test_a_window_is_learned_from_enough_walks_and_leaves_room_to_change() -> None:
    times_s = np.linspace(10, 20, LEARNT_FROM).tolist()
    assert learned(times_s[1:]) == (0, 100)
    assert learned(times_s) == pytest.approx((5.25, 39))
    assert learned([*times_s, 95.0]) == pytest.approx((5.25, 40), abs=0.1)  # one who lingered changes little
    assert learned([*times_s, *np.linspace(30, 38, 100)]) == pytest.approx((15.2, 75.2))  # the latest hundred count


def test_it_is_never_longer_than_what_is_configured() -> None:
    assert learned([80.0] * LEARNT_FROM) == (40, 100)


def test_what_is_configured_is_not_learned_and_learning_is_off_unless_asked_for() -> None:
    way = {"from_camera": "door", "to_camera": "hall", "min_s": 1, "max_s": 100}
    assert learned([10.0] * 50, walks=[way]) == (1, 100)
    found = walks()
    for _ in range(50):
        found.note("door", "hall", 10.0)
    assert found.window_s("door", "hall") == (0, 100)


def test_a_camera_that_is_replaced_is_learned_anew() -> None:
    found = walks(learn_walks=True)
    for _ in range(LEARNT_FROM):
        found.note("door", "hall", 10.0)
    found.watch((DOOR, HALL))
    assert found.window_s("door", "hall") == (5, 20)
    found.watch((DOOR, TILL))
    found.watch((DOOR, HALL))
    assert found.window_s("door", "hall") == (0, 100)


@given(st.lists(st.floats(0, 100), min_size=LEARNT_FROM, max_size=150))
def test_what_most_people_did_stays_within_the_window(times_s: list[float]) -> None:
    window = learned(times_s)
    assert window is not None
    latest = times_s[-100:]
    assert sum(window[0] <= walk_s <= window[1] for walk_s in latest) >= 0.85 * len(latest)
