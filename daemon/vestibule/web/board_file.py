"""The board on disk: a SQLite file that one process uses. Where it cannot be written, rows wait in memory."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import structlog

from vestibule.errors import SinkError
from vestibule.sqlite_file import FileDamagedError, FileUnavailableError, explained, set_aside

BOARD_FILE = "alerts.sqlite3"
"""Its name in `web.state_dir`."""
_MOST_WAITING = 4000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
    kind TEXT NOT NULL,
    site TEXT NOT NULL,
    name TEXT NOT NULL,
    at_s REAL NOT NULL,           -- Unix seconds
    data TEXT NOT NULL,           -- JSON, what the page is told
    PRIMARY KEY (kind, site, name)
) STRICT
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An alert or a claim, as `Item` without its number."""

    kind: Literal["alert", "claim"]
    site: str
    name: str
    at_s: float
    data: dict[str, Any]


class BoardFile:
    """The file. A damaged one is set aside, as it holds nothing that is not told elsewhere.

    Args:
        path: where it lies; made if it is not there.
        stamp: names a file that is set aside, for example by the time.

    Raises:
        SinkError: another process uses it.
    """

    def __init__(self, path: Path, stamp: str) -> None:
        self._path, self._stamp = path, stamp
        self._turn = Lock()
        self._db: sqlite3.Connection | None = None
        self._waiting: list[Row] = []
        self._well = True
        with self._turn, self._degrading():
            self._open()

    def load(self) -> list[Row]:
        """Return what it holds, oldest first."""
        rows: list[Row] = []
        with self._turn, self._degrading():
            for kind, site, name, at_s, data in self._open().execute("SELECT * FROM items ORDER BY at_s, kind"):
                try:
                    rows.append(Row(kind=kind, site=site, name=name, at_s=at_s, data=json.loads(data)))
                except ValueError as error:  # damage that SQLite does not see
                    self._close()
                    set_aside("alerts", self._path, self._stamp, str(error))
        return rows

    def save(self, row: Row) -> None:
        """Write a row, and those that have waited."""
        with self._turn:
            self._waiting = [*self._waiting, row][-_MOST_WAITING:]
            self._write(None)

    def forget(self, before_s: float) -> None:
        """Delete what is older, so that it cannot be read from the disk any more."""
        with self._turn:
            self._waiting = [row for row in self._waiting if row.at_s >= before_s]
            self._write(before_s)

    def close(self) -> None:
        """Let go of the file; safe to call twice."""
        with self._turn:
            self._close()

    def _write(self, forget_before_s: float | None) -> None:
        with self._degrading():
            db = self._open()
            with db:
                db.executemany(
                    "INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?)",
                    [(row.kind, row.site, row.name, row.at_s, json.dumps(row.data)) for row in self._waiting],
                )
                if forget_before_s is not None:
                    db.execute("DELETE FROM items WHERE at_s < ?", (forget_before_s,))
            self._waiting = []
            self._well = True

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = db = sqlite3.connect(self._path, timeout=0.0, check_same_thread=False)
            db.execute("PRAGMA locking_mode = EXCLUSIVE")  # a second service with this folder is told so
            db.execute("PRAGMA journal_mode = TRUNCATE")  # no log in which deleted rows live on
            db.execute("PRAGMA secure_delete = ON")
            with db:
                db.execute(_SCHEMA)
                db.execute("DELETE FROM items WHERE FALSE")  # takes the lock now
        return self._db

    def _close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with suppress(sqlite3.Error):
                db.close()

    @contextmanager
    def _degrading(self) -> Iterator[None]:
        """Go on without the file where it fails; tell it once."""
        try:
            with explained("alerts", self._path, self._stamp, self._close):
                yield
        except FileUnavailableError as error:
            if error.busy:
                raise SinkError(
                    f"alerts {self._path}: another process uses it; give each service a web.state_dir of its own"
                ) from error
            if self._well:
                log.error("alerts are kept in memory only", problem=str(error))  # noqa: TRY400 - one line says it
            self._well = False
        except FileDamagedError as error:
            log.error("alerts are begun anew", problem=str(error))  # noqa: TRY400
