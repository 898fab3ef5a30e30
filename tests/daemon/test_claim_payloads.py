import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mqtt_client import make_alert

from vestibule.claim_payloads import (
    CLAIM_SET_BYTES,
    ClaimSetPayload,
    claim_message,
    claim_set_topic,
    claim_state_topic,
    read_claim,
)
from vestibule.payloads import json_schema

CLAIM: dict[str, Any] = {"schema_version": 1, "by": "Ana", "claim_id": "press-0001"}


def encoded(**changes: object) -> bytes:
    return json.dumps({**CLAIM, **changes}).encode()


def test_topics() -> None:
    assert claim_set_topic("shops/mx", "store-1", "a1") == "shops/mx/store-1/alerts/a1/claim/set"
    assert claim_state_topic("shops/mx", "store-1", "+") == "shops/mx/store-1/alerts/+/claim/state"


def test_a_claim_is_read() -> None:
    assert read_claim(encoded()) == ClaimSetPayload(schema_version=1, by="Ana", claim_id="press-0001")
    Draft202012Validator(json_schema("claim-set")).validate(CLAIM)


@pytest.mark.parametrize("name", ["Ana", "Ana María", "안나", "Ñandú 👋", "x" * 40])
def test_names_of_people(name: str) -> None:
    assert read_claim(encoded(by=name)).by == name


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"Ana",
        b"[]",
        b"\xff",
        encoded(schema_version=2),
        encoded(by=""),
        encoded(by="   "),
        encoded(by="x" * 41),
        encoded(by="Ana\nManager"),
        encoded(by="Ana\x1b[2J"),
        encoded(by="Ana\u202egnp"),  # turns what follows around
        encoded(by="\ud800"),
        encoded(by=7),
        encoded(claim_id="short"),
        encoded(claim_id="x" * 65),
        encoded(claim_id="with space"),
        encoded(claim_id="press-0001\n"),
        encoded(price=1),
        json.dumps({"schema_version": 1, "by": "Ana"}).encode(),
        encoded() + b" " * CLAIM_SET_BYTES,
    ],
)
def test_what_is_no_claim(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"valid|claim"):
        read_claim(payload)


def test_a_claim_of_just_the_size_is_read() -> None:
    payload = encoded()
    assert read_claim(payload + b" " * (CLAIM_SET_BYTES - len(payload))).by == "Ana"


def test_a_claim_s_state_byte_for_byte() -> None:
    message = claim_message(make_alert(), read_claim(encoded()), site="store", prefix="vestibule", at_s=1_700_000_012.3)
    assert message.topic == "vestibule/store/alerts/visit-1:suit/claim/state"
    assert (message.at_s, message.retain) == (1_700_000_012.3, True)
    assert message.payload == (
        b'{"schema_version":1,"event_id":"visit-1:suit:claim","site":"store","camera":"door","alert_id":"visit-1:suit",'
        b'"visit_id":"visit-1","by":"Ana","claim_id":"press-0001",'
        b'"raised_at_s":1700000002.5,"raised_at":"2023-11-14T22:13:22.500Z",'
        b'"claimed_at_s":1700000012.3,"claimed_at":"2023-11-14T22:13:32.300Z"}'
    )
    Draft202012Validator(json_schema("claim")).validate(json.loads(message.payload))
