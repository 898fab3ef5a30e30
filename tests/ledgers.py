"""Messages that a ledger keeps, and what is in its file."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

from mqtt_client import MODEL, make_alert

from vestibule.payloads import alert_message, visit_message
from vestibule.sections import SiteConfig
from vestibule.sinks import LedgerSink
from vestibule.types import Garment, Message, Phase, Visit

NOON_S = 1_700_049_600.0
"""2023-11-15, 12:00 UTC."""


def visit(
    number: int = 1,
    *,
    at_s: float = NOON_S,
    worn: tuple[str, ...] = ("Dress",),
    stay: dict[str, object] | None = None,
    phase: Phase = "ended",
    camera: str = "door",
    site: str = "store",
    **changes: Any,  # noqa: ANN401 - fields of a visit
) -> Message:
    """The message of a visit that began at `at_s` and took 90 s."""
    found = Visit(
        visit_id=f"{camera}-{number}",
        camera_id=camera,
        first_seen_at_s=at_s,
        last_seen_at_s=at_s + 90,
        entered=True,
        zones=("rack",),
        garments=tuple(Garment(label=label, score=0.9, votes=3) for label in worn),
        groups=(Garment(label="Knitwear", score=0.6, votes=2),),
        phase=phase,
        settled=True,
        silent=False,
        readings=5,
    )
    message = visit_message(
        replace(found, **changes), at_s=at_s + 90, site=site, prefix="vestibule", seq=number, model=MODEL
    )
    if stay is None:
        return message
    return replace(message, payload=json.dumps({**json.loads(message.payload), "stay": stay}).encode())


def alert(number: int = 1, *, at_s: float = NOON_S, camera: str = "door") -> Message:
    """The message of an alert that was raised 2 s after the visit of that number began."""
    visit_id = f"{camera}-{number}"
    found = replace(make_alert(number), alert_id=f"{visit_id}:suit", visit_id=visit_id, camera_id=camera)
    found = replace(found, first_seen_at_s=at_s, raised_at_s=at_s + 2)
    return alert_message(found, site="store", prefix="vestibule", seq=number, model=MODEL)


def claim(number: int = 1, *, at_s: float = NOON_S, after_s: float = 30.0, camera: str = "door") -> Message:
    """The state of that alert's claim, made so long after the alert."""
    payload = {
        "schema_version": 1,
        "event_id": f"{camera}-{number}:suit:claim",
        "site": "store",
        "camera": camera,
        "alert_id": f"{camera}-{number}:suit",
        "visit_id": f"{camera}-{number}",
        "by": "Ana Garcia",
        "claim_id": "press-0001",
        "raised_at_s": at_s + 2,
        "raised_at": "",
        "claimed_at_s": at_s + 2 + after_s,
        "claimed_at": "",
    }
    topic = f"vestibule/store/alerts/{payload['alert_id']}/claim/state"
    return Message(topic=topic, at_s=at_s + 2 + after_s, payload=json.dumps(payload).encode(), retain=True)


def ledger(path: Path, *, zone: str = "UTC", **options: Any) -> LedgerSink:  # noqa: ANN401 - options of the sink
    """A sink as the daemon makes it."""
    site = SiteConfig(id="store", time_zone=zone)
    return LedgerSink(path, site=site, prefix="vestibule", **{"min_cell": 5, "patient": True, **options})


def rows(path: Path, query: str = "SELECT * FROM visits ORDER BY id") -> list[dict[str, Any]]:
    """What another process finds in the file."""
    db = sqlite3.connect(path)
    db.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in db.execute(query)]
    finally:
        db.close()


def on_disk(path: Path, text: str) -> list[str]:
    """The files of a ledger, with whatever lies beside it, in which a text can be found."""
    return [file.name for file in sorted(path.parent.glob(f"{path.name}*")) if text.encode() in file.read_bytes()]
