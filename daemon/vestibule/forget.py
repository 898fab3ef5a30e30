"""`vestibule forget --before TIME`: deletes what was kept of customers before a time, so that nobody can read it.

What is deleted is overwritten in its file. That a disk which moves blocks about (flash, copy-on-write) keeps none of
the old ones is beyond a program.
"""

import fcntl
import json
import math
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, TextIO

from vestibule import snapshot_folder
from vestibule.config import Settings
from vestibule.errors import ConfigError, SinkError
from vestibule.ledger_file import LedgerFile
from vestibule.sqlite_file import FileDamagedError, FileUnavailableError, explained, set_aside_files, wipe
from vestibule.web.board_file import BOARD_FILE
from vestibule.web_sections import WebConfig

_WAIT_S = 10.0
"""For whoever else uses a file."""
_POLL_S = 0.1
_STOP_DAEMON = "the daemon holds it; stop it, run this again and start it"
_STOP_PAGE = "the staff page holds it; stop it, run this again and start it"


def forget(settings: Settings | None, ledger: Path | None, before_s: float, *, now_s: float, out: TextIO) -> int:
    """Delete everywhere, a line each; return 0 if all of it is gone, else 1.

    Args:
        settings: whose ledger, outbox, events file, snapshots and staff page; the ledger alone without.
        ledger: another ledger than the configuration's.
        before_s: Unix seconds; what began earlier goes.
        now_s: Unix seconds.
        out: standard output.

    Raises:
        ConfigError: the time is none or has not come yet, or there is no such ledger.
    """
    if not math.isfinite(before_s) or before_s > now_s:
        raise ConfigError("--before: is no time, or has not come yet; name one that is past")
    if ledger is not None and not ledger.is_file():
        raise ConfigError(f"--ledger {ledger}: there is no such file")
    failed = 0
    for name, step in _steps(settings, ledger):
        try:
            print(f"ok     {name}: {step(before_s)}", file=out, flush=True)
        except (SinkError, FileUnavailableError, FileDamagedError, OSError) as error:
            failed += 1
            print(f"FAILED {name}: {error}", file=out, flush=True)
    return 1 if failed else 0


def _steps(settings: Settings | None, ledger: Path | None) -> Iterator[tuple[str, Callable[[float], str]]]:
    """Yield every place where something of customers is kept: its name, and what deletes there."""
    path = ledger or (settings.ledger.file() if settings is not None else None)
    if path is not None:
        yield "ledger", lambda before_s: _forget_ledger(path, before_s)
    if settings is None:
        return
    if (outbox := settings.mqtt.outbox_path()) is not None:
        yield "outbox", lambda before_s: _forget_outbox(outbox, before_s)
    if (events := settings.jsonl.path) is not None:
        yield "events", lambda before_s: _forget_events(events, before_s)
    if (snapshots := settings.snapshots.path()) is not None:
        yield "snapshots", lambda before_s: f"{snapshots}: {snapshot_folder.forget(snapshots, before_s)} deleted"
    yield "staff page", lambda before_s: _forget_board(settings.web, before_s)


def _forget_ledger(path: Path, before_s: float) -> str:
    damaged = _delete_set_aside(path)
    if not path.is_file():
        return f"{path}: there is none{damaged}"
    file = LedgerFile(path, None, stamp=_stamp(), busy_timeout_s=_WAIT_S)
    try:
        visits, alerts = file.delete_before(before_s)
    finally:
        file.close()
    return f"{path}: {visits} visits and {alerts} alerts deleted{damaged}"


def _forget_outbox(path: Path, before_s: float) -> str:
    """Delete the records of what was not delivered; what still waits for the broker is news and stays."""
    damaged = _delete_set_aside(path)
    statement = "DELETE FROM events WHERE state <> 'waiting' AND at_s < ?"
    count = _delete(path, "outbox", statement, before_s, _STOP_DAEMON)
    return f"{path}: {count} records deleted{damaged}"


def _forget_board(config: WebConfig, before_s: float) -> str:
    path = config.state_dir / BOARD_FILE
    damaged = _delete_set_aside(path)
    count = _delete(path, "alerts", "DELETE FROM items WHERE at_s < ?", before_s, _STOP_PAGE)
    return f"{path}: {count} alerts and claims deleted{damaged}"


def _delete(path: Path, what: str, statement: str, before_s: float, in_use: str) -> int:
    """Delete rows of a file that somebody else makes; none if there is no such file."""
    if not path.is_file():
        return 0
    db = sqlite3.connect(path, timeout=_WAIT_S)
    try:
        with explained(what, path, _stamp(), db.close):
            db.execute("PRAGMA secure_delete = ON")
            db.execute("PRAGMA temp_store = MEMORY")
            with db:
                count = db.execute(statement, (before_s,)).rowcount
            wipe(db, f"{what} {path}")
    except FileUnavailableError as error:
        if error.busy:
            raise SinkError(f"{path}: {in_use}") from error
        raise
    finally:
        with suppress(sqlite3.Error):
            db.close()
    return count


def _delete_set_aside(path: Path) -> str:
    """Delete the damaged files beside one: nobody can tell from when what they hold is."""
    files = set_aside_files(path)
    for file in files:
        _overwrite(file)
        file.unlink()
    return f", {len(files)} damaged files deleted" if files else ""


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        _blank(file, path.stat().st_size)


def _blank(file: BinaryIO, until: int) -> None:
    """Write zeros from where the file stands, and have the disk take them."""
    while (left := until - file.tell()) > 0:
        file.write(b"\0" * min(left, 1 << 20))
    file.flush()
    os.fsync(file.fileno())


def _forget_events(path: Path, before_s: float) -> str:
    """Delete lines in place: whoever has the file open goes on at its end. A copy outlasts a power cut meanwhile."""
    if not path.is_file():
        return f"{path}: there is none"
    copy = path.with_name(f"{path.name}.forgetting")
    with path.open("r+b") as file, _alone(file, path):
        size, gone = path.stat().st_size, 0
        with copy.open("wb") as kept:
            for line in file:
                if _is_older(line, before_s):
                    gone += 1
                else:
                    kept.write(line)
            kept.flush()
            os.fsync(kept.fileno())
        if gone:
            file.seek(0)
            with copy.open("rb") as kept:
                shutil.copyfileobj(kept, file)
            length = file.tell()
            _blank(file, size)
            file.truncate(length)
    _overwrite(copy)
    copy.unlink()
    return f"{path}: {gone} lines deleted"


@contextmanager
def _alone(file: BinaryIO, path: Path) -> Iterator[None]:
    """Hold a file that the daemon holds while it runs."""
    deadline_s = time.monotonic() + _WAIT_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline_s:
                raise SinkError(f"{path}: {_STOP_DAEMON}") from error
            time.sleep(_POLL_S)
        else:
            break
    yield


def _is_older(line: bytes, before_s: float) -> bool:
    """Whether an event is of somebody who came before a time; a line that is no event cannot tell, and goes."""
    try:
        event = json.loads(line)
        return bool(min(event["at_s"], event["payload"].get("first_seen_at_s", math.inf)) < before_s)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return True


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
