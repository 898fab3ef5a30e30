"""The command: which ledger, which period, in which form, where to."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo

from vestibule.config import Settings
from vestibule.errors import ConfigError, SinkError
from vestibule.ledger_file import SiteRow
from vestibule.ledger_reading import reading
from vestibule.report.figures import Period, Report, Scope, make_report
from vestibule.report.page import as_html
from vestibule.report.tables import as_csv, as_json, as_text
from vestibule.store_day import day_of

FORMATS: dict[str, Callable[[Report], str]] = {"table": as_text, "csv": as_csv, "json": as_json, "html": as_html}
_USUAL_DAYS = 7
_LONGEST_DAYS = 3660


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """What the command line asked for.

    Attributes:
        ledger: the file; that of the configuration if absent.
        site: the store; that of the configuration, or the ledger's only one, if absent.
        first: the first day; if absent it is a week, or as much of it as the ledger holds.
        last: the last day; that of the newest visit if absent.
        out: where to write; standard output if absent.
    """

    ledger: Path | None = None
    site: str | None = None
    first: date | None = None
    last: date | None = None
    camera: str | None = None
    form: str = "table"
    out: Path | None = None


def report(settings: Settings | None, options: ReportOptions, *, today: date, stream: TextIO) -> int:
    """Write a report.

    Args:
        settings: the configuration; without it the ledger says what it was configured with.
        options: what is wanted.
        today: the last day where the ledger holds no visit.
        stream: standard output.

    Raises:
        ConfigError: no ledger, an unknown site or camera, a period that ends before it begins.
        SinkError: the ledger cannot be read, or the report not written.
    """
    path = options.ledger or (settings.ledger.file() if settings is not None else None)
    if path is None:
        raise ConfigError("no ledger is configured; name one with --ledger, or set ledger.path")
    with reading(path) as db:
        text = FORMATS[options.form](make_report(db, _scope(db, path, settings, options, today)))
    if options.out is None:
        stream.write(text)
        return 0
    try:
        options.out.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise SinkError(f"--out {options.out}: {error.strerror}; name a file that can be written") from error
    return 0


def _scope(db: sqlite3.Connection, path: Path, settings: Settings | None, options: ReportOptions, today: date) -> Scope:
    site = _site(db, path, settings, options.site)
    cameras = [row["camera"] for row in db.execute("SELECT DISTINCT camera FROM visits WHERE site = ?", (site.site,))]
    known = sorted({*cameras, *(camera.id for camera in (settings.cameras if settings is not None else ()))})
    if options.camera is not None and options.camera not in known:
        raise ConfigError(f"--camera {options.camera}: no such camera; there are {', '.join(known) or 'none'}")
    zone = ZoneInfo(site.time_zone)
    span = "SELECT min(began_at_s), max(began_at_s) FROM visits WHERE site = ?"
    found_s = db.execute(span, (site.site,)).fetchone()
    oldest, newest = (today if at_s is None else day_of(at_s, zone) for at_s in found_s)
    last = options.last or newest
    first = options.first or max(last - timedelta(days=_USUAL_DAYS - 1), min(oldest, last))
    if first > last:
        raise ConfigError(f"--from {first} --to {last}: ends before it begins; both days are included")
    if (last - first).days >= _LONGEST_DAYS:
        raise ConfigError(f"--from {first} --to {last}: more than {_LONGEST_DAYS} days; name a shorter period")
    period = Period(first=first, last=last)
    return Scope(site=site.site, camera=options.camera, zone=zone, period=period, min_cell=site.min_cell)


def _site(db: sqlite3.Connection, path: Path, settings: Settings | None, wanted: str | None) -> SiteRow:
    """Return the store with its time zone and `min_cell`: by the configuration if it is of that store."""
    if settings is not None and wanted in (None, settings.site.id):
        site = settings.site
        return SiteRow(site=site.id, time_zone=site.time_zone, min_cell=settings.ledger.min_cell)
    known = {row["site"]: SiteRow(**dict(row)) for row in db.execute("SELECT * FROM sites ORDER BY site")}
    if wanted is None and len(known) == 1:
        return next(iter(known.values()))
    if wanted not in known:
        asked = "it holds several" if wanted is None else f"--site {wanted} is not in it"
        raise ConfigError(f"ledger {path}: {asked}; name one of its sites with --site: {', '.join(known) or 'none'}")
    return known[wanted]
