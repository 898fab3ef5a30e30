"""Opens a ledger for reading, beside the daemon that writes it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from vestibule.errors import SinkError
from vestibule.ledger_file import VERSION, newer_version

_BUSY_S = 10.0


def summary(path: Path) -> str:
    """Say in a few words what a ledger holds; the file stays as it is.

    Raises:
        SinkError: it cannot be read.
    """
    with reading(path) as db:
        visits, first_s = db.execute("SELECT count(*), min(began_at_s) FROM visits").fetchone()
    since = "" if first_s is None else f" since {datetime.fromtimestamp(first_s, UTC):%Y-%m-%d}"
    return f"{visits} visits{since}"


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a ledger for reading, beside a daemon that writes it or on a disk that cannot be written.

    Raises:
        SinkError: there is none, it is damaged, or of another version.
    """
    if not path.is_file():
        raise SinkError(f"ledger {path}: there is no such file; name one that a daemon or a replay wrote")
    try:
        db = _connect_reader(path)
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise SinkError(newer_version(path, version))
            if version < VERSION:
                raise SinkError(
                    f"ledger {path}: is none, or of an earlier version; a daemon or a replay brings it up to date"
                )
            yield db
        finally:
            db.close()
    except sqlite3.Error as error:
        raise SinkError(f"ledger {path}: {error}; is it a ledger, and may this user read it?") from error


def _connect_reader(path: Path) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    db = sqlite3.connect(uri, uri=True, timeout=_BUSY_S)
    db.row_factory = sqlite3.Row
    try:
        db.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size:
            db.close()
            raise
        db.close()
        # A folder that cannot be written, where WAL's shared memory would go: nobody else can write there either.
        db = sqlite3.connect(f"{uri}&immutable=1", uri=True)
        db.row_factory = sqlite3.Row
    return db
