"""What can be told of the Node-RED flow and the Home Assistant automations without those programs.

They ask for fields that the messages have, on topics that exist and that their users may use.
"""

import json
import re
from pathlib import Path
from typing import Any

from deployed_broker import DEPLOY
from paho.mqtt.client import topic_matches_sub

from vestibule.claim_payloads import read_claim
from vestibule.payloads import PAYLOADS
from vestibule.topics import TOPICS

EXAMPLES = Path(__file__).parents[2] / "examples"
FLOW: list[dict[str, Any]] = json.loads((EXAMPLES / "node-red" / "flow.json").read_text(encoding="utf-8"))
AUTOMATIONS = (EXAMPLES / "home-assistant" / "automations.yaml").read_text(encoding="utf-8")


def rights(user: str, kind: str) -> list[str]:
    acl = (DEPLOY / "acl").read_text(encoding="utf-8")
    (own,) = re.findall(rf"^user {user}\n((?:topic .*\n)+)", acl, flags=re.MULTILINE)
    return re.findall(rf"^topic {kind} (\S+)$", own, flags=re.MULTILINE)


def payload_on(topic: str) -> set[str]:
    """The fields of what is published there."""
    (found,) = [each for each in TOPICS if topic_matches_sub(re.sub(r"{\w+}", "+", each.address), topic)]
    (model,) = [model for model in PAYLOADS.values() if model is found.payload]
    return set(model.model_fields)


def nodes(kind: str) -> list[dict[str, Any]]:
    return [node for node in FLOW if node["type"] == kind]


def test_the_flow_is_wired_and_its_nodes_are_of_the_standard_palette() -> None:
    ids = [node["id"] for node in FLOW]
    assert len(set(ids)) == len(ids)
    (tab,) = nodes("tab")
    (broker,) = nodes("mqtt-broker")
    assert {node["type"] for node in FLOW} == {
        "tab",
        "mqtt-broker",
        "mqtt in",
        "mqtt out",
        "function",
        "debug",
        "inject",
    }
    assert (broker["protocolVersion"], broker["cleansession"]) == ("5", False)
    for node in FLOW:
        if node["type"] not in ("tab", "mqtt-broker"):
            assert node["z"] == tab["id"]
            assert all(target in ids for port in node["wires"] for target in port)
        if node["type"].startswith("mqtt "):
            assert node["broker"] == broker["id"]
    fed = {target for node in FLOW for port in node.get("wires", []) for target in port}
    assert all(node["id"] in fed for node in FLOW if node["type"] in ("function", "debug", "mqtt out"))


def test_the_flow_listens_where_staff_may_and_asks_for_what_is_sent() -> None:
    by_id = {node["id"]: node for node in FLOW}
    for listener in nodes("mqtt in"):
        assert listener["topic"] in rights("staff", "read")
        assert listener["qos"] == "1"
        (reader,) = (by_id[target] for target in listener["wires"][0])
        asked = set(re.findall(r"\b(?:alert|state)\.(\w+)", reader["func"]))
        assert asked
        assert asked <= payload_on(listener["topic"].replace("+", "x"))


def test_the_flow_claims_as_the_daemon_expects() -> None:
    (claim,) = [node["func"] for node in nodes("function") if "claim_id" in node["func"]]
    written = re.search(r"topic: `(.+?)`", claim)
    assert written is not None
    topic = re.sub(r"\$\{[\w.]+\}", "x", written[1])
    assert any(topic_matches_sub(right, topic) for right in rights("staff", "write"))
    object_written = re.search(r"payload: (\{.+?\}),", claim)
    assert object_written is not None
    text = re.sub(r"(\w+):", r'"\1":', object_written[1])
    text = text.replace("msg.payload", '"Ana"').replace("RED.util.generateId()", '"0c5261991b9cb8ee"')
    assert read_claim(text.encode()).by == "Ana"


def test_the_automations_listen_where_home_assistant_may() -> None:
    asked = set(re.findall(r"^ +topic: (vestibule/\S+)$", AUTOMATIONS, flags=re.MULTILINE))
    assert asked == {"vestibule/store/alerts", "vestibule/store/alerts/+/claim/state"}
    assert {topic.replace("/store/", "/+/") for topic in asked} <= set(rights("homeassistant", "read"))


def test_the_automations_ask_for_what_is_sent() -> None:
    for block in re.split(r"^- id: ", AUTOMATIONS, flags=re.MULTILINE)[1:]:
        topic = re.search(r"^ +topic: (vestibule/\S+)$", block, flags=re.MULTILINE)
        asked = set(re.findall(r"trigger\.payload_json\.(\w+)", block))
        if topic is not None:
            assert asked
            assert asked <= payload_on(topic[1].replace("+", "x"))
        else:
            assert not asked


def test_the_automations_claim_as_the_daemon_expects() -> None:
    written = re.search(r'topic: "(vestibule/.+?/claim/set)"', AUTOMATIONS)
    assert written is not None
    topic = re.sub(r"{{ \w+ }}", "x", written[1])
    assert any(topic_matches_sub(right, topic) for right in rights("homeassistant", "write"))
    payload = re.search(r"{{ ({.+}) \| to_json }}", AUTOMATIONS)
    assert payload is not None
    text = payload[1].replace("(person | string)[:40]", '"Ana"')
    text = text.replace("trigger.event.context.id", '"01HX5Q5ZK3T9C2N8V7B6M4R1PQ"')
    assert read_claim(text.encode()).by == "Ana"
