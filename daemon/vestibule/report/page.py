"""A report as one HTML file that needs nothing beside it, to be read on a screen and printed on A4."""

from collections.abc import Sequence
from html import escape

from vestibule.report import plots, words
from vestibule.report.figures import Report
from vestibule_models.page import Section, Tile, render


def as_html(report: Report) -> str:
    """Return the page; the same report gives the same bytes."""
    scope = report.scope
    where = "all cameras" if scope.camera is None else f"camera {scope.camera}"
    subtitle = f"{words.period(scope.period)} · {where} · times of {scope.zone.key}"
    sections = (
        _days(report),
        _hours(report),
        _week(report),
        _watched(report),
        _garments(report),
        _alerts(report),
        _shares(report),
        _notes(report),
    )
    return render(
        f"Customers of {scope.site} and what they wear", subtitle, _tiles(report), [each for each in sections if each]
    )


def _tiles(report: Report) -> list[Tile]:
    alerts = report.alerts
    share, spread = words.interval(alerts.claimed_share)
    dress = next(row for row in report.garments if row.label == "Dress")
    dressed, dress_spread = words.interval(dress.share)
    within = "too few claims"
    if alerts.to_claim_p95_s is not None:
        within = f"half of them within; 95 % within {words.seconds(alerts.to_claim_p95_s)}"
    return [
        Tile(label="Customers", figure=str(report.customers), note=words.change(report)),
        Tile(
            label="Wore a dress",
            figure=dressed,
            note=f"{dress.customers} of {report.settled}" + _and(dress_spread),
        ),
        Tile(
            label="Alerts claimed",
            figure=share,
            note=f"{alerts.claimed} of {alerts.alerts}" + _and(spread),
        ),
        Tile(label="Alert to claim", figure=words.seconds(alerts.to_claim_p50_s), note=within),
    ]


def _and(spread: str) -> str:
    return "" if spread == words.NONE else f"; 95 % interval {spread}"


def _days(report: Report) -> Section | None:
    if len(report.days) == 1:
        return None
    return Section(heading="Customers by day", html=plots.by_day(report.days))


def _hours(report: Report) -> Section:
    hours = words.open_hours(report.hours)
    if not hours:
        return Section(heading="Customers by hour of the day", html=_paragraph(f"In every hour: {words.few(report)}."))
    others = f"Each other hour: {words.few(report)}." if len(hours) < len(report.hours) else ""
    html = plots.by_hour({"customers": report.hours}, hours) + _paragraph(others)
    return Section(heading="Customers by hour of the day", html=html)


def _week(report: Report) -> Section | None:
    hours = words.open_hours(report.hours)
    if not hours or len(report.days) == 1:
        return None
    return Section(heading="The busy hours of the week", html=plots.by_weekday(report.weekdays, hours))


def _garments(report: Report) -> Section:
    shown = [row for row in report.garments if row.share is not None]
    hidden = ", ".join(row.label for row in report.garments if row.share is None)
    few = "too few to be shown" if report.scope.min_cell > 1 else "nobody"
    html = _paragraph(f"Garments could be told for {report.settled} of {report.customers} customers.")
    if shown:
        html += plots.garments(shown)
    return Section(heading="What they wear", html=html + _paragraph(f"{hidden}: {few}." if hidden else ""))


def _shares(report: Report) -> Section:
    known = report.customers_before is not None
    head = ("garment", "customers", "share", "95 % interval", *(("customers before", "share before") if known else ()))
    rows = []
    for row in report.garments:
        before = (str(row.customers_before), words.interval(row.share_before)[0]) if known else ()
        rows.append((row.label, str(row.customers), *words.interval(row.share), *before))
    return Section(heading="What they wear, in numbers", html=_table(head, rows))


def _watched(report: Report) -> Section | None:
    hours = words.open_hours(*report.watched.values())
    if not hours:
        return None
    return Section(heading="Dresses and blazers by hour of the day", html=plots.by_hour(report.watched, hours))


def _alerts(report: Report) -> Section:
    periods = {"this period": report.alerts}
    if report.alerts_before is not None:
        periods["the period before"] = report.alerts_before
    rows = [*zip(words.ALERT_ROWS, *map(words.alerts, periods.values()), strict=True)]
    return Section(heading="Alerts and claims", html=_table(("", *periods), rows))


def _notes(report: Report) -> Section:
    return Section(heading="How to read this", html="".join(_paragraph(note) for note in words.notes(report)))


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>" if text else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first column names the row."""

    def line(tag: str, cells: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(each)}</{tag}>" for each in cells) + "</tr>"

    return f"<table>{line('th', head)}{''.join(line('td', row) for row in rows)}</table>"
