"""Everything that is parsed and that somebody else may have written: never more than the error that it promises."""

import json
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from mqtt_client import make_alert, make_message

from vestibule.claim_payloads import claim_message, read_claim
from vestibule.claims import Claims
from vestibule.notify import Notifier
from vestibule.outbox import Outbox
from vestibule.payloads import json_schema
from vestibule.tail import alert_line, claim_line, read_alert, read_claim_state
from vestibule.types import ClaimRequest
from vestibule_models.artifact import ArtifactError, load_manifest

ALERT = json.loads(make_message(1).payload)
ALERT_RAISED = make_alert(1)
CLAIM: dict[str, Any] = {"schema_version": 1, "by": "Ana", "claim_id": "press-0001"}
STATE = json.loads(
    claim_message(
        ALERT_RAISED, read_claim(json.dumps(CLAIM).encode()), site="store", prefix="vestibule", at_s=1_700_000_010.0
    ).payload
)
MANIFEST = {
    "schema_version": 1,
    "kind": "person-detector",
    "name": "toy",
    "version": "1",
    "input": {"height": 64, "width": 32, "colour": "bgr", "dtype": "uint8", "resize": "letterbox-top-left"},
    "files": {"toy.tflite": {"sha256": "0" * 64, "bytes": 1}},
    "decoder": "yolox",
    "classes": 1,
    "person_class": 0,
}
SHARED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def changed(good: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """A good object with some of its values put out of order, or anything at all."""
    spoilt = st.dictionaries(st.sampled_from(sorted(good)) | st.text(max_size=6), _json, max_size=3)
    return (
        spoilt.map(lambda change: json.dumps({**good, **change}).encode())
        | _json.map(lambda value: json.dumps(value).encode())
        | st.binary(max_size=100)
    )


@given(payload=changed(ALERT))
@example(payload=json.dumps({**ALERT, "raised_at_s": 1e18}).encode())
@example(payload=json.dumps({**ALERT, "summary": "\x1b[2J\nfake"}).encode())
@example(payload=b"[" * 5000)
def test_what_tail_prints_is_one_printable_line_or_nothing(payload: bytes) -> None:
    with suppress(ValueError):
        alert = read_alert(payload)
        for zone in ("UTC", "Pacific/Kiritimati"):
            assert alert_line(alert, ZoneInfo(zone)).isprintable()


@given(payload=changed(CLAIM))
@example(payload=json.dumps({**CLAIM, "by": "\x1b[2J"}).encode())
@example(payload=json.dumps({**CLAIM, "by": "\ud800"}).encode())
@example(payload=b"[" * 1000)
@example(payload=b" " * 100_000)
def test_what_is_told_of_a_claim_is_as_its_schema_says_or_nothing(payload: bytes) -> None:
    claims = Claims(site="store", prefix="vestibule")
    claims.raised(ALERT_RAISED)
    decision = claims.decide(ClaimRequest(alert_id=ALERT_RAISED.alert_id, payload=payload), 1_700_000_010.0)
    assert (decision.outcome == "accepted") == bool(decision.messages)
    for message in decision.messages:
        state = json.loads(message.payload)
        Draft202012Validator(json_schema("claim")).validate(state)
        assert claim_line(read_claim_state(message.payload), ZoneInfo("UTC")).isprintable()
        assert len(message.payload) < 4096


@given(payload=changed(STATE))
@example(payload=json.dumps({**STATE, "raised_at_s": 1e300}).encode())
@example(payload=json.dumps({**STATE, "camera": "\x1b[2J"}).encode())
def test_what_tail_prints_of_a_claim_is_one_printable_line_or_nothing(payload: bytes) -> None:
    with suppress(ValueError):
        line = claim_line(read_claim_state(payload), ZoneInfo("Pacific/Kiritimati"))
        assert line.isprintable()


def test_an_alert_of_no_possible_time_is_refused() -> None:
    with pytest.raises(ValueError, match="raised_at_s is 1e\\+18"):
        read_alert(json.dumps({**ALERT, "raised_at_s": 1e18}).encode())


@given(content=changed(MANIFEST))
@example(content=b"\xff")
@example(content=json.dumps({**MANIFEST, "a\nb": 1}).encode())
@SHARED_FOLDER
def test_a_manifest_is_read_or_refused_in_one_line_that_names_it(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    said = f"{tmp_path}"
    try:
        load_manifest(tmp_path)
    except ArtifactError as error:
        said = str(error)
    assert str(tmp_path) in said
    assert len(said.splitlines()) == 1


_ROW = {
    "topic": "a/alerts",
    "at_s": 1.0,
    "payload": b"{}",
    "ttl_s": 60.0,
    "added_at_s": 1.0,
    "boot_id": "b",
    "boot_s": 1.0,
}
_number = st.floats(allow_nan=False)  # which SQLite makes NULL
_topic = st.sampled_from(["a/#", "", "a\0b", "+", "a/b"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=8
)
_rows = st.fixed_dictionaries(
    {},
    optional={
        "topic": _topic,
        "at_s": _number,
        "payload": _json.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20),
        "ttl_s": st.none() | _number,
        "added_at_s": _number,
        "boot_id": st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
        "boot_s": _number,
    },
)


def add_row(path: Path, row: dict[str, object], *, topic_as: str = "?") -> None:
    Outbox(path).close()
    db = sqlite3.connect(path)
    names = ", ".join(row)
    marks = ", ".join(topic_as if name == "topic" else "?" for name in row)
    with db:
        db.execute(f"INSERT INTO events ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608 - our own names
    db.close()


def take_all(path: Path) -> list[str]:
    """The topics of what an outbox would send; every time that is asked of it is a number that MQTT can say."""
    outbox, topics = Outbox(path), []
    outbox.status()
    while (entry := outbox.offer()) is not None:
        assert (outbox.left_s(entry) or 1) < 2**32
        topics.append(entry.message.topic)
        outbox.settle("acknowledged")
    outbox.close()
    return topics


@given(change=_rows)
@example(change={"payload": b"no JSON", "ttl_s": 0.5})
@example(change={"payload": b"[]", "ttl_s": 0.5})
@example(change={"ttl_s": float("inf")})
@SHARED_FOLDER
def test_a_row_of_the_outbox_is_taken_or_the_file_is_set_aside(change: dict[str, object], tmp_path: Path) -> None:
    for old in tmp_path.iterdir():
        old.unlink()
    add_row(tmp_path / "outbox", {**_ROW, **change})
    topics = take_all(tmp_path / "outbox")
    assert all(topic.isprintable() and not set(topic) & set("#+") for topic in topics)
    assert not topics or not [*tmp_path.glob("outbox.damaged-*")]


@pytest.mark.parametrize("change", [{"topic": "a/#"}, {"payload": b"no JSON"}, {"at_s": float("inf")}])
def test_a_row_that_is_no_event_sets_the_file_aside(change: dict[str, object], tmp_path: Path) -> None:
    add_row(tmp_path / "outbox", {**_ROW, **change})
    assert take_all(tmp_path / "outbox") == []
    assert len([*tmp_path.glob("outbox.damaged-*")]) == 1


def test_a_row_whose_text_is_no_text_sets_the_file_aside(tmp_path: Path) -> None:
    add_row(tmp_path / "outbox", {**_ROW, "topic": b"\xff\xfe"}, topic_as="CAST(? AS TEXT)")
    assert take_all(tmp_path / "outbox") == []
    assert len([*tmp_path.glob("outbox.damaged-*")]) == 1


@given(wanted=st.text(max_size=20), pid=st.text(max_size=8))
@example(wanted="soon", pid="")
@example(wanted="-1", pid="")
@example(wanted="9" * 5000, pid="")
def test_what_the_environment_says_of_the_watchdog(wanted: str, pid: str) -> None:
    environment = {"NOTIFY_SOCKET": "@nobody-listens-there", "WATCHDOG_USEC": wanted}
    Notifier(environment | ({"WATCHDOG_PID": pid} if pid else {})).alive()
