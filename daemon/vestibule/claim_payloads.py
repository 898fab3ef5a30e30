"""What is said about claims: a salesperson goes to the customer of an alert, and the others know that somebody does."""

from typing import Annotated

from pydantic import AfterValidator, Field

from vestibule.payload_fields import SCHEMA_VERSION, EventId, Iso, Name, Payload, Seconds, Version, encode, iso, to_ms
from vestibule.types import Alert, Message

CLAIM_SET_BYTES = 1024
"""A claim that is larger is none."""


def _printable(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("must be printable, and more than spaces")
    return text


_ClaimId = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$", description="Made anew for each press of the button.")
]
_By = Annotated[
    str,
    AfterValidator(_printable),
    Field(min_length=1, max_length=40, description="Who goes, as the others read it; printable characters."),
]


class ClaimSetPayload(Payload):
    """`<prefix>/<site>/alerts/<alert_id>/claim/set`, from a staff app, not retained: somebody goes to this customer."""

    schema_version: Version
    by: _By
    claim_id: _ClaimId


class ClaimPayload(Payload):
    """`<prefix>/<site>/alerts/<alert_id>/claim/state`, retained until the visit ends: who claimed first and goes."""

    schema_version: Version
    event_id: EventId
    site: Name
    camera: Name
    alert_id: Name
    visit_id: Name
    by: _By
    claim_id: _ClaimId
    raised_at_s: Seconds
    raised_at: Iso
    claimed_at_s: Seconds
    claimed_at: Iso


def claim_set_topic(prefix: str, site: str, alert_id: str) -> str:
    """Topic on which an alert is claimed; `+` for all alerts."""
    return f"{prefix}/{site}/alerts/{alert_id}/claim/set"


def claim_state_topic(prefix: str, site: str, alert_id: str) -> str:
    """Topic of who claimed an alert, retained; `+` for all alerts."""
    return f"{prefix}/{site}/alerts/{alert_id}/claim/state"


def read_claim(payload: bytes) -> ClaimSetPayload:
    """Parse what came over a claim's topic, from whomever.

    Raises:
        ValueError: it is no claim of this version, or a large one.
    """
    if len(payload) > CLAIM_SET_BYTES:
        raise ValueError(f"a claim of more than {CLAIM_SET_BYTES} bytes")
    return ClaimSetPayload.model_validate_json(payload)


def claim_message(alert: Alert, claim: ClaimSetPayload, *, site: str, prefix: str, at_s: float) -> Message:
    """Publishable form of a claim that was accepted at `at_s`; to be retained."""
    payload = ClaimPayload(
        schema_version=SCHEMA_VERSION,
        event_id=f"{alert.alert_id}:claim",
        site=site,
        camera=alert.camera_id,
        alert_id=alert.alert_id,
        visit_id=alert.visit_id,
        by=claim.by,
        claim_id=claim.claim_id,
        raised_at_s=to_ms(alert.raised_at_s) / 1000,
        raised_at=iso(alert.raised_at_s),
        claimed_at_s=to_ms(at_s) / 1000,
        claimed_at=iso(at_s),
    )
    topic = claim_state_topic(prefix, site, alert.alert_id)
    return Message(topic=topic, at_s=at_s, payload=encode(payload), retain=True)
