"""The figures of a report: customers counted exactly, and then made fit to be shown."""

import math
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import quantiles
from zoneinfo import ZoneInfo

from vestibule.customers import Customer, customers_of
from vestibule.ledger_rows import read_visits
from vestibule.report.cells import WITHHELD, Cell, band, cell, cells
from vestibule.store_day import day_of, days_of, hours_of, local, start_s
from vestibule_models.calibration import Interval, wilson
from vestibule_models.labels import LABELS

WATCHED = ("Dress", "Blazer")
"""Shown by hour of the day: what the paper's stores wait for."""
_Z_95 = 1.959964
_HOURS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Whole days of the store, both included."""

    first: date
    last: date

    @property
    def days(self) -> tuple[date, ...]:
        """Every day of it."""
        return days_of(self.first, self.last)

    @property
    def before(self) -> "Period":
        """The period of the same length that ends where this one begins."""
        length = self.last - self.first + timedelta(days=1)
        return Period(first=self.first - length, last=self.last - length)

    def bounds_s(self, zone: ZoneInfo) -> tuple[float, float]:
        """Where it begins, and where the day after it begins; Unix seconds."""
        return start_s(self.first, zone), start_s(self.last + timedelta(days=1), zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a report is about."""

    site: str
    camera: str | None
    zone: ZoneInfo
    period: Period
    min_cell: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCount:
    """A day of the store, of 23 to 25 hours."""

    day: date
    hours: float
    customers: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class GarmentShare:
    """How many wore a garment, of those whose garments were settled; None where there are too few."""

    label: str
    customers: Cell
    share: Interval | None
    customers_before: Cell
    share_before: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTimes:
    """Alerts of a period; percentiles in seconds, None where there are too few.

    Attributes:
        claimed_share: of the alerts, with its interval.
        to_claim_p50_s: from the alert until somebody went.
        to_alert_p50_s: from first sight until the alert.
    """

    alerts: Cell
    claimed: Cell
    claimed_share: Interval | None
    to_claim_p50_s: float | None
    to_claim_p95_s: float | None
    to_alert_p50_s: float | None
    to_alert_p95_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that a report shows; nothing in it is below `min_cell`.

    Attributes:
        customers_before: of the period before; None if the ledger holds nothing of it.
        visits: of these customers; more than them where several cameras saw one.
        in_doubt: customers who may be the same as another.
        settled: customers whose garments were settled.
        ledger_begins: the day of the oldest visit in the ledger.
        hours: by hour of the day, 0 to 23.
        weekdays: by weekday (Monday is 0) and hour, as bands.
        watched: by hour of the day, of customers in each of `WATCHED`.
    """

    scope: Scope
    customers: Cell
    customers_before: Cell | None
    change_is_clear: bool
    visits: Cell
    in_doubt: Cell
    settled: Cell
    ledger_begins: date | None
    days: tuple[DayCount, ...]
    hours: tuple[Cell, ...]
    weekdays: dict[int, tuple[str, ...]]
    garments: tuple[GarmentShare, ...]
    watched: dict[str, tuple[Cell, ...]]
    alerts: AlertTimes
    alerts_before: AlertTimes | None

    @property
    def change(self) -> float | None:
        """Of the number of customers against the period before; None if either is not shown."""
        now, before = self.customers, self.customers_before
        return now / before - 1 if isinstance(now, int) and isinstance(before, int) and before else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exact:
    """A period as it was; never shown."""

    customers: list[Customer]
    alerts: list[tuple[float, float | None, float | None]]  # raised, began, claimed

    @property
    def settled(self) -> int:
        return sum(customer.settled for customer in self.customers)

    @property
    def worn(self) -> Counter[str]:
        return Counter(label for customer in self.customers for label in customer.worn)


def make_report(db: sqlite3.Connection, scope: Scope) -> Report:
    """Read a period and the one before out of a ledger, with as many queries however many visits there are."""
    now, before = _read(db, scope, scope.period), _read(db, scope, scope.period.before)
    zone, min_cell = scope.zone, scope.min_cell
    oldest_s = db.execute("SELECT min(began_at_s) FROM visits WHERE site = ?", (scope.site,)).fetchone()[0]
    by_day = Counter(day_of(each.began_at_s, zone) for each in now.customers)
    days, total_is_safe = cells([by_day[day] for day in scope.period.days], min_cell)
    customers = cell(len(now.customers), min_cell) if total_is_safe else WITHHELD
    return Report(
        scope=scope,
        customers=customers,
        customers_before=cell(len(before.customers), min_cell) if before.customers else None,
        change_is_clear=_differ(len(now.customers), len(before.customers)),
        visits=cell(sum(each.visits for each in now.customers), min_cell) if total_is_safe else WITHHELD,
        in_doubt=cell(sum(each.in_doubt for each in now.customers), min_cell),
        settled=cell(now.settled, min_cell),
        ledger_begins=None if oldest_s is None else day_of(oldest_s, zone),
        days=tuple(
            DayCount(day=day, hours=hours_of(day, zone), customers=count)
            for day, count in zip(scope.period.days, days, strict=True)
        ),
        hours=_by_hour(now.customers, zone, min_cell),
        weekdays=_by_weekday(now.customers, scope),
        garments=_garments(now, before, min_cell),
        watched={
            label: _by_hour([each for each in now.customers if label in each.worn], zone, min_cell) for label in WATCHED
        },
        alerts=_alert_times(now, min_cell),
        alerts_before=_alert_times(before, min_cell) if before.customers else None,
    )


def _read(db: sqlite3.Connection, scope: Scope, period: Period) -> _Exact:
    from_s, to_s = period.bounds_s(scope.zone)
    visits = read_visits(db, scope.site, from_s, to_s)
    customers = [each for each in customers_of(visits, scope.camera) if from_s <= each.began_at_s < to_s]
    alerts = db.execute(
        "SELECT raised_at_s, began_at_s, claimed_at_s FROM alerts "
        "WHERE site = ?1 AND raised_at_s >= ?2 AND raised_at_s < ?3 AND (?4 IS NULL OR camera = ?4)",
        (scope.site, from_s, to_s, scope.camera),
    )
    return _Exact(customers=customers, alerts=[tuple(row) for row in alerts])


def _by_hour(customers: Sequence[Customer], zone: ZoneInfo, min_cell: int) -> tuple[Cell, ...]:
    count = Counter(local(each.began_at_s, zone).hour for each in customers)
    return cells([count[hour] for hour in range(_HOURS)], min_cell)[0]


def _by_weekday(customers: Sequence[Customer], scope: Scope) -> dict[int, tuple[str, ...]]:
    count: Counter[tuple[int, int]] = Counter()
    for each in customers:
        weekday = day_of(each.began_at_s, scope.zone).weekday()
        count[weekday, local(each.began_at_s, scope.zone).hour] += 1
    weekdays = sorted({day.weekday() for day in scope.period.days})
    return {day: tuple(band(count[day, hour], scope.min_cell) for hour in range(_HOURS)) for day in weekdays}


def _garments(now: _Exact, before: _Exact, min_cell: int) -> tuple[GarmentShare, ...]:
    """By falling share; those that are not shown follow in the order of the categories, which tells nothing."""
    worn, worn_before = now.worn, before.worn
    rows = [
        GarmentShare(
            label=label,
            customers=cell(worn[label], min_cell),
            share=_share(worn[label], now.settled, min_cell),
            customers_before=cell(worn_before[label], min_cell),
            share_before=_share(worn_before[label], before.settled, min_cell),
        )
        for label in map(str, LABELS)
    ]
    return tuple(sorted(rows, key=lambda row: -row.customers if isinstance(row.customers, int) else 0))


def _share(part: int, whole: int, min_cell: int) -> Interval | None:
    return wilson(part, whole) if whole and min(part, whole) >= min_cell else None


def _alert_times(exact: _Exact, min_cell: int) -> AlertTimes:
    to_claim = [claimed - raised for raised, _, claimed in exact.alerts if claimed is not None]
    to_alert = [raised - began for raised, began, _ in exact.alerts if began is not None]
    return AlertTimes(
        alerts=cell(len(exact.alerts), min_cell),
        claimed=cell(len(to_claim), min_cell),
        claimed_share=_share(len(to_claim), len(exact.alerts), min_cell),
        to_claim_p50_s=_percentile(to_claim, 50, min_cell),
        to_claim_p95_s=_percentile(to_claim, 95, min_cell),
        to_alert_p50_s=_percentile(to_alert, 50, min_cell),
        to_alert_p95_s=_percentile(to_alert, 95, min_cell),
    )


def _percentile(values: Sequence[float], percent: int, min_cell: int) -> float | None:
    if len(values) < max(1, min_cell):
        return None
    return quantiles([*values, *values] if len(values) == 1 else values, n=100, method="inclusive")[percent - 1]


def _differ(now: int, before: int) -> bool:
    """Whether two counts differ by more than chance does in 19 of 20 cases, both being Poisson."""
    return abs(now - before) > _Z_95 * math.sqrt(now + before)
