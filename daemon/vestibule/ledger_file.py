"""The ledger's file: SQLite, written by the daemon, read by reports beside it.

In WAL mode readers never hold up the writer. `synchronous=FULL` has the log synced at every commit: a visit that was
counted is counted after a power cut too, at the price of one sync for each visit that ends (`NORMAL` would keep the
file sound and lose the last ones; https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

import json
import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vestibule.errors import SinkError
from vestibule.ledger_rows import AlertRow, ClaimRow, Row, VisitRow, read_visits
from vestibule.sqlite_file import explained, set_aside, wipe

_CHECKPOINT_PAGES = 256  # of 4 KiB: the log beside the file stays near 1 MiB
_STEPS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE sites (                 -- as the daemon was last configured, so that a copy can be read alone
            site TEXT PRIMARY KEY,
            time_zone TEXT NOT NULL,
            min_cell INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE visits (                -- one person in front of one camera, ended
            id INTEGER PRIMARY KEY,
            site TEXT NOT NULL,
            visit_id TEXT NOT NULL,
            event_id TEXT NOT NULL,
            camera TEXT NOT NULL,
            stay_id TEXT NOT NULL,           -- one customer, on however many cameras
            in_doubt INTEGER NOT NULL,       -- may belong to another stay
            began_at_s REAL NOT NULL,        -- Unix seconds
            duration_s REAL NOT NULL,
            entered INTEGER NOT NULL,
            staff INTEGER NOT NULL,
            settled INTEGER NOT NULL,        -- the garments are final
            readings INTEGER NOT NULL,
            zones TEXT NOT NULL,             -- a JSON array
            classifier TEXT NOT NULL,        -- name@version
            detector TEXT NOT NULL,
            UNIQUE (site, visit_id)
        ) STRICT
        """,
        "CREATE INDEX visits_by_time ON visits (began_at_s)",
        "CREATE INDEX visits_by_stay ON visits (site, stay_id)",
        """
        CREATE TABLE garments (
            visit INTEGER NOT NULL REFERENCES visits (id) ON DELETE CASCADE,
            label TEXT NOT NULL,
            score REAL NOT NULL,
            is_group INTEGER NOT NULL,
            PRIMARY KEY (visit, label)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE alerts (
            site TEXT NOT NULL,
            alert_id TEXT NOT NULL,
            visit_id TEXT NOT NULL,
            camera TEXT NOT NULL,
            rule TEXT,                       -- NULL: known by its claim alone
            began_at_s REAL,                 -- when the customer was first seen
            raised_at_s REAL NOT NULL,
            claimed_at_s REAL,               -- NULL: by nobody. Who it was is not kept
            claim_latency_s REAL GENERATED ALWAYS AS (claimed_at_s - raised_at_s) VIRTUAL,
            PRIMARY KEY (site, alert_id)
        ) STRICT, WITHOUT ROWID
        """,
        "CREATE INDEX alerts_by_time ON alerts (raised_at_s)",
    ),
)
"""Statements that bring the file from version n to n + 1; what has shipped is never changed, a new step is added."""

VERSION = len(_STEPS)

_PUT_VISIT = """
INSERT INTO visits (site, visit_id, event_id, camera, stay_id, in_doubt, began_at_s, duration_s, entered, staff,
                    settled, readings, zones, classifier, detector)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_PUT_ALERT = """
INSERT INTO alerts (site, alert_id, visit_id, camera, rule, began_at_s, raised_at_s) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET rule = excluded.rule, began_at_s = excluded.began_at_s
"""
_PUT_CLAIM = """
INSERT INTO alerts (site, alert_id, visit_id, camera, raised_at_s, claimed_at_s) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET claimed_at_s = coalesce(claimed_at_s, excluded.claimed_at_s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRow:
    """A store as the daemon was last configured for it."""

    site: str
    time_zone: str
    min_cell: int


class LedgerFile:
    """The file; opened by the first call, and again after a failure. Belongs to one thread at a time.

    Every method but `close` raises SinkError (a newer version wrote the file), FileUnavailableError (nothing was done)
    or FileDamagedError (the file was damaged and is set aside; the next call begins a new one).

    Args:
        path: the file; SQLite keeps `-wal` and `-shm` beside it.
        site: written into it whenever it is opened; None if there is nothing to say.
        stamp: names a file that is set aside, for example by the time.
        busy_timeout_s: how long to wait for another process.
    """

    def __init__(self, path: Path, site: SiteRow | None, *, stamp: str, busy_timeout_s: float = 1.0) -> None:
        self.path = path
        self._site, self._stamp, self._busy_timeout_s = site, stamp, busy_timeout_s
        self._db: sqlite3.Connection | None = None

    def write(self, rows: Sequence[Row]) -> None:
        """Commit rows together; a visit that ends once more takes the place of its first end."""
        with self._opened() as db, db:
            for row in rows:
                _put(db, row)

    def delete_before(self, before_s: float) -> tuple[int, int]:
        """Delete the visits that began earlier and their alerts, wipe what they left; return how many of each."""
        with self._opened() as db:
            with db:
                alerts = db.execute(
                    "DELETE FROM alerts WHERE raised_at_s < ?1 OR began_at_s < ?1 OR (site, visit_id) IN "
                    "(SELECT site, visit_id FROM visits WHERE began_at_s < ?1)",
                    (before_s,),
                ).rowcount
                visits = db.execute("DELETE FROM visits WHERE began_at_s < ?", (before_s,)).rowcount
            wipe(db, f"ledger {self.path}")
            return visits, alerts

    def visits_since(self, site: str, since_s: float) -> tuple[VisitRow, ...]:
        """Return every visit of the stays that have one since then, in the order of their start."""
        with self._opened() as db:
            return tuple(read_visits(db, site, since_s, math.inf))

    def cameras(self, site: str) -> tuple[str, ...]:
        """Return the cameras of which there are visits."""
        with self._opened() as db:
            rows = db.execute("SELECT DISTINCT camera FROM visits WHERE site = ? ORDER BY camera", (site,))
            return tuple(row["camera"] for row in rows)

    def close(self) -> None:
        """Let go of the file; safe to call twice."""
        db, self._db = self._db, None
        if db is not None:
            with suppress(sqlite3.Error):  # tidying the log may fail on a full disk; what is committed stays committed
                db.close()

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with explained("ledger", self.path, self._stamp, self.close):
            yield self._db or self._open()

    def _open(self) -> sqlite3.Connection:
        # Calls come from the thread that decides and from the main one, never two at once.
        self._db = db = sqlite3.connect(self.path, timeout=self._busy_timeout_s, check_same_thread=False)
        db.row_factory = sqlite3.Row
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            self.close()
            raise SinkError(newer_version(self.path, version))
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "foreign_keys = ON"):
            db.execute(f"PRAGMA {pragma}")
        db.execute("PRAGMA temp_store = MEMORY")  # VACUUM copies the whole file: not into /tmp
        db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        if (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            self.close()
            set_aside("ledger", self.path, self._stamp, str(found))
        with db:
            _migrate(db)
            if self._site is not None:
                values = (self._site.site, self._site.time_zone, self._site.min_cell)
                db.execute("INSERT OR REPLACE INTO sites VALUES (?, ?, ?)", values)
        return db


def newer_version(path: Path, version: int) -> str:
    """Say that a file cannot be understood."""
    return (
        f"ledger {path}: written by a newer version of Vestibule (layout {version}, known is {VERSION}); "
        "name another ledger.path or install that version"
    )


def _migrate(db: sqlite3.Connection) -> None:
    """Bring the file up to date, all or nothing; another process that does the same at this moment goes first."""
    db.execute("BEGIN IMMEDIATE")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    for step in _STEPS[version:]:
        for statement in step:
            db.execute(statement)
    if version < VERSION:
        db.execute(f"PRAGMA user_version = {VERSION}")


def _put(db: sqlite3.Connection, row: Row) -> None:
    match row:
        case VisitRow():
            _put_visit(db, row)
        case AlertRow():
            known = (row.site, row.alert_id, row.visit_id, row.camera, row.rule, row.began_at_s, row.raised_at_s)
            db.execute(_PUT_ALERT, known)
        case ClaimRow():
            times = (row.raised_at_s, row.claimed_at_s)
            db.execute(_PUT_CLAIM, (row.site, row.alert_id, row.visit_id, row.camera, *times))


def _put_visit(db: sqlite3.Connection, row: VisitRow) -> None:
    db.execute("DELETE FROM visits WHERE site = ? AND visit_id = ?", (row.site, row.visit_id))
    names = (row.site, row.visit_id, row.event_id, row.camera, row.stay_id, row.in_doubt)
    facts = (row.began_at_s, row.duration_s, row.entered, row.staff, row.settled, row.readings)
    models = (row.classifier, row.detector)
    visit = db.execute(_PUT_VISIT, (*names, *facts, json.dumps(row.zones), *models)).lastrowid
    db.executemany(
        "INSERT INTO garments (visit, label, score, is_group) VALUES (?, ?, ?, ?)",
        [(visit, worn.label, worn.score, worn.is_group) for worn in row.worn],
    )
