"""What waits undecoded: always decodable, never more than the bounds."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from vestibule.sources.backlog import Backlog


@dataclass(frozen=True)
class Sent:
    number: int
    is_keyframe: bool = False
    size: int = 10


def numbers(backlog: Backlog[Sent]) -> list[int]:
    return [packet.number for packet in backlog.take()]


def filled(*keys: int, count: int, max_bytes: float = 1000, max_s: float = 100) -> Backlog[Sent]:
    """A second from packet to packet."""
    backlog: Backlog[Sent] = Backlog(max_bytes, max_s)
    for number in range(count):
        backlog.add(Sent(number, number in keys), float(number))
    return backlog


def test_all_since_the_last_key_frame_waits() -> None:
    assert numbers(filled(0, 5, count=8)) == [5, 6, 7]


def test_nothing_waits_before_the_first_key_frame() -> None:
    assert numbers(filled(3, count=3)) == []
    assert numbers(filled(3, count=5)) == [3, 4]


def test_what_was_taken_is_not_taken_again_and_what_follows_goes_on_from_it() -> None:
    backlog = filled(0, count=3)
    assert numbers(backlog) == [0, 1, 2]
    assert numbers(backlog) == []
    backlog.add(Sent(3), 3.0)
    assert numbers(backlog) == [3]


def test_too_many_bytes_drop_all_until_the_next_key_frame() -> None:
    backlog = filled(0, count=4, max_bytes=30)
    assert backlog.overflows == 1
    backlog.add(Sent(4), 4.0)
    assert numbers(backlog) == []
    backlog.add(Sent(5, is_keyframe=True), 5.0)
    backlog.add(Sent(6), 6.0)
    assert numbers(backlog) == [5, 6]


def test_too_long_drops_all_likewise() -> None:
    assert filled(0, count=5, max_s=4).overflows == 0
    backlog = filled(0, count=6, max_s=4)
    assert backlog.overflows == 1
    assert numbers(backlog) == []


def test_taking_in_time_never_overflows() -> None:
    backlog = filled(0, count=1, max_s=4)
    for number in range(1, 50):
        assert numbers(backlog) == [number - 1]
        backlog.add(Sent(number), float(number))
    assert backlog.overflows == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 50), st.booleans()), max_size=60))
def test_it_can_always_be_decoded_and_is_never_too_much(steps: list[tuple[bool, int, bool]]) -> None:
    """Whatever arrives and whenever it is taken: what is decoded goes on from a key frame without a gap."""
    backlog: Backlog[Sent] = Backlog(100, 20)
    decoded = -2  # the last that was
    waiting = 0
    for number, (is_key, size, take) in enumerate(steps):
        backlog.add(Sent(number, is_key, size), float(number))
        if not take:
            continue
        packets = backlog.take()
        waiting = sum(packet.size for packet in packets)
        assert waiting <= 100
        for packet in packets:
            assert packet.is_keyframe or packet.number == decoded + 1
            decoded = packet.number
        if is_key and size <= 100:
            assert packets[-1].number == number
