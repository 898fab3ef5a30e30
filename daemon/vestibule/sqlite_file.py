"""What the daemon's SQLite files share: how their failures are told, and how a damaged one is set aside."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_BESIDE = ("-wal", "-shm")
"""What SQLite keeps beside a file in WAL mode."""


class FileUnavailableError(Exception):
    """The file cannot be read or written now; it may be later. `busy`: another process holds it."""

    def __init__(self, message: str, *, busy: bool = False) -> None:
        super().__init__(message)
        self.busy = busy


class FileDamagedError(Exception):
    """The file was damaged and has been set aside; whoever opens it again starts a new one."""


@contextmanager
def explained(what: str, path: Path, stamp: str, close: Callable[[], None]) -> Iterator[None]:
    """Turn SQLite's errors into ours, after closing the file; one that is damaged is set aside.

    Args:
        what: the file's name in messages.
        path: the file.
        stamp: names a file that is set aside, for example by the time.
        close: lets go of the file.

    Raises:
        FileUnavailableError: it cannot be read or written now.
        FileDamagedError: it was damaged; set aside.
    """
    try:
        yield
    except sqlite3.Error as error:
        close()
        # The last byte is the primary code (https://www.sqlite.org/rescode.html).
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _DAMAGE:
            set_aside(what, path, stamp, str(error))
        raise FileUnavailableError(f"{what} {path}: {error}; {_remedy(code)}", busy=code in _BUSY) from error


def set_aside(what: str, path: Path, stamp: str, problem: str) -> None:
    """Rename a closed file and what lies beside it, never over an earlier one, and say so by raising.

    Raises:
        FileUnavailableError: it cannot be renamed.
        FileDamagedError: it was.
    """
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{stamp}-{number}")).exists():
        number += 1
    try:
        for ending in ("", *_BESIDE):
            source = path.with_name(path.name + ending)
            if source.exists():
                source.rename(aside.with_name(aside.name + ending))
    except OSError as error:
        raise FileUnavailableError(f"{what} {path}: {problem}; cannot be set aside ({error})") from error
    raise FileDamagedError(f"{what} {path}: {problem}; set aside as {aside.name}")


def set_aside_files(path: Path) -> list[Path]:
    """Return what `set_aside` has left beside a file, with what lies beside that."""
    return sorted(path.parent.glob(f"{path.name}.damaged*"))


def wipe(db: sqlite3.Connection, what: str) -> None:
    """Leave no trace of what was deleted, in the file or in its log.

    `secure_delete` overwrites what a statement frees, yet rows that moved between pages may have left copies in a
    page's gaps: VACUUM writes the file anew from what is still in it. The copies in the log go with the log.

    Args:
        db: without a transaction under way.
        what: the file's name in messages.

    Raises:
        sqlite3.Error: there is no room, or another process writes for longer than the connection waits.
        FileUnavailableError: another process reads for longer than the connection waits.
    """
    db.execute("VACUUM")
    if db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        raise FileUnavailableError(f"{what}: another process reads it, so that its log cannot be emptied", busy=True)


def _remedy(code: int) -> str:
    if code == sqlite3.SQLITE_FULL:
        return "free some space"
    if code in _BUSY:
        return "another process uses it; tried again later"
    return "is the disk mounted, writable and sound, and the folder this user's?"
