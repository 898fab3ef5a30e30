"""Log lines to systemd's journal with fields of their own, so that `journalctl VESTIBULE_CAMERA=door` finds them.

Native protocol: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/, one datagram an entry.
"""

import json
import logging
import os
import re
import socket
import sys
from collections.abc import Mapping

SOCKET = "/run/systemd/journal/socket"
_FIELD = re.compile(r"[A-Z][A-Z0-9_]{0,52}")
_SKIPPED = {"timestamp", "level"}  # the journal has its own


def is_journal(descriptor: int, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether an open file is the journal's, by the device and inode that systemd names in $JOURNAL_STREAM."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class JournalHandler(logging.Handler):
    """Sends each line as MESSAGE; the keys of a line that is a JSON object also as `VESTIBULE_<KEY>`.

    Args:
        address: the journal's socket.
    """

    def __init__(self, address: str = SOCKET) -> None:
        super().__init__()
        self._address = address
        self._out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def emit(self, record: logging.LogRecord) -> None:
        """Send one line; where the journal does not take it, to standard error."""
        line = self.format(record)
        try:
            self._out.sendto(entry(line, record.levelno), self._address)
        except OSError:
            sys.stderr.write(f"{line}\n")

    def close(self) -> None:
        """Let go of the socket."""
        self._out.close()
        super().close()


def entry(line: str, level: int) -> bytes:
    """Return a line as the journal wants it."""
    fields = {"MESSAGE": line, "PRIORITY": str(_priority(level)), "SYSLOG_IDENTIFIER": "vestibule"}
    try:
        values = json.loads(line)
    except ValueError:
        values = {}
    if isinstance(values, dict):
        for key, value in values.items():
            if key not in _SKIPPED and _FIELD.fullmatch(key.upper()):
                fields[f"VESTIBULE_{key.upper()}"] = value if isinstance(value, str) else json.dumps(value)
    return b"".join(_encoded(name, value.encode("utf-8", "replace")) for name, value in fields.items())


def _encoded(name: str, value: bytes) -> bytes:
    if b"\n" not in value:
        return name.encode() + b"=" + value + b"\n"
    return name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"


def _priority(level: int) -> int:
    """Return syslog's priority (RFC 5424, section 6.2.1) of a logging level."""
    for least, priority in ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6)):
        if level >= least:
            return priority
    return 7
