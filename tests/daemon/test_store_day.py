"""Days of stores, also where clocks change at midnight, or went back over it."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.store_day import day_of, days_of, hours_of, local, start_s

DAY = timedelta(days=1)
ZONES = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)
MOMENTS = st.floats(0, 2**32, allow_nan=False)


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("zone", "day", "starts", "hours"),
    [
        ("UTC", "2026-03-08", "2026-03-08T00:00", 24),
        ("America/New_York", "2026-03-08", "2026-03-08T05:00", 23),
        ("America/New_York", "2026-11-01", "2026-11-01T04:00", 25),
        ("America/New_York", "2026-11-02", "2026-11-02T05:00", 24),
        ("America/Santiago", "2026-09-06", "2026-09-06T04:00", 23),  # begins at 01:00: there is no midnight
        ("America/Santiago", "2026-04-04", "2026-04-04T03:00", 25),  # 23:00 comes twice
        ("America/Santiago", "2026-04-05", "2026-04-05T04:00", 24),
        ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00", 23),
        ("Asia/Beirut", "2026-10-24", "2026-10-23T21:00", 25),
        ("America/Havana", "2026-11-01", "2026-11-01T04:00", 25),  # midnight comes twice
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00", 24.5),
        ("America/Mexico_City", "2026-04-05", "2026-04-05T06:00", 24),
    ],
)
def test_a_day_s_start_and_length(zone: str, day: str, starts: str, hours: float) -> None:
    place, found = ZoneInfo(zone), date.fromisoformat(day)
    assert start_s(found, place) == moment(starts)
    assert hours_of(found, place) == hours
    assert day_of(moment(starts), place) == found
    assert day_of(moment(starts) - 0.001, place) == found - DAY


def test_a_day_that_has_begun_goes_on_where_clocks_went_back_over_midnight() -> None:
    zone = ZoneInfo("America/St_Johns")  # in 2006 from 00:01 to 23:01 of the day before
    begins_s = start_s(date(2006, 10, 29), zone)
    assert local(begins_s + 120, zone).date() == date(2006, 10, 28)
    assert day_of(begins_s + 120, zone) == date(2006, 10, 29)
    assert day_of(begins_s - 1, zone) == date(2006, 10, 28)


@given(MOMENTS, ZONES)
def test_every_moment_lies_in_its_day(at_s: float, zone: ZoneInfo) -> None:
    day = day_of(at_s, zone)
    assert start_s(day, zone) <= at_s < start_s(day + DAY, zone)


@given(MOMENTS, st.floats(0, 400_000), ZONES)
def test_days_never_go_back(at_s: float, later_s: float, zone: ZoneInfo) -> None:
    assert day_of(at_s, zone) <= day_of(at_s + later_s, zone)


@given(st.dates(date(1971, 1, 1), date(2100, 1, 1)), st.integers(0, 800), ZONES)
def test_days_add_up_to_the_period(first: date, count: int, zone: ZoneInfo) -> None:
    days = days_of(first, first + count * DAY)
    assert len(days) == count + 1
    assert all(hours_of(day, zone) >= 0 for day in days)
    together_h = sum(hours_of(day, zone) for day in days)
    assert together_h == pytest.approx((start_s(days[-1] + DAY, zone) - start_s(first, zone)) / 3600)


def test_a_period_that_ends_before_it_begins_has_no_days() -> None:
    assert days_of(date(2026, 1, 2), date(2026, 1, 1)) == ()
