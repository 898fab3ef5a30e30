"""A report's figures in words, the same in every form that people read."""

from datetime import date

from vestibule.report.cells import Cell, cell
from vestibule.report.figures import AlertTimes, Period, Report
from vestibule_models.calibration import Interval

NONE = "\u2013"
"""In place of what is not known."""
_LEAST_HOURS = 6
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def day(value: date) -> str:
    """Return a day, as in "Sun 1 Nov 2026"."""
    return f"{WEEKDAYS[value.weekday()]} {value.day} {value:%b %Y}"


def period(value: Period) -> str:
    """Return a period."""
    return day(value.first) if value.first == value.last else f"{day(value.first)} to {day(value.last)}"


def percent(share: float) -> str:
    """Return a share; small ones with a decimal."""
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.1f} %"  # noqa: PLR2004 - as people round


def interval(share: Interval | None) -> tuple[str, str]:
    """Return a share and its interval."""
    if share is None:
        return NONE, NONE
    return percent(share.value), f"{100 * share.low:.1f} to {100 * share.high:.1f} %"


def seconds(value: float | None) -> str:
    """Return a duration as people say it."""
    if value is None:
        return NONE
    return f"{value:.0f} s" if value < 120 else f"{value / 60:.1f} min"  # noqa: PLR2004 - from two minutes on


def hour(value: int) -> str:
    """Return an hour of the day, as in "09:00"."""
    return f"{value:02d}:00"


def change(report: Report) -> str:
    """Say how the number of customers stands against the period before."""
    if report.customers_before is None:
        return "nothing known of the period before"
    if report.change is None:
        return f"{report.customers_before} in the period before"
    told = f"{report.change:+.0%} against {report.customers_before} in the period before"
    return told if report.change_is_clear else f"{told}: no more than chance"


def open_hours(*counts: tuple[Cell, ...]) -> range:
    """Return the hours from the first to the last in which anybody is shown, six at least; none if nobody is."""
    shown = [n for n in range(24) if any(each[n] != 0 and not str(each[n]).startswith("<") for each in counts)]
    if not shown:
        return range(0)
    first = min(shown[0], 24 - _LEAST_HOURS)
    return range(first, max(shown[-1] + 1, first + _LEAST_HOURS))


def few(report: Report) -> str:
    """Return what stands for a count too small to be shown."""
    return str(cell(0, report.scope.min_cell))


def alerts(times: AlertTimes | None) -> list[str]:
    """Return what is told of alerts, in the order of `ALERT_ROWS`."""
    if times is None:
        return [NONE] * len(ALERT_ROWS)
    share, spread = interval(times.claimed_share)
    return [
        str(times.alerts),
        str(times.claimed),
        share if times.claimed_share is None else f"{share} ({spread})",
        seconds(times.to_claim_p50_s),
        seconds(times.to_claim_p95_s),
        seconds(times.to_alert_p50_s),
        seconds(times.to_alert_p95_s),
    ]


ALERT_ROWS = (
    "alerts",
    "claimed by somebody",
    "share claimed (95 % interval)",
    "alert to claim, half of them within",
    "alert to claim, 95 % of them within",
    "first seen to alert, half of them within",
    "first seen to alert, 95 % of them within",
)


_CUSTOMERS = (
    "Customers are people who entered, each counted once however often the cameras saw them; staff and people who "
    "passed by are not. Customers in doubt may be one that another camera has counted already: {in_doubt}."
)
_SHARES = (
    "Shares are of the customers whose garments could be told. A garment is counted when the classifier is sure enough "
    "of it to be right at least 3 times in 4; others are passed over. Intervals cover chance alone, not these errors."
)
_HIDDEN = (
    'Fewer than {least} customers are shown as "<{least}", so that nobody can be singled out; "withheld" (three dots '
    "in plots) stands where a number would give a smaller one away."
)


def notes(report: Report) -> list[str]:
    """Return what a reader must know, a sentence or two each."""
    least = report.scope.min_cell
    told = [_CUSTOMERS.format(in_doubt=report.in_doubt), _SHARES]
    if least > 1:
        told.append(_HIDDEN.format(least=least))
    told += [
        f"Clocks changed: {day(each.day)} had {each.hours:g} hours. An hour that came twice counts as one."
        for each in report.days
        if each.hours != 24  # noqa: PLR2004 - hours of a day
    ]
    begins, first = report.ledger_begins, report.scope.period.before.first
    if report.customers_before is not None and begins is not None and begins > first:
        told.append(f"The ledger begins on {day(begins)}: of the period before it holds a part only.")
    return told
