import json

from vestibule.payloads import alerts_topic, available_topic, health_topic
from vestibule.sinks.home_assistant import discovery, status_topic


def test_one_device_with_its_entities_on_our_own_topics() -> None:
    topic, payload = discovery(site="store-1", prefix="shops/mx", discovery_prefix="ha")
    told = json.loads(payload)
    assert topic == "ha/device/vestibule-store-1/config"
    assert told["device"]["identifiers"] == ["vestibule-store-1"]
    assert told["origin"]["name"] == "vestibule"
    assert told["availability_topic"] == available_topic("shops/mx", "store-1")
    topics = {part["state_topic"] for part in told["components"].values()}
    assert topics == {alerts_topic("shops/mx", "store-1"), health_topic("shops/mx", "store-1")}


def test_every_entity_has_what_discovery_asks_of_it() -> None:
    first = json.loads(discovery(site="a", prefix="vestibule", discovery_prefix="homeassistant")[1])["components"]
    second = json.loads(discovery(site="b", prefix="vestibule", discovery_prefix="homeassistant")[1])["components"]
    ids = [part["unique_id"] for part in (*first.values(), *second.values())]
    assert len(set(ids)) == len(ids) == 6
    assert {part["platform"] for part in first.values()} == {"event", "sensor", "binary_sensor"}
    assert first["alert"]["event_types"] == ["alert"]


def test_where_it_says_that_it_is_there() -> None:
    assert status_topic("homeassistant") == "homeassistant/status"
