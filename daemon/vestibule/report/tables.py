"""A report as text, CSV and JSON."""

import csv
import io
import json
from typing import Any

from rich.console import Console
from rich.table import Table

from vestibule.report import words
from vestibule.report.figures import AlertTimes, Report
from vestibule_models.calibration import Interval

_WIDTH = 100


def as_text(report: Report) -> str:
    """Return tables for a terminal or a mail."""
    out = io.StringIO()
    console = Console(file=out, width=_WIDTH, highlight=False)
    scope = report.scope
    where = "all cameras" if scope.camera is None else f"camera {scope.camera}"
    console.print(f"Store {scope.site}, {where}: {words.period(scope.period)} ({scope.zone.key})", markup=False)
    console.print(f"{report.customers} customers; {words.change(report)}", markup=False)
    console.print(f"seen {report.visits} times by the cameras; {report.in_doubt} customers in doubt", markup=False)
    console.print()
    console.print(_days(report), _hours(report), _garments(report), _alerts(report), sep="\n\n")
    console.print()
    for note in words.notes(report):
        console.print(f"* {note}", markup=False)
    return out.getvalue()


def _days(report: Report) -> Table:
    table = Table("day", "customers", title="By day", title_justify="left")
    table.columns[1].justify = "right"
    for each in report.days:
        table.add_row(words.day(each.day), str(each.customers))
    return table


def _hours(report: Report) -> Table:
    table = Table("hour", "customers", *report.watched, title="By hour of the day", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    hours = words.open_hours(report.hours)
    for n in hours:
        table.add_row(words.hour(n), str(report.hours[n]), *(str(counts[n]) for counts in report.watched.values()))
    if len(hours) < len(report.hours):
        table.add_row("each other", *([words.few(report)] * (1 + len(report.watched))))
    return table


def _garments(report: Report) -> Table:
    table = Table(
        "garment", "customers", "share", "95 % interval", "before", "share before", title="Worn", title_justify="left"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    known = report.customers_before is not None
    for row in report.garments:
        before = (str(row.customers_before), words.interval(row.share_before)[0]) if known else (words.NONE, words.NONE)
        table.add_row(row.label, str(row.customers), *words.interval(row.share), *before)
    return table


def _alerts(report: Report) -> Table:
    table = Table("alerts and claims", "now", "before", title="Alerts and claims", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in zip(words.ALERT_ROWS, words.alerts(report.alerts), words.alerts(report.alerts_before), strict=True):
        table.add_row(*row)
    return table


def as_json(report: Report) -> str:
    """Return everything as one JSON object; counts are numbers, or texts such as "<5" where they are not shown."""
    scope = report.scope
    told = {
        "schema_version": 1,
        "site": scope.site,
        "camera": scope.camera,
        "time_zone": scope.zone.key,
        "first_day": scope.period.first.isoformat(),
        "last_day": scope.period.last.isoformat(),
        "min_cell": scope.min_cell,
        "customers": report.customers,
        "customers_before": report.customers_before,
        "change": None if report.change is None else round(report.change, 4),
        "change_is_clear": report.change_is_clear if report.change is not None else None,
        "visits": report.visits,
        "in_doubt": report.in_doubt,
        "settled": report.settled,
        "ledger_begins": None if report.ledger_begins is None else report.ledger_begins.isoformat(),
        "by_day": [
            {"day": each.day.isoformat(), "hours": each.hours, "customers": each.customers} for each in report.days
        ],
        "by_hour": [
            {"hour": n, "customers": count, **{label: counts[n] for label, counts in report.watched.items()}}
            for n, count in enumerate(report.hours)
        ],
        "by_weekday_and_hour": {words.WEEKDAYS[day]: list(bands) for day, bands in report.weekdays.items()},
        "garments": [
            {
                "label": row.label,
                "customers": row.customers,
                "share": _interval(row.share),
                "customers_before": row.customers_before if report.customers_before is not None else None,
                "share_before": _interval(row.share_before),
            }
            for row in report.garments
        ],
        "alerts": _alert_times(report.alerts),
        "alerts_before": _alert_times(report.alerts_before),
        "notes": words.notes(report),
    }
    return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _interval(share: Interval | None) -> dict[str, float] | None:
    if share is None:
        return None
    return {"value": round(share.value, 4), "low": round(share.low, 4), "high": round(share.high, 4)}


def _alert_times(times: AlertTimes | None) -> dict[str, Any] | None:
    if times is None:
        return None
    measured = {
        name: getattr(times, name) for name in ("to_claim_p50_s", "to_claim_p95_s", "to_alert_p50_s", "to_alert_p95_s")
    }
    return {
        "alerts": times.alerts,
        "claimed": times.claimed,
        "claimed_share": _interval(times.claimed_share),
        **{name: None if value is None else round(value, 3) for name, value in measured.items()},
    }


def as_csv(report: Report) -> str:
    """Return one value a row: table, row, column, value; for a spreadsheet's filters and pivots."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(("table", "row", "column", "value"))
    told = json.loads(as_json(report))
    del told["notes"]
    for name, value in told.items():
        writer.writerows(_flat(name, value))
    return out.getvalue()


def _flat(name: str, value: Any) -> list[tuple[object, ...]]:  # noqa: ANN401 - as JSON has it
    """Return one entry of the JSON object as rows of the file; the rows of a table are named by their first value."""
    if isinstance(value, list):
        named = [(next(iter(row.values())), dict([*row.items()][1:])) for row in value]
        return [(name, key, *each) for key, row in named for each in _columns(row)]
    if name == "by_weekday_and_hour":
        return [(name, day, hour, count) for day, counts in value.items() for hour, count in enumerate(counts)]
    if isinstance(value, dict):
        return [(name, "", *each) for each in _columns(value)]
    return [("report", "", name, value)]


def _columns(row: dict[str, Any]) -> list[tuple[str, object]]:
    """Return names and values; those of an interval each for itself."""
    found: list[tuple[str, object]] = []
    for name, value in row.items():
        if isinstance(value, dict):
            found += [(f"{name}_{inner}", each) for inner, each in value.items()]
        else:
            found.append((name, value))
    return found
