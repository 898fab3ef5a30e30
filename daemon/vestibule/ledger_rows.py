"""What is kept of a message: visits, alerts and claims as rows, without pictures, embeddings or names of people."""

import json
import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Literal

from vestibule.payloads import alerts_topic, visits_topic
from vestibule.types import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Worn:
    """One garment of a visit, or a group of garments one of which is worn."""

    label: str
    score: float
    is_group: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRow:
    """A visit as it stood at one moment; those of type `end` are kept.

    Attributes:
        stay_id: the same for all visits of one customer, on whatever cameras; the visit's own id where it is alone.
        in_doubt: whether it may belong to another stay.
        began_at_s: first seen, Unix seconds, UTC.
        duration_s: from there to last seen.
        readings: looks of the classifier that the garments rest on.
    """

    event_id: str
    type: Literal["new", "update", "end"]
    site: str
    camera: str
    visit_id: str
    stay_id: str
    in_doubt: bool
    began_at_s: float
    duration_s: float
    entered: bool
    staff: bool
    settled: bool
    readings: int
    zones: tuple[str, ...]
    worn: tuple[Worn, ...]
    classifier: str
    detector: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """An alert; `began_at_s` is when the customer was first seen."""

    site: str
    camera: str
    alert_id: str
    visit_id: str
    rule: str
    began_at_s: float
    raised_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRow:
    """That somebody on the staff went; who it was is not kept."""

    site: str
    camera: str
    alert_id: str
    visit_id: str
    raised_at_s: float
    claimed_at_s: float


Row = VisitRow | AlertRow | ClaimRow

_VISITS_OF_PERIOD = """
SELECT * FROM visits WHERE site = ?1 AND stay_id IN (
    SELECT stay_id FROM visits WHERE site = ?1 AND began_at_s >= ?2 AND began_at_s < ?3
) ORDER BY began_at_s, id
"""
_GARMENTS_OF_PERIOD = """
SELECT * FROM garments WHERE visit IN (
    SELECT id FROM visits WHERE site = ?1 AND stay_id IN (
        SELECT stay_id FROM visits WHERE site = ?1 AND began_at_s >= ?2 AND began_at_s < ?3
    )
) ORDER BY visit, label
"""


def row_of(message: Message, *, prefix: str, site: str) -> Row | None:
    """Return what a message says of visits, alerts and claims; None if it is about something else.

    Args:
        message: as published by this daemon.
        prefix: of the topics.
        site: the store's id.
    """
    if not message.payload:
        return None  # a topic is forgotten: the visit that it was about has ended
    alerts = alerts_topic(prefix, site)
    if message.topic == visits_topic(prefix, site):
        return _visit(json.loads(message.payload))
    if message.topic == alerts:
        return _alert(json.loads(message.payload))
    if message.topic.startswith(f"{alerts}/") and message.topic.endswith("/claim/state"):
        return _claim(json.loads(message.payload))
    return None


def _visit(payload: dict[str, Any]) -> VisitRow:
    stay = payload.get("stay") or {"stay_id": payload["visit_id"], "in_doubt": False}
    worn = [(each, False) for each in payload["garments"]] + [(each, True) for each in payload["groups"]]
    return VisitRow(
        event_id=payload["event_id"],
        type=payload["type"],
        site=payload["site"],
        camera=payload["camera"],
        visit_id=payload["visit_id"],
        stay_id=stay["stay_id"],
        in_doubt=stay["in_doubt"],
        began_at_s=payload["first_seen_at_s"],
        duration_s=round(payload["last_seen_at_s"] - payload["first_seen_at_s"], 3),
        entered=payload["entered"],
        staff=payload["staff"],
        settled=payload["settled"],
        readings=payload["readings"],
        zones=tuple(payload["zones"]),
        worn=tuple(Worn(label=each["label"], score=each["score"], is_group=is_group) for each, is_group in worn),
        classifier=payload["model"]["classifier"],
        detector=payload["model"]["detector"],
    )


def _alert(payload: dict[str, Any]) -> AlertRow:
    return AlertRow(
        site=payload["site"],
        camera=payload["camera"],
        alert_id=payload["alert_id"],
        visit_id=payload["visit_id"],
        rule=payload["rule"],
        began_at_s=payload["first_seen_at_s"],
        raised_at_s=payload["raised_at_s"],
    )


def _claim(payload: dict[str, Any]) -> ClaimRow:
    return ClaimRow(
        site=payload["site"],
        camera=payload["camera"],
        alert_id=payload["alert_id"],
        visit_id=payload["visit_id"],
        raised_at_s=payload["raised_at_s"],
        claimed_at_s=payload["claimed_at_s"],
    )


def read_visits(db: sqlite3.Connection, site: str, from_s: float, to_s: float) -> list[VisitRow]:
    """Return every visit of the stays that have one in a period, in the order of their start; two queries.

    Args:
        db: a ledger, with rows as `sqlite3.Row`.
        site: the store's id.
        from_s: where the period begins, Unix seconds.
        to_s: where it has ended.
    """
    values = (site, from_s, to_s)
    worn: defaultdict[int, list[Worn]] = defaultdict(list)
    for row in db.execute(_GARMENTS_OF_PERIOD, values):
        worn[row["visit"]].append(Worn(label=row["label"], score=row["score"], is_group=bool(row["is_group"])))
    return [_kept_visit(row, tuple(worn[row["id"]])) for row in db.execute(_VISITS_OF_PERIOD, values)]


def _kept_visit(row: sqlite3.Row, worn: tuple[Worn, ...]) -> VisitRow:
    return VisitRow(
        event_id=row["event_id"],
        type="end",
        site=row["site"],
        camera=row["camera"],
        visit_id=row["visit_id"],
        stay_id=row["stay_id"],
        in_doubt=bool(row["in_doubt"]),
        began_at_s=row["began_at_s"],
        duration_s=row["duration_s"],
        entered=bool(row["entered"]),
        staff=bool(row["staff"]),
        settled=bool(row["settled"]),
        readings=row["readings"],
        zones=tuple(json.loads(row["zones"])),
        worn=worn,
        classifier=row["classifier"],
        detector=row["detector"],
    )
