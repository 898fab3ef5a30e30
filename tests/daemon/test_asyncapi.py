"""The documents for other programs: valid, up to date, and true to the types, the examples and the access list."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from deployed_broker import DEPLOY
from jsonschema import Draft202012Validator
from paho.mqtt.client import topic_matches_sub

from vestibule.asyncapi import DOCS, as_text, document, examples, filled
from vestibule.payloads import PAYLOADS, json_schema
from vestibule.topics import PARAMETERS, TOPICS, Text, Topic

DOCUMENT = document()


def resolve(reference: str) -> Any:  # noqa: ANN401 - anything of a JSON document
    assert reference.startswith("#/")
    found: Any = DOCUMENT
    for step in reference[2:].split("/"):
        found = found[step]
    return found


def references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_what_is_committed_is_what_the_types_say() -> None:
    assert (DOCS / "asyncapi.json").read_text(encoding="utf-8") == as_text(), "run python -m vestibule.asyncapi"
    page = (DOCS / "events.md").read_text(encoding="utf-8")
    assert page == filled(page), "run python -m vestibule.asyncapi"
    for name in ("topics", *(topic.name for topic in TOPICS)):
        assert f"<!-- {name} -->" in page


def test_it_has_what_asyncapi_3_asks_for() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    assert {each for each in references(DOCUMENT) if resolve(each) is None} == set()
    for name, channel in DOCUMENT["channels"].items():
        assert re.fullmatch(r"[A-Za-z0-9_-]+", name)
        assert set(re.findall(r"{(\w+)}", channel["address"])) == channel["parameters"].keys() <= PARAMETERS.keys()
        assert all(resolve(message["$ref"])["payload"] for message in channel["messages"].values())
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        channel_messages = resolve(operation["channel"]["$ref"])["messages"]
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{operation['channel']['$ref']}/messages/")
            assert message["$ref"].rsplit("/", 1)[1] in channel_messages
        assert operation["bindings"]["mqtt"]["qos"] == 1


def test_every_message_has_real_examples_of_its_schema() -> None:
    assert examples().keys() == {topic.name for topic in TOPICS}
    for name, message in DOCUMENT["components"]["messages"].items():
        validator = Draft202012Validator({**DOCUMENT, "$ref": message["payload"]["$ref"]})
        assert message["examples"], name
        for example in message["examples"]:
            validator.validate(example["payload"])


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_the_examples_were_sent_on_their_topics_and_agree_with_each_other(topic: Topic) -> None:
    pattern = re.sub(r"\\{\w+\\}", "([^/]+)", re.escape(topic.address))
    alert = examples()["alerts"][0]["payload"]
    for example in examples()[topic.name]:
        assert re.fullmatch(pattern, example["topic"])
        payload = example["payload"]
        if isinstance(payload, dict) and "visit_id" in payload:
            assert payload["visit_id"] == alert["visit_id"]
        if "/claim/" in topic.address:
            assert f"/{alert['alert_id']}/" in example["topic"]


def test_the_shipped_schemas_are_of_these_payloads() -> None:
    models = {topic.payload for topic in TOPICS if not isinstance(topic.payload, Text)}
    assert models == set(PAYLOADS.values())
    for name, payload in PAYLOADS.items():
        (topic,) = [each for each in TOPICS if each.payload is payload]
        validator = Draft202012Validator(json_schema(name))
        for example in examples()[topic.name]:
            validator.validate(example["payload"])


def rights(user: str) -> dict[str, set[str]]:
    acl = (DEPLOY / "acl").read_text(encoding="utf-8")
    block = re.split(r"^user ", acl, flags=re.MULTILINE)
    (own,) = [part for part in block if part.startswith(f"{user}\n")]
    found: dict[str, set[str]] = {"read": set(), "write": set()}
    for kind, topic in re.findall(r"^topic (read|write) (\S+)$", own, flags=re.MULTILINE):
        found[kind].add(topic)
    return found


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_who_writes_may_write_and_who_reads_may_read(topic: Topic) -> None:
    address = topic.address.format(**dict.fromkeys(PARAMETERS, "x")).replace("x/x", "vestibule/x", 1)
    daemon, staff = rights("vestibule"), rights("staff")
    writer, reader = (daemon, staff) if topic.written_by == "daemon" else (staff, daemon)
    assert any(topic_matches_sub(right, address) for right in writer["write"])
    readers = reader["read"] | rights("homeassistant")["read"]
    if topic.name != "cameras":  # for the administrator, whose rights are the administrator's to give
        assert any(topic_matches_sub(right, address) for right in readers)
    if topic.written_by == "daemon":
        assert not any(topic_matches_sub(right, address) for right in staff["write"])


def test_a_page_without_marks_is_left_as_it_is() -> None:
    assert filled("# Title\n\n<!-- a remark -->\ntext\n") == "# Title\n\n<!-- a remark -->\ntext\n"
    assert filled("<!-- available -->\nold\n<!-- end -->\nrest") == (
        "<!-- available -->\n`vestibule/demo/available`\n\n```text\nonline\n```\n<!-- end -->\nrest"
    )


def test_the_document_is_the_same_at_every_run() -> None:
    assert json.dumps(document()) == json.dumps(document())
