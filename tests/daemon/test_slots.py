"""The newest frame of each camera, and who goes first."""

import threading
from dataclasses import replace

from fakes import frame

from vestibule.slots import Slots
from vestibule.types import Frame


def of(camera_id: str, seq: int = 0) -> Frame:
    return replace(frame(), camera_id=camera_id, seq=seq)


def names(frames: list[Frame]) -> list[tuple[str, int]]:
    return [(one.camera_id, one.seq) for one in frames]


def test_the_camera_that_waited_longest_goes_first() -> None:
    slots = Slots()
    for camera_id in "abc":
        assert not slots.put(of(camera_id))
    assert slots.put(of("a", 1))  # a newer one waits anew
    assert names(slots.get(0)) == [("b", 0)]
    assert names(slots.get(0)) == [("c", 0)]
    assert names(slots.get(0)) == [("a", 1)]
    assert slots.get(0) == []


def test_several_are_taken_together_but_never_two_of_one_camera() -> None:
    slots = Slots()
    for seq in range(3):
        for camera_id in "abcde":
            slots.put(of(camera_id, seq))
    assert names(slots.get(0, 3)) == [("a", 2), ("b", 2), ("c", 2)]
    assert names(slots.get(0, 3)) == [("d", 2), ("e", 2)]


def test_nobody_waits_for_a_second_frame() -> None:
    slots = Slots()
    timer = threading.Timer(0.05, slots.put, [of("a")])
    timer.start()
    assert names(slots.get(30, 16)) == [("a", 0)]
    timer.join()


def test_what_a_camera_has_put_can_be_forgotten() -> None:
    slots = Slots()
    for camera_id in "ab":
        slots.put(of(camera_id))
    slots.forget({"a", "gone"})
    assert names(slots.get(0, 16)) == [("b", 0)]
