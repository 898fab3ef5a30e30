"""A ledger of a store that does not exist, the same on every run: weeks of customers, alerts and claims.

As a program: `python tests/synthetic_ledger.py FILE [DAYS] [LAST_DAY]` writes one (28 days to 2026-11-08 if not said).
Where clocks change, and on what day, is as in New York; nothing in it was measured.
"""

import random
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from vestibule.ledger_file import LedgerFile, SiteRow
from vestibule.ledger_rows import AlertRow, ClaimRow, Row, VisitRow, Worn
from vestibule.store_day import days_of, start_s

ZONE = ZoneInfo("America/New_York")
LAST = date(2026, 11, 8)
WEEK = (14, 15, 15, 18, 26, 38, 22)
"""Customers of a busy hour, Monday to Sunday."""
HOURS = {9: 0.1, 10: 0.3, 11: 0.5, 12: 0.8, 13: 0.8, 14: 0.6, 15: 0.6, 16: 0.8, 17: 1.0, 18: 1.0, 19: 0.7, 20: 0.3}
WORN = {
    "Jeans": 0.42,
    "Tee": 0.24,
    "Jacket": 0.22,
    "Blouse": 0.14,
    "Sweater": 0.13,
    "Dress": 0.12,
    "Skirt": 0.08,
    "Shorts": 0.06,
    "Blazer": 0.05,
    "Top": 0.05,
    "Cardigan": 0.04,
    "Tank": 0.03,
    "Sweatpants": 0.02,
    "Jumpsuit": 0.004,
    "Romper": 0.0,
}


def rows(days: int = 28, last: date = LAST, *, busy: float = 1.0) -> Iterator[Row]:
    """Everything that such a store's daemon would have kept."""
    dice = random.Random(days)  # noqa: S311 - dice, no secrets
    number = 0
    for day in days_of(last - timedelta(days=days - 1), last):
        for hour, share in HOURS.items():
            expected = WEEK[day.weekday()] * share * busy
            for _ in range(max(0, round(dice.gauss(expected, expected**0.5)))):
                number += 1
                yield from _customer(number, start_s(day, ZONE) + 3600 * (hour + dice.random()), dice)


def _customer(number: int, at_s: float, dice: random.Random) -> Iterator[Row]:
    worn = tuple(label for label, share in WORN.items() if dice.random() < share)
    staff, settled = dice.random() < 0.04, dice.random() < 0.85
    visit_id = f"door-{round(at_s * 1000)}-{number}"
    yield _visit("door", visit_id, at_s, worn, dice, entered=dice.random() < 0.9, staff=staff, settled=settled)
    if dice.random() < 0.5:
        later_s, again = at_s + dice.uniform(20, 90), f"hall-{round(at_s * 1000)}-{number}"
        found = dice.random() < 0.8  # else they stay apart
        stay_id = visit_id if found else again
        yield _visit("hall", again, later_s, worn, dice, staff=staff, stay_id=stay_id, doubt=not found)
    if settled and not staff and {"Dress", "Blazer"} & {*worn}:
        alert_id, raised_at_s = f"{visit_id}:suit", at_s + dice.uniform(1.2, 3.5)
        yield AlertRow(
            site="mall-north", camera="door", alert_id=alert_id, visit_id=visit_id, rule="suit",
            began_at_s=at_s, raised_at_s=raised_at_s,
        )  # fmt: skip
        if dice.random() < 0.87:
            yield ClaimRow(
                site="mall-north", camera="door", alert_id=alert_id, visit_id=visit_id,
                raised_at_s=raised_at_s, claimed_at_s=raised_at_s + dice.lognormvariate(2.9, 0.7),
            )  # fmt: skip


def _visit(
    camera: str,
    visit_id: str,
    at_s: float,
    worn: tuple[str, ...],
    dice: random.Random,
    *,
    staff: bool,
    entered: bool = True,
    settled: bool = True,
    stay_id: str | None = None,
    doubt: bool = False,
) -> VisitRow:
    return VisitRow(
        event_id=f"{visit_id}:end:00000000",
        type="end",
        site="mall-north",
        camera=camera,
        visit_id=visit_id,
        stay_id=stay_id or visit_id,
        in_doubt=doubt,
        began_at_s=round(at_s, 3),
        duration_s=round(dice.uniform(3, 120), 3),
        entered=entered,
        staff=staff,
        settled=settled,
        readings=dice.randint(3, 9),
        zones=(),
        worn=tuple(Worn(label=label, score=round(dice.uniform(0.5, 1), 4), is_group=False) for label in worn),
        classifier="garments@2",
        detector="persons@1",
    )


def write(path: Path, days: int = 28, last: date = LAST, *, busy: float = 1.0, min_cell: int = 5) -> Path:
    file = LedgerFile(path, SiteRow(site="mall-north", time_zone=ZONE.key, min_cell=min_cell), stamp="synthetic")
    file.write([*rows(days, last, busy=busy)])
    file.close()
    return path


if __name__ == "__main__":
    path, *rest = sys.argv[1:]
    write(Path(path), int(rest[0]) if rest else 28, date.fromisoformat(rest[1]) if rest[1:] else LAST)
