"""What waits for the broker, on disk: a SQLite file that survives the process, the machine and its own damage.

Commits of new events use `synchronous=FULL`: in WAL mode SQLite then syncs the log at every commit, so that an event
whose `write` returned is there after a power cut. `NORMAL` would keep the file sound and lose the last commits. That an
event is settled is committed with `NORMAL`: should a power cut undo it, the event is sent once more under the same
`event_id`, which subscribers drop (https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vestibule.errors import SinkError
from vestibule.sqlite_file import FileUnavailableError, explained, set_aside
from vestibule.types import Message

Outcome = Literal["acknowledged", "expired", "refused", "dropped"]
"""acknowledged: the broker has it; expired: no news any more; refused: by the broker; dropped: there was no room."""

_VERSION = 1
_KEPT_RECORDS = 1000
_CHECKPOINT_PAGES = 256  # of 4 KiB: the log beside the file stays near 1 MiB
_TRIAL_BYTES = 1000  # about what an event has
_BUSY_S = 1.0
_LONGEST_TOPIC = 10_000  # characters; MQTT's limit is 65,535 bytes
_LATEST_S = 2.0**32  # what MQTT's message expiry can say, and the year 2106
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY,           -- in the order of arrival
    topic TEXT NOT NULL,
    at_s REAL NOT NULL,
    payload BLOB NOT NULL,
    ttl_s REAL,                       -- NULL: never expires
    added_at_s REAL NOT NULL,         -- Unix seconds
    boot_id TEXT NOT NULL,
    boot_s REAL NOT NULL,             -- seconds since that boot, which no change of the clock moves
    state TEXT NOT NULL DEFAULT 'waiting'
) STRICT
"""
_INSERT = """
INSERT INTO events (topic, at_s, payload, ttl_s, added_at_s, boot_id, boot_s) VALUES (?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(slots=True, kw_only=True)
class Entry:
    """One event that waits.

    Attributes:
        message: the event.
        ttl_s: after this it is no news; None never.
        added_at_s: Unix seconds.
        boot_id: the boot during which it was added.
        boot_s: seconds since that boot.
        row: its id in the file; None while it is in memory only.
    """

    message: Message
    ttl_s: float | None
    added_at_s: float
    boot_id: str
    boot_s: float
    row: int | None = None


class OutboxFile:
    """The file; opened by `load` or the first `write`, and again after a failure. Belongs to one thread at a time.

    Args:
        path: the file; SQLite keeps `-wal` beside it.
        stamp: names a file that is set aside, for example by the time.
    """

    def __init__(self, path: Path, stamp: str) -> None:
        self.path = path
        self._stamp = stamp
        self._db: sqlite3.Connection | None = None

    def load(self) -> tuple[Entry, ...]:
        """Open, verify, and return what waits, oldest first.

        Raises:
            SinkError: another process uses it, or a newer version wrote it.
            FileUnavailableError: it cannot be opened.
            FileDamagedError: it was damaged; set aside.
        """
        with self._explained():
            db = self._open()
            if (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                self._set_aside(str(found))
            rows = db.execute(
                "SELECT id, topic, at_s, payload, ttl_s, added_at_s, boot_id, boot_s "
                "FROM events WHERE state = 'waiting' ORDER BY id"
            )
            entries = tuple(
                Entry(
                    message=Message(topic=topic, at_s=at_s, payload=payload),
                    ttl_s=ttl_s,
                    added_at_s=added_at_s,
                    boot_id=boot_id,
                    boot_s=boot_s,
                    row=row,
                )
                for row, topic, at_s, payload, ttl_s, added_at_s, boot_id, boot_s in rows
            )
            if (odd := next((entry for entry in entries if not _is_event(entry)), None)) is not None:
                self._set_aside(f"row {odd.row} is no event")
            return entries

    def write(self, new: Sequence[Entry], settled: Mapping[int, Outcome]) -> None:
        """Commit new entries, which get their `row`, and the outcomes of earlier ones, by row.

        Raises:
            SinkError: it had to be opened again, and another process uses it by now.
            FileUnavailableError: nothing was written.
            FileDamagedError: the file was damaged; set aside with all it held.
        """
        with self._explained():
            db = self._open()
            db.execute(f"PRAGMA synchronous = {'FULL' if new else 'NORMAL'}")
            rows: list[int | None] = []
            with db:
                self._settle(db, settled)
                for entry in new:
                    message = entry.message
                    times = (entry.ttl_s, entry.added_at_s, entry.boot_id, entry.boot_s)
                    cursor = db.execute(_INSERT, (message.topic, message.at_s, message.payload, *times))
                    rows.append(cursor.lastrowid)
        for entry, row in zip(new, rows, strict=True):
            entry.row = row

    def try_out(self) -> None:
        """Commit what an event takes on the disk and leaves nothing behind, to find out whether the disk takes it.

        Raises:
            SinkError: it had to be opened again, and another process uses it by now.
            OutboxUnavailableError: the disk does not.
            OutboxDamagedError: the file was damaged; set aside with all it held.
        """
        with self._explained():
            db = self._open()
            db.execute("PRAGMA synchronous = FULL")
            with db:
                row = db.execute(_INSERT, ("trial", 0.0, b"{}" + bytes(_TRIAL_BYTES), None, 0.0, "", 0.0)).lastrowid
                db.execute("DELETE FROM events WHERE id = ?", (row,))

    def close(self) -> None:
        """Let go of the file; safe to call twice."""
        db, self._db = self._db, None
        if db is not None:
            with suppress(sqlite3.Error):  # tidying the log may fail on a full disk; what is committed stays committed
                db.close()

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            # Calls come from the thread that decides and from the network's, never two at once.
            self._db = db = sqlite3.connect(self.path, timeout=_BUSY_S, check_same_thread=False)
            db.text_factory = lambda raw: raw.decode("utf-8", "replace")  # what is no text is noticed by `load`
            # One process only: a second daemon with this file is told so, and no shared memory file is needed.
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                self.close()
                raise SinkError(
                    f"outbox {self.path}: written by a newer version of Vestibule (layout {version}, known is "
                    f"{_VERSION}); name another mqtt.outbox_file or install that version"
                )
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA secure_delete = ON")  # what was delivered is nobody's business any more
            db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            with db:
                db.execute(_SCHEMA)
                db.execute("CREATE INDEX IF NOT EXISTS by_state ON events (state, id)")
                if version < _VERSION:
                    db.execute(f"PRAGMA user_version = {_VERSION}")
        return self._db

    def _settle(self, db: sqlite3.Connection, settled: Mapping[int, Outcome]) -> None:
        """Forget what arrived or was dropped; keep the newest of the others as a record for the administrator."""
        gone = [(row,) for row, outcome in settled.items() if outcome in {"acknowledged", "dropped"}]
        kept = [(outcome, row) for row, outcome in settled.items() if outcome in {"expired", "refused"}]
        db.executemany("DELETE FROM events WHERE id = ?", gone)
        if kept:
            db.executemany("UPDATE events SET state = ? WHERE id = ?", kept)
            db.execute(
                "DELETE FROM events WHERE state <> 'waiting' AND id NOT IN "
                "(SELECT id FROM events WHERE state <> 'waiting' ORDER BY id DESC LIMIT ?)",
                (_KEPT_RECORDS,),
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            with explained("outbox", self.path, self._stamp, self.close):
                yield
        except FileUnavailableError as error:
            if error.busy:
                raise SinkError(
                    f"outbox {self.path}: another process uses it; give each daemon an mqtt.outbox_file of its own"
                ) from error
            raise

    def _set_aside(self, problem: str) -> None:
        self.close()
        set_aside("outbox", self.path, self._stamp, problem)


def _is_event(entry: Entry) -> bool:
    """Whether an entry can be published: hands other than ours, or damage that SQLite does not see, make others."""
    topic = entry.message.topic
    times = (entry.message.at_s, entry.added_at_s, entry.boot_s, *(() if entry.ttl_s is None else (entry.ttl_s,)))
    if not topic or len(topic) > _LONGEST_TOPIC or not topic.isprintable() or set(topic) & set("#+\ufffd"):
        return False
    if not all(math.isfinite(time_s) and abs(time_s) < _LATEST_S for time_s in times):
        return False
    try:
        return isinstance(json.loads(entry.message.payload), dict)
    except (ValueError, RecursionError):
        return False
