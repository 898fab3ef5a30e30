import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import visit
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError
from mqtt_client import MODEL, make_alert

from vestibule.payloads import (
    PAYLOADS,
    SCHEMA_DIR,
    alert_message,
    available_topic,
    json_schema,
    schema_files,
    visit_message,
    write_schemas,
)
from vestibule.types import Alert, Garment, Message, Phase, Stay, Visit
from vestibule_models.labels import GarmentLabel

ALERT = make_alert()
VISIT = replace(
    visit("store-door-0-1", phase="confirmed"),
    last_seen_at_s=12.3456,
    garments=(Garment(label="Jeans", score=0.75, votes=2),),
    readings=5,
)


OUTERWEAR, KNITWEAR = (Garment(label=name, score=0.8, votes=3) for name in ("Outerwear", "Knitwear"))
JACKET = Garment(label="Jacket", score=0.7, votes=3)


def message_of(alert: Alert = ALERT) -> Message:
    return alert_message(alert, site="store", prefix="vestibule", seq=7, model=MODEL)


def visit_message_of(visit: Visit = VISIT, at_s: float = 13.0, seq: int = 0) -> Message:
    return visit_message(visit, at_s=at_s, site="store", prefix="vestibule", seq=seq, model=MODEL)


def validate(name: str, message: Message) -> None:
    shipped = json.loads((SCHEMA_DIR / f"{name}.v1.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator(shipped).validate(json.loads(message.payload))


def test_an_alert_byte_for_byte() -> None:
    message = message_of()
    assert message.topic == "vestibule/store/alerts"
    assert message.at_s == 1_700_000_002.5
    assert message.payload == (
        b'{"schema_version":1,"event_id":"visit-1:suit","seq":7,"site":"store","camera":"door","zones":["entrance"],'
        b'"visit_id":"visit-1","alert_id":"visit-1:suit","rule":"suit",'
        b'"garments":[{"label":"Dress","score":0.8765,"votes":4},{"label":"Blazer","score":0.5,"votes":1}],"groups":[],'
        b'"confidence":"likely","summary":"customer wearing Dress/Blazer",'
        b'"first_seen_at_s":1700000000.123,"first_seen_at":"2023-11-14T22:13:20.123Z",'
        b'"raised_at_s":1700000002.5,"raised_at":"2023-11-14T22:13:22.500Z",'
        b'"model":{"classifier":"garments@1","detector":"persons@1"}}'
    )
    validate("alert", message)


def test_a_visit_says_what_is_known() -> None:
    message = visit_message_of()
    payload = json.loads(message.payload)
    validate("visit", message)
    assert message.topic == "vestibule/store/visits"
    assert message.at_s == 13.0
    assert payload["last_seen_at_s"] == 12.346
    assert payload["last_seen_at"] == "1970-01-01T00:00:12.346Z"
    assert payload["summary"] == "customer wearing Jeans"
    assert (payload["entered"], payload["settled"], payload["staff"], payload["readings"]) == (True, True, False, 5)


@pytest.mark.parametrize(("phase", "kind"), [("new", "new"), ("confirmed", "update"), ("ended", "end")])
def test_phases_become_types(phase: Phase, kind: str) -> None:
    message = visit_message_of(replace(VISIT, phase=phase))
    validate("visit", message)
    payload = json.loads(message.payload)
    assert payload["type"] == kind
    assert payload["event_id"].startswith(f"store-door-0-1:{kind}:")


@pytest.mark.parametrize(
    ("visit", "words"),
    [
        (replace(VISIT, garments=()), "customer, garments not recognised"),
        (replace(VISIT, silent=True), "staff wearing Jeans"),
        (replace(VISIT, silent=True, garments=()), "staff, garments not recognised"),
        (replace(VISIT, groups=(OUTERWEAR,)), "customer wearing Jeans/Outerwear"),
        (replace(VISIT, garments=(), groups=(OUTERWEAR,)), "customer wearing Outerwear"),
        (replace(VISIT, garments=(JACKET,), groups=(OUTERWEAR, KNITWEAR)), "customer wearing Jacket/Knitwear"),
    ],
)
def test_summaries(visit: Visit, words: str) -> None:
    message = visit_message_of(visit)
    validate("visit", message)
    assert json.loads(message.payload)["summary"] == words


def test_a_group_is_published_where_none_of_its_members_is() -> None:
    def groups_in(message: Message) -> list[str]:
        return [group["label"] for group in json.loads(message.payload)["groups"]]

    both = (OUTERWEAR, KNITWEAR)
    visits = [visit_message_of(replace(VISIT, garments=worn, groups=both)) for worn in ((), (JACKET,))]
    assert [groups_in(message) for message in visits] == [["Outerwear", "Knitwear"], ["Knitwear"]]
    for message in visits:
        validate("visit", message)
    alert = message_of(replace(ALERT, garments=(), groups=(OUTERWEAR,)))
    validate("alert", alert)
    payload = json.loads(alert.payload)
    assert payload["groups"] == [{"label": "Outerwear", "score": 0.8, "votes": 3}]
    assert payload["summary"] == "customer wearing Outerwear"


@pytest.mark.parametrize(("name", "message"), [("alert", message_of()), ("visit", visit_message_of())])
def test_events_from_before_there_were_groups_and_confidence_still_fit(name: str, message: Message) -> None:
    payload = json.loads(message.payload)
    del payload["groups"]
    payload.pop("confidence", None)
    Draft202012Validator(json_schema(name)).validate(payload)


def test_a_visit_tells_of_its_stay_only_where_it_has_one() -> None:
    assert b'"stay"' not in visit_message_of().payload
    stay = Stay(stay_id="hall-0-1", cameras=("hall", "door"), in_doubt=False)
    message = visit_message(VISIT, at_s=13.0, site="store", prefix="vestibule", seq=0, model=MODEL, stay=stay)
    validate("visit", message)
    told = json.loads(message.payload)
    assert told["stay"] == {"stay_id": "hall-0-1", "cameras": ["hall", "door"], "in_doubt": False}
    assert {**told, "stay": None, "event_id": ""} == {
        **json.loads(visit_message_of().payload),
        "stay": None,
        "event_id": "",
    }


def test_an_event_id_is_of_the_content_and_not_of_the_delivery() -> None:
    def event_id(message: Message) -> str:
        return str(json.loads(message.payload)["event_id"])

    first = event_id(visit_message_of(seq=1))
    assert event_id(visit_message_of(seq=2)) == first
    changed = [replace(VISIT, readings=6), replace(VISIT, garments=()), replace(VISIT, entered=False)]
    others = [visit_message_of(at_s=13.001), *map(visit_message_of, (*changed, replace(VISIT, groups=(KNITWEAR,))))]
    assert len({first, *map(event_id, others)}) == 6


def test_array_scalars_and_enum_labels_give_the_same_bytes_as_plain_values() -> None:
    enum = Garment(label=GarmentLabel.DRESS, score=float(np.float32(0.25)), votes=1)
    scalar = Garment(label="Dress", score=np.float32(0.25), votes=1)  # type: ignore[arg-type]
    plain = Garment(label="Dress", score=0.25, votes=1)
    messages = [message_of(replace(ALERT, garments=(garment,))) for garment in (enum, scalar, plain)]
    assert len({message.payload for message in messages}) == 1


@given(at_s=st.floats(min_value=0, max_value=4e9))
def test_both_forms_of_a_time_are_one_millisecond(at_s: float) -> None:
    payload = json.loads(message_of(replace(ALERT, raised_at_s=at_s)).payload)
    fraction = payload["raised_at"][-4:-1]
    assert abs(payload["raised_at_s"] - at_s) <= 0.000_501
    assert f"{payload['raised_at_s']:.3f}"[-3:] == fraction


def test_nothing_that_is_no_number_is_published() -> None:
    with pytest.raises(ValueError, match="score"):
        message_of(replace(ALERT, garments=(Garment(label="Dress", score=float("nan"), votes=1),)))


@pytest.mark.parametrize("name", sorted(PAYLOADS))
def test_shipped_schemas_are_those_of_the_types(name: str) -> None:
    shipped = (SCHEMA_DIR / f"{name}.v1.schema.json").read_text(encoding="utf-8")
    assert shipped == schema_files()[f"{name}.v1.schema.json"], "run python -m vestibule.payloads"
    schema = json_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:vestibule:schema:{name}:v1"
    assert set(schema["required"]) == set(schema["properties"]) - {"groups", "confidence", "stay"}  # came later


def test_schemas_refuse_what_is_not_theirs() -> None:
    payload = json.loads(message_of().payload)
    validator = Draft202012Validator(json_schema("alert"))
    validator.validate(payload)
    for broken in (
        {**payload, "pixels": "..."},
        {key: value for key, value in payload.items() if key != "visit_id"},
        {**payload, "raised_at": "yesterday"},
        {**payload, "schema_version": 2},
    ):
        with pytest.raises(ValidationError):
            validator.validate(broken)


def test_write_schemas(tmp_path: Path) -> None:
    paths = write_schemas(tmp_path)
    assert [path.name for path in paths] == [f"{name}.v1.schema.json" for name in PAYLOADS]
    assert {"alert", "visit", "health", "claim", "claim-set"} <= set(PAYLOADS)
    assert all(json.loads(path.read_text(encoding="utf-8")) for path in paths)


def test_available_topic() -> None:
    assert available_topic("shops/mx", "store-1") == "shops/mx/store-1/available"
