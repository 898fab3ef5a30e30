import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.sources.arrival import ArrivalClock

START_S = 1_700_000_000.0


def ages(arrivals: list[float], stamps: list[float | None]) -> list[float]:
    """How old each frame is when it arrives."""
    clock = ArrivalClock(0.5)
    return [at_s - clock.captured_at_s(at_s, stamp_s) for at_s, stamp_s in zip(arrivals, stamps, strict=True)]


def test_frames_in_time_are_fresh() -> None:
    times = [n / 25 for n in range(100)]
    assert ages([START_S + t for t in times], [7.0 + t for t in times]) == pytest.approx([0.0] * 100, abs=1e-3)


def test_frames_that_the_network_held_up_have_their_age() -> None:
    stamps = [n / 10 for n in range(60)]
    # Between the second and the fourth second nothing gets through; then all of it comes at once.
    arrivals = [START_S + (t if not 2 <= t < 4 else 4.0 + 0.001 * t) for t in stamps]
    found = ages(arrivals, list(stamps))
    assert found[:20] == pytest.approx([0.0] * 20, abs=1e-3)
    assert found[20:40] == pytest.approx([4.0 - t for t in stamps[20:40]], abs=0.11)
    assert max(found[40:]) < 0.02


def test_a_camera_whose_clock_is_off_by_a_hundredth_stays_fresh() -> None:
    for pace in (0.99, 1.01):
        times = [n / 10 for n in range(6000)]
        assert max(ages([START_S + t for t in times], [pace * t for t in times])) < 0.01


def test_stamps_that_say_nothing_are_not_believed_for_long() -> None:
    times = [n / 10 for n in range(600)]
    found = ages([START_S + t for t in times], [0.5 * t for t in times])  # half as fast as life
    assert max(found) > 0.5
    assert max(found[60:]) < 1e-3


def test_without_stamps_frames_are_fresh() -> None:
    times = [START_S + n / 10 for n in range(10)]
    assert ages(times, [None] * 10) == pytest.approx([0.0] * 10, abs=1e-3)


@given(st.lists(st.tuples(st.floats(0, 5), st.one_of(st.none(), st.floats(-1e6, 1e6))), min_size=2, max_size=60))
def test_times_grow_whatever_the_stamps_say(moves: list[tuple[float, float | None]]) -> None:
    clock, at_s, times = ArrivalClock(0.5), START_S, []
    for passed_s, stamp_s in moves:
        at_s += passed_s
        times.append(clock.captured_at_s(at_s, stamp_s))
    assert all(later > earlier for earlier, later in itertools.pairwise(times))
