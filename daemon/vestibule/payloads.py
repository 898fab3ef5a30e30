"""What is published: one pydantic model a payload, and pure functions from `Alert` and `Visit` to `Message`.

The bytes depend on the arguments alone (fixed key order, compact, no clock), so that a replay of the same input
publishes the same bytes. `python -m vestibule.payloads FOLDER` writes the JSON Schemas that ship in `schemas/`.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from vestibule.camera_payloads import CamerasPayload
from vestibule.claim_payloads import ClaimPayload, ClaimSetPayload
from vestibule.payload_fields import (
    SCHEMA_VERSION,
    EventId,
    Iso,
    Name,
    Payload,
    Seconds,
    Seq,
    Version,
    encode,
    iso,
    to_ms,
)
from vestibule.types import Alert, Confidence, Garment, Message, Phase, Stay, Visit
from vestibule_models.labels import GROUP_OF

SCHEMA_DIR = Path(__file__).parent / "schemas"

_Groups = Annotated[
    tuple["GarmentPayload", ...],
    Field(description="Kinds of garment that are worn where it cannot be said which garment; best score first."),
]

_TYPE_OF_PHASE: dict[Phase, Literal["new", "update", "end"]] = {"new": "new", "confirmed": "update", "ended": "end"}


class ModelNames(Payload):
    """The networks that were at work, each as `name@version`."""

    classifier: Name
    detector: Name


class GarmentPayload(Payload):
    """One garment or group: how probable it is by all readings (4 decimals), and how many of them alone were sure."""

    label: Name
    score: Annotated[float, Field(ge=0, le=1)]
    votes: Annotated[int, Field(ge=0)]

    @classmethod
    def of(cls, garment: Garment) -> Self:
        """Round for publication."""
        return cls(label=str(garment.label), score=round(float(garment.score), 4), votes=garment.votes)


class AlertPayload(Payload):
    """`<prefix>/<site>/alerts`: a customer whom the staff asked to be told of; once a visit and rule."""

    schema_version: Version
    event_id: EventId
    seq: Seq
    site: Name
    camera: Name
    zones: tuple[Name, ...]
    visit_id: Name
    alert_id: Name
    rule: Name
    garments: tuple[GarmentPayload, ...]
    groups: _Groups = ()
    confidence: Confidence = Field(
        default="likely",
        description="Of the least sure garment or group, by thresholds chosen to be right 3 times in 4 (`likely`) or "
        "9 times in 10 (`certain`). How often they are on other photos is in the model's card.",
    )
    summary: Name = Field(description="The alert in words, for people.")
    first_seen_at_s: Seconds
    first_seen_at: Iso
    raised_at_s: Seconds
    raised_at: Iso
    model: ModelNames


class StayPayload(Payload):
    """One customer before one camera after the other."""

    stay_id: Name = Field(description="The id of the customer's first visit; count customers by it.")
    cameras: tuple[Name, ...] = Field(description="The way so far, in the order in which the visits were joined.")
    in_doubt: bool = Field(description="This visit may continue another stay; that was not sure enough to join them.")


class VisitPayload(Payload):
    """`<prefix>/<site>/visits`: what is known of one person in front of one camera."""

    schema_version: Version
    event_id: EventId
    seq: Seq
    type: Literal["new", "update", "end"]
    site: Name
    camera: Name
    zones: tuple[Name, ...]
    visit_id: Name
    garments: tuple[GarmentPayload, ...] = Field(description="Best score first; provisional until `settled`.")
    groups: _Groups = ()
    summary: Name = Field(description="The visit in words, for people.")
    entered: bool = Field(description="Crossed the entrance line inwards, or there is no line.")
    settled: bool = Field(description="The garments are final.")
    staff: bool = Field(description="Never raises an alert.")
    readings: Annotated[int, Field(ge=0)] = Field(description="Looks of the classifier that the garments rest on.")
    first_seen_at_s: Seconds
    first_seen_at: Iso
    last_seen_at_s: Seconds
    last_seen_at: Iso
    model: ModelNames
    stay: StayPayload | SkipJsonSchema[None] = Field(
        default=None, description="Only where cameras are linked, and not before that is decided."
    )


class HealthPayload(Payload):
    """`<prefix>/<site>/health`, retained: whether the daemon can do all that it is asked to; new when that changes."""

    schema_version: Version
    site: Name
    status: Literal["ok", "degraded"]
    problems: tuple[Name, ...] = Field(description="One line each for the administrator, with the remedy.")


PAYLOADS: dict[str, type[Payload]] = {
    "alert": AlertPayload,
    "visit": VisitPayload,
    "health": HealthPayload,
    "cameras": CamerasPayload,
    "claim": ClaimPayload,
    "claim-set": ClaimSetPayload,
}


def alerts_topic(prefix: str, site: str) -> str:
    """Topic of the alerts."""
    return f"{prefix}/{site}/alerts"


def visits_topic(prefix: str, site: str) -> str:
    """Topic of the visits."""
    return f"{prefix}/{site}/visits"


def available_topic(prefix: str, site: str) -> str:
    """Topic of `online` or `offline`, retained, also the last will."""
    return f"{prefix}/{site}/available"


def health_topic(prefix: str, site: str) -> str:
    """Topic of the health, retained."""
    return f"{prefix}/{site}/health"


def health(site: str, problems: tuple[str, ...]) -> bytes:
    """Payload of the health topic."""
    status: Literal["ok", "degraded"] = "degraded" if problems else "ok"
    return encode(HealthPayload(schema_version=SCHEMA_VERSION, site=site, status=status, problems=problems))


def alert_message(alert: Alert, *, site: str, prefix: str, seq: int, model: Mapping[str, str]) -> Message:
    """Publishable form of an alert; its `event_id` is the alert's own id.

    Args:
        alert: what happened.
        site: the store's id.
        prefix: of the topic.
        seq: number of this event since the start.
        model: the networks at work, as in `ModelNames`.
    """
    groups = told_groups(alert.garments, alert.groups)
    payload = AlertPayload(
        schema_version=SCHEMA_VERSION,
        event_id=alert.alert_id,
        seq=seq,
        site=site,
        camera=alert.camera_id,
        zones=alert.zones,
        visit_id=alert.visit_id,
        alert_id=alert.alert_id,
        rule=alert.rule,
        garments=tuple(GarmentPayload.of(garment) for garment in alert.garments),
        groups=tuple(GarmentPayload.of(group) for group in groups),
        confidence=alert.confidence,
        summary=_summary("customer", (*alert.garments, *groups)),
        first_seen_at_s=to_ms(alert.first_seen_at_s) / 1000,
        first_seen_at=iso(alert.first_seen_at_s),
        raised_at_s=to_ms(alert.raised_at_s) / 1000,
        raised_at=iso(alert.raised_at_s),
        model=ModelNames(**model),
    )
    return Message(topic=alerts_topic(prefix, site), at_s=alert.raised_at_s, payload=encode(payload))


def visit_message(
    visit: Visit,
    *,
    at_s: float,
    site: str,
    prefix: str,
    seq: int,
    model: Mapping[str, str],
    stay: Stay | None = None,
) -> Message:
    """Publishable form of a visit that changed at `at_s`, and of its stay; arguments as for `alert_message`."""
    kind = _TYPE_OF_PHASE[visit.phase]
    groups = told_groups(visit.garments, visit.groups)
    draft = VisitPayload(
        schema_version=SCHEMA_VERSION,
        event_id=visit.visit_id,
        seq=0,
        type=kind,
        site=site,
        camera=visit.camera_id,
        zones=visit.zones,
        visit_id=visit.visit_id,
        garments=tuple(GarmentPayload.of(garment) for garment in visit.garments),
        groups=tuple(GarmentPayload.of(group) for group in groups),
        summary=_summary("staff" if visit.silent else "customer", (*visit.garments, *groups)),
        entered=visit.entered,
        settled=visit.settled,
        staff=visit.silent,
        readings=visit.readings,
        first_seen_at_s=to_ms(visit.first_seen_at_s) / 1000,
        first_seen_at=iso(visit.first_seen_at_s),
        last_seen_at_s=to_ms(visit.last_seen_at_s) / 1000,
        last_seen_at=iso(visit.last_seen_at_s),
        model=ModelNames(**model),
        stay=None if stay is None else StayPayload(**asdict(stay)),
    )
    event_id = f"{visit.visit_id}:{kind}:{_digest(draft, at_s)}"
    payload = draft.model_copy(update={"event_id": event_id, "seq": seq})
    return Message(topic=visits_topic(prefix, site), at_s=at_s, payload=encode(payload))


def told_groups(garments: tuple[Garment, ...], groups: tuple[Garment, ...]) -> tuple[Garment, ...]:
    """Return the groups none of whose members is named: beside a jacket, "Outerwear" says nothing new."""
    named = {GROUP_OF.get(garment.label) for garment in garments}
    return tuple(group for group in groups if group.label not in named)


def json_schema(name: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of the payload `name`, a key of `PAYLOADS`."""
    payload = PAYLOADS[name]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:vestibule:schema:{name}:v{SCHEMA_VERSION}",
        **payload.model_json_schema(mode="serialization"),
        "title": f"Vestibule {name}, version {SCHEMA_VERSION}",
    }


def schema_files() -> dict[str, str]:
    """File name and text of every schema that ships."""
    return {
        f"{name}.v{SCHEMA_VERSION}.schema.json": json.dumps(json_schema(name), indent=2, ensure_ascii=False) + "\n"
        for name in PAYLOADS
    }


def write_schemas(folder: Path) -> tuple[Path, ...]:
    """Write the schemas into `folder` and return their paths."""
    written = []
    for name, text in schema_files().items():
        (folder / name).write_text(text, encoding="utf-8")
        written.append(folder / name)
    return tuple(written)


def _digest(payload: Payload, at_s: float) -> str:
    """Tell apart all that can happen to a visit, which may well change twice at one moment."""
    return hashlib.blake2b(f"{to_ms(at_s)}".encode() + encode(payload), digest_size=4).hexdigest()


def _summary(who: str, garments: tuple[Garment, ...]) -> str:
    if not garments:
        return f"{who}, garments not recognised"
    return f"{who} wearing {'/'.join(str(garment.label) for garment in garments)}"


if __name__ == "__main__":
    for file in write_schemas(Path(sys.argv[1]) if len(sys.argv) > 1 else SCHEMA_DIR):
        sys.stdout.write(f"{file}\n")
