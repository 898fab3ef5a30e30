"""Today's counts: midnight wherever it is, whatever clocks do, and the same as the ledger's in the end."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgers import NOON_S, visit

from vestibule.counts import COUNTED, DayCounts
from vestibule.customers import customers_of
from vestibule.ledger_rows import VisitRow, row_of
from vestibule.store_day import day_of, start_s

HOUR_S = 3600.0
UTC_ZONE = ZoneInfo("UTC")


def row(number: int = 1, **changes: object) -> VisitRow:
    found = row_of(visit(number, **changes), prefix="vestibule", site="store")  # type: ignore[arg-type]  # of a visit
    assert isinstance(found, VisitRow)
    return found


def counts(day: DayCounts, *names: str, camera: str = "door") -> list[int]:
    told = day.told([camera], 1)
    return [told[camera, name] for name in names]


def test_there_is_a_counter_for_each_garment_and_one_for_the_visits() -> None:
    assert len(COUNTED) == 16
    told = DayCounts(UTC_ZONE).told(["door", "hall"], 1)
    assert len(told) == 32
    assert set(told.values()) == {0}


def test_a_customer_counts_once_the_garments_are_final_and_once_only() -> None:
    day = DayCounts(UTC_ZONE)
    day.take(row(phase="new"), NOON_S)
    assert counts(day, "visits", "Dress") == [0, 0]
    for phase in ("confirmed", "confirmed", "ended", "ended"):  # the same event may come twice
        day.take(row(phase=phase), NOON_S)
        assert counts(day, "visits", "Dress", "Blazer") == [1, 1, 0]


def test_staff_and_passers_by_do_not_count_also_if_that_is_learned_later() -> None:
    day = DayCounts(UTC_ZONE)
    day.take(row(1, phase="confirmed"), NOON_S)
    day.take(row(2, phase="confirmed", entered=False), NOON_S)
    assert counts(day, "visits", "Dress") == [1, 1]
    day.take(row(1, phase="confirmed", silent=True), NOON_S)
    day.take(row(2, phase="ended", entered=True), NOON_S)
    assert counts(day, "visits", "Dress") == [1, 1]


def test_unsettled_garments_do_not_count() -> None:
    day = DayCounts(UTC_ZONE)
    day.take(row(settled=False), NOON_S)
    assert counts(day, "visits", "Dress") == [1, 0]


def test_a_visit_that_continues_a_stay_is_not_counted_again() -> None:
    day, stay = DayCounts(UTC_ZONE), {"stay_id": "door-1", "in_doubt": False}
    day.take(row(1, phase="confirmed"), NOON_S)
    day.take(row(2, camera="hall", at_s=NOON_S + 60, stay=stay), NOON_S + 90)
    assert counts(day, "visits", "Dress") == [1, 1]
    assert counts(day, "visits", "Dress", camera="hall") == [0, 0]
    day.take(row(2, camera="hall", at_s=NOON_S + 60), NOON_S + 95)  # apart after all
    assert counts(day, "visits", "Dress", camera="hall") == [1, 1]
    day.take(row(2, camera="hall", at_s=NOON_S + 60, stay=stay), NOON_S + 99)
    assert counts(day, "visits", camera="hall") == [0]


def test_steps_go_down_to_a_whole_number_of_them() -> None:
    day = DayCounts(UTC_ZONE)
    for n in range(11):
        day.take(row(n), NOON_S)
        assert day.told(["door"], 5)["door", "visits"] == (n + 1) // 5 * 5


def test_who_came_before_midnight_and_ends_after_it_is_of_yesterday() -> None:
    day, midnight_s = DayCounts(UTC_ZONE), NOON_S + 12 * HOUR_S
    day.take(row(1, at_s=midnight_s - 60, phase="confirmed"), midnight_s - 50)
    assert counts(day, "visits") == [1]
    assert day.turn(midnight_s)
    assert counts(day, "visits") == [0]
    day.take(row(1, at_s=midnight_s - 60), midnight_s + 30)
    stay = {"stay_id": "door-1", "in_doubt": False}
    day.take(row(2, at_s=midnight_s + 20, camera="hall", stay=stay), midnight_s + 60)
    day.take(row(3, at_s=midnight_s + 20), midnight_s + 60)
    assert counts(day, "visits") == [1]
    assert counts(day, "visits", camera="hall") == [0]


@pytest.mark.parametrize(
    ("zone", "midnights"),
    [
        ("UTC", ["2026-03-08T00:00", "2026-03-09T00:00"]),
        ("America/New_York", ["2026-03-08T05:00", "2026-03-09T04:00"]),
        ("America/New_York", ["2026-11-01T04:00", "2026-11-02T05:00"]),
        ("America/Santiago", ["2026-09-05T04:00", "2026-09-06T04:00", "2026-09-07T03:00"]),  # no 00:00 on the 6th
        ("America/Santiago", ["2026-04-04T03:00", "2026-04-05T04:00"]),  # 23:00 twice on the 4th
        ("Asia/Beirut", ["2026-03-28T22:00", "2026-03-29T21:00"]),
        ("America/Havana", ["2026-11-01T04:00", "2026-11-02T05:00"]),  # 00:00 twice on the 1st
    ],
)
def test_counters_are_zeroed_at_the_stores_midnight_and_not_before(zone: str, midnights: list[str]) -> None:
    moments = [datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in midnights]
    day, turned = DayCounts(ZoneInfo(zone)), []
    now_s = moments[0] - HOUR_S
    day.turn(now_s)
    while now_s < moments[-1] + HOUR_S:
        day.take(row(round(now_s), at_s=now_s), now_s)
        now_s += 600
        before = counts(day, "visits")[0]
        assert before > 0
        if day.turn(now_s):
            turned.append(now_s)
            assert counts(day, "visits") == [0]
    assert turned == moments


def test_memory_is_that_of_two_days() -> None:
    day = DayCounts(UTC_ZONE)
    for n in range(10):
        now_s = NOON_S + n * 24 * HOUR_S
        day.take(row(n, at_s=now_s), now_s)
    assert len(day._stays) == len(day._stay_of) == 2


CHANGES: Callable[[], st.SearchStrategy[VisitRow]] = lambda: st.builds(  # noqa: E731 - a strategy
    lambda number, stay, hour, settled, entered, staff, camera, worn: replace(
        row(number, at_s=NOON_S + hour * HOUR_S + number, camera=camera, worn=tuple(sorted(worn))),
        stay_id=f"stay-{stay}",
        settled=settled,
        entered=entered,
        staff=staff,
    ),
    st.integers(0, 5),
    st.integers(0, 3),
    st.integers(-20, 20),
    st.booleans(),
    st.booleans(),
    st.sampled_from([False, False, False, True]),
    st.sampled_from(["door", "hall"]),
    st.sets(st.sampled_from(["Dress", "Jeans", "Tee"])),
)


@given(st.lists(CHANGES(), max_size=20))
def test_counts_are_what_a_count_of_the_last_words_is(changes: list[VisitRow]) -> None:
    now_s = NOON_S + 11 * HOUR_S
    day, last = DayCounts(UTC_ZONE), dict[str, VisitRow]()
    for change in changes:
        day.take(change, now_s)
        last[change.visit_id] = change
    today = start_s(day_of(now_s, UTC_ZONE), UTC_ZONE)
    customers = [each for each in customers_of(last.values()) if today <= each.began_at_s < today + 86_400]
    for camera in ("door", "hall"):
        assert counts(day, "visits", "Dress", "Jeans", "Tee", camera=camera) == [
            sum(each.camera == camera for each in customers),
            *(
                sum(each.camera == camera and label in each.worn for each in customers)
                for label in ("Dress", "Jeans", "Tee")
            ),
        ]


@given(st.floats(0, 2**32), st.sampled_from(["UTC", "Asia/Beirut", "America/Santiago", "Australia/Lord_Howe"]))
def test_a_turn_happens_once_a_day(now_s: float, zone: str) -> None:
    day = DayCounts(ZoneInfo(zone))
    assert day.turn(now_s)
    assert not day.turn(now_s)
    next_s = start_s(day_of(now_s, ZoneInfo(zone)) + timedelta(days=1), ZoneInfo(zone))
    assert not day.turn(max(now_s, next_s - 0.01))
    assert day.turn(next_s)
    assert date.min < day._today
