"""The paired phones, in a SQLite file that the service shares with `vestibule web pair`, `devices` and `revoke`."""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from threading import Lock

from vestibule.errors import SinkError

_BUSY_S = 2.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS devices (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    paired_at_s REAL NOT NULL,    -- Unix seconds
    seen_at_s REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS codes (
    digest TEXT PRIMARY KEY,      -- keyed; the code itself is nowhere
    name TEXT NOT NULL,           -- the device's, empty if it is to be asked for
    expires_at_s REAL NOT NULL
) STRICT;
"""


class NamelessError(Exception):
    """The code is good, and nobody has said whose the device is; the code stays good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One paired phone.

    Attributes:
        device_id: 8 hexadecimal digits; no secret.
        name: whose it is, shown to the others.
        paired_at_s: Unix seconds.
        seen_at_s: when the page was last opened, Unix seconds.
    """

    device_id: str
    name: str
    paired_at_s: float
    seen_at_s: float


class Devices:
    """The file; methods may be called from any thread, and from several processes at once.

    Args:
        path: where it lies; made if it is not there.

    Raises:
        SinkError: it cannot be read or written (so every method).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = Lock()
        with self._explained():
            self._db = sqlite3.connect(path, timeout=_BUSY_S, check_same_thread=False, isolation_level=None)
        try:
            with self._explained():
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA secure_delete = ON")
                self._db.executescript(_SCHEMA)
        except SinkError:
            self._db.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def offer(self, digest: str, name: str, expires_at_s: float) -> None:
        """Note a pairing code by its digest."""
        with self._changing():
            self._db.execute("INSERT OR REPLACE INTO codes VALUES (?, ?, ?)", (digest, name, expires_at_s))

    def redeem(self, digest: str, name: str, now_s: float) -> Device | None:
        """Pair a device if the code is one that was offered, has not expired and was not used; else None.

        Args:
            digest: of the code that was typed.
            name: what the person calls the device, or empty; the one given with the code counts more.
            now_s: Unix seconds.

        Raises:
            NamelessError: there is no name.
        """
        with self._changing():
            self._db.execute("DELETE FROM codes WHERE expires_at_s <= ?", (now_s,))
            offered = self._db.execute("SELECT digest, name FROM codes").fetchall()
            # Each is compared in full: how long it takes tells nothing of how much was right.
            found = [given for known, given in offered if compare_digest(known, digest)]
            if not found:
                return None
            if not (found[0] or name):
                raise NamelessError
            self._db.execute("DELETE FROM codes WHERE digest = ?", (digest,))
            device = Device(device_id=secrets.token_hex(4), name=found[0] or name, paired_at_s=now_s, seen_at_s=now_s)
            self._db.execute("INSERT INTO devices VALUES (?, ?, ?, ?)", (device.device_id, device.name, now_s, now_s))
            return device

    def get(self, device_id: str) -> Device | None:
        """Return a device that is paired and not revoked."""
        with self._turn, self._explained():
            row = self._db.execute("SELECT * FROM devices WHERE id = ?", (device_id,)).fetchone()
        return None if row is None else _device(row)

    def all(self) -> list[Device]:
        """Return every paired device, oldest pairing first."""
        with self._turn, self._explained():
            return [_device(row) for row in self._db.execute("SELECT * FROM devices ORDER BY paired_at_s")]

    def seen(self, device_id: str, now_s: float) -> None:
        """Note that a device opened the page."""
        with self._changing():
            self._db.execute("UPDATE devices SET seen_at_s = ? WHERE id = ?", (now_s, device_id))

    def revoke(self, device_id: str) -> bool:
        """Forget a device; its cookie is worth nothing from now on. Return whether there was one."""
        with self._changing():
            return self._db.execute("DELETE FROM devices WHERE id = ?", (device_id,)).rowcount > 0

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._turn, self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise SinkError(
                f"devices {self._path}: {error}; is the disk full, and the folder this user's? Removing the file "
                "unpairs every phone"
            ) from error


def _device(row: tuple[str, str, float, float]) -> Device:
    device_id, name, paired_at_s, seen_at_s = row
    return Device(device_id=device_id, name=name, paired_at_s=paired_at_s, seen_at_s=seen_at_s)
