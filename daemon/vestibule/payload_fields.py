"""What the published payloads are made of: their base, kinds of fields, and how they become bytes."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from vestibule.types import Message

SCHEMA_VERSION: Final = 1

Version = Annotated[Literal[1], Field(description="Changes when a field changes its meaning or goes.")]
EventId = Annotated[
    str, Field(min_length=1, description="The same on every delivery of this event; drop the second one.")
]
Seq = Annotated[int, Field(ge=0, description="Counts all events since the daemon's start; gaps are losses.")]
Seconds = Annotated[float, Field(ge=0, description="Unix seconds, UTC, to the millisecond.")]
Iso = Annotated[
    str,
    Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", description="The same moment, ISO-8601, UTC."),
]
Name = Annotated[str, Field(min_length=1)]


class Payload(BaseModel):
    """A JSON object: frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def to_ms(at_s: float) -> int:
    """Round to what is published."""
    return round(at_s * 1000)


def iso(at_s: float) -> str:
    """ISO-8601, UTC, to the millisecond."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=to_ms(at_s))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(payload: Payload) -> bytes:
    """Compact UTF-8 JSON, keys in the order of the fields, without those that are None: same payload, same bytes."""
    return _to_json(payload.model_dump(mode="json", exclude_none=True))


def renumbered(message: Message, offset: int) -> Message:
    """Return an event with `offset` added to its `seq`, on which no `event_id` depends."""
    values = json.loads(message.payload)
    return replace(message, payload=_to_json({**values, "seq": values["seq"] + offset}))


def _to_json(values: dict[str, Any]) -> bytes:
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
