"""What tests read out of an outbox and out of its file."""

import json
import sqlite3
from pathlib import Path

from vestibule.outbox import Outbox
from vestibule.outbox_file import Entry


def number(entry: Entry | None) -> int:
    assert entry is not None
    return int(json.loads(entry.message.payload)["seq"])


def offered(outbox: Outbox) -> list[int]:
    numbers = []
    while (entry := outbox.offer()) is not None:
        numbers.append(number(entry))
    return numbers


def on_disk(path: Path, state: str = "waiting") -> list[int]:
    """What another process finds in a file that nobody holds."""
    db = sqlite3.connect(path)
    try:
        rows = db.execute("SELECT payload FROM events WHERE state = ? ORDER BY id", (state,)).fetchall()
    finally:
        db.close()
    return [json.loads(row[0])["seq"] for row in rows]
