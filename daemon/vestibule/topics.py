"""Every topic, as other people's programs need to know it; docs/events.md and docs/asyncapi.json are made of it."""

from dataclasses import dataclass
from typing import Final, Literal

from vestibule.camera_payloads import CamerasPayload, cameras_topic
from vestibule.claim_payloads import ClaimPayload, ClaimSetPayload, claim_set_topic, claim_state_topic
from vestibule.counts import counts_topic
from vestibule.payload_fields import Payload
from vestibule.payloads import (
    AlertPayload,
    HealthPayload,
    VisitPayload,
    alerts_topic,
    available_topic,
    health_topic,
    visits_topic,
)

_PREFIX, _SITE, _ALERT = "{prefix}", "{site}", "{alert_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A payload that is plain text: one of some words, or of a pattern."""

    name: str
    pattern: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic. All are QoS 1.

    Attributes:
        name: in the documents.
        address: with its parameters in braces.
        written_by: who may write.
        says: in a sentence.
        payload: what it carries.
        retain: whether the broker keeps the last message for who comes later.
        expires: after what the broker drops a message that a subscriber has not got; never if empty.
    """

    name: str
    address: str
    written_by: Literal["daemon", "staff apps"] = "daemon"
    says: str
    payload: type[Payload] | Text
    retain: bool
    expires: str = ""


PARAMETERS: Final = {
    "prefix": "`mqtt.prefix` of the configuration; `vestibule` unless changed. It may have several levels.",
    "site": "`site.id` of the configuration.",
    "alert_id": "That of the alert, unique within the site.",
    "camera": "A camera's id in the configuration.",
    "counted": "`visits` for all customers, or a garment.",
}

TOPICS: Final = (
    Topic(
        name="alerts",
        address=alerts_topic(_PREFIX, _SITE),
        says="A customer whom the staff asked to be told of; once for each visit and rule.",
        payload=AlertPayload,
        retain=False,
        expires="`mqtt.alert_ttl_s` (120 s) after the alert",
    ),
    Topic(
        name="visits",
        address=visits_topic(_PREFIX, _SITE),
        says="A person came before a camera (`new`), their garments are final (`update`), they have gone (`end`).",
        payload=VisitPayload,
        retain=False,
    ),
    Topic(
        name="claimSet",
        address=claim_set_topic(_PREFIX, _SITE, _ALERT),
        written_by="staff apps",
        says="Somebody on the staff goes to the customer of an alert.",
        payload=ClaimSetPayload,
        retain=False,
        expires="what the app sets; 60 s is good",
    ),
    Topic(
        name="claimState",
        address=claim_state_topic(_PREFIX, _SITE, _ALERT),
        says="Who goes: the first who claimed. An empty message clears it when the visit ends.",
        payload=ClaimPayload,
        retain=True,
    ),
    Topic(
        name="available",
        address=available_topic(_PREFIX, _SITE),
        says="Whether the daemon is up; `offline` also when it was killed or lost its network (last will).",
        payload=Text(name="Available", pattern="^(online|offline)$", words=("online", "offline")),
        retain=True,
    ),
    Topic(
        name="health",
        address=health_topic(_PREFIX, _SITE),
        says="Whether the daemon can do all that it is asked to, with a line for each problem; when that changes.",
        payload=HealthPayload,
        retain=True,
    ),
    Topic(
        name="cameras",
        address=cameras_topic(_PREFIX, _SITE),
        says="How the cameras are, and what became of their frames; when that changes, and every 30 s.",
        payload=CamerasPayload,
        retain=True,
    ),
    Topic(
        name="counts",
        address=counts_topic(_PREFIX, _SITE, "{camera}", "{counted}"),
        says="Today's customers of a camera, in steps of `ledger.min_cell` unless set to be exact; 0 from midnight.",
        payload=Text(name="Count", pattern="^[0-9]+$"),
        retain=True,
    ),
)
