"""Frame times and thinning."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vestibule.sources.decoding import MediaClock, Thinning

PERIOD_S = 0.1


def times(*stamps: float | None) -> list[float]:
    clock = MediaClock(PERIOD_S)
    return [round(clock.time_s(stamp), 6) for stamp in stamps]


def test_media_time_counts_from_the_first_stamp() -> None:
    assert times(7.0, 7.04, 7.5) == [0.0, 0.04, 0.5]


def test_missing_stamps_follow_the_frame_rate() -> None:
    assert times(None, None, None) == [0.0, 0.1, 0.2]
    assert times(5.0, None, 5.2) == [0.0, 0.1, 0.2]
    assert times(None, None, 9.0, 9.1) == [0.0, 0.1, 0.2, 0.3]


def test_a_repeated_stamp_does_not_shift_those_after_it() -> None:
    assert times(0.0, 0.1, 0.1, 0.2) == [0.0, 0.1, 0.101, 0.2]


def test_a_clock_that_starts_anew_goes_on() -> None:
    assert times(100.0, 100.1, 0.0, 0.1) == [0.0, 0.1, 0.2, 0.3]


@settings(deadline=None)
@given(st.lists(st.none() | st.floats(-1e5, 1e5)))
def test_media_time_always_increases(stamps: list[float | None]) -> None:
    clock = MediaClock(PERIOD_S)
    found = [clock.time_s(stamp) for stamp in stamps]
    assert all(later > earlier for earlier, later in itertools.pairwise(found))


@pytest.mark.parametrize("camera_fps", [8, 10, 12.5, 15, 25, 30, 60])
def test_thinning_keeps_the_rate_asked_for(camera_fps: float) -> None:
    thinning = Thinning(8)
    kept = [number / camera_fps for number in range(int(20 * camera_fps)) if thinning.due(1e9 + number / camera_fps)]
    assert len(kept) == pytest.approx(160, abs=2)
    gaps = [later - earlier for earlier, later in itertools.pairwise(kept)]
    assert min(gaps) > 0.5 / 8


def test_thinning_keeps_all_of_a_slower_camera() -> None:
    thinning = Thinning(8)
    assert all(thinning.due(number / 5) for number in range(50))


@settings(deadline=None)
@given(st.lists(st.floats(-0.2, 0.2), min_size=40, max_size=40))
def test_a_camera_of_just_that_rate_loses_no_frame_to_jitter(jitter: list[float]) -> None:
    thinning = Thinning(8)
    kept = [thinning.due((number + shift / 2) / 8) for number, shift in enumerate([0.0, *jitter])]
    assert all(kept)


def test_thinning_survives_a_clock_that_is_set() -> None:
    thinning = Thinning(8)
    assert thinning.due(1000.0)
    assert not thinning.due(1000.04)
    assert thinning.due(0.0)
    assert not thinning.due(0.04)
    assert thinning.due(5000.0)
    assert not thinning.due(5000.04)
    assert thinning.due(5000.125)
