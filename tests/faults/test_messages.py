"""A hundred thousand hostile messages on the topics that are subscribed to: ignored, counted, a few lines in the log.

They are handed to the clients' message handlers as the network thread does, since a broker in between would only bound
how fast they come; `VESTIBULE_FAULTS=full` hands over 100,000 each, `make test` 5,000. A few then take the real way,
through mosquitto, to see that the subscriber goes on.
"""

import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest
from mqtt_client import WAIT_S, listening, make_alert, make_message, needs_mosquitto, on_topic, wait_until
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from structlog.testing import capture_logs

from vestibule.broker import Mosquitto
from vestibule.claim_payloads import claim_set_topic
from vestibule.claims import ClaimInbox, Claims
from vestibule.mqtt_section import MqttConfig
from vestibule.payloads import AlertPayload
from vestibule.sinks import MqttSink
from vestibule.tail import AlertSubscriber

MESSAGES = 100_000 if os.environ.get("VESTIBULE_FAULTS") == "full" else 5_000
HOSTILE: tuple[Callable[[random.Random], bytes], ...] = (
    lambda dice: dice.randbytes(dice.randrange(200)),
    lambda _: b"",
    lambda _: b"[" * 3000,
    lambda _: b"ONLINE",
    lambda _: b"online\0",
    lambda _: json.dumps({"schema_version": 1}).encode(),
    lambda dice: make_message(1).payload[: dice.randrange(300)],
    lambda _: make_message(1).payload.replace(b"1700000002.5", b"1e300"),
    lambda _: b"9" * 6000,
)


CLAIM = {"schema_version": 1, "by": "Ana", "claim_id": "press-0001"}
HOSTILE_CLAIMS: tuple[Callable[[random.Random], bytes], ...] = (
    *HOSTILE,
    lambda _: json.dumps({**CLAIM, "by": "Ana\x1b[2J"}).encode(),
    lambda _: json.dumps({**CLAIM, "by": ["Ana"]}).encode(),
    lambda _: json.dumps({**CLAIM, "claim_id": "x" * 900}).encode(),
    lambda _: json.dumps(CLAIM).encode() + b" " * 60_000,
    lambda dice: json.dumps({**CLAIM, "claim_id": "x" * dice.randrange(8)}).encode(),
)
ODD_ALERTS = ("visit-1:suit", "visit-1:suit", "", " ", "..", "+", "#", "\x00", "\x1b[2J", "x" * 60_000, "\U0001f457")
"""One level of a topic, so that they reach the claims; the first is an alert that can be claimed."""
ODD_TOPICS = (
    "vestibule/store/alerts/a/b/claim/set",
    "vestibule/store/alerts/claim/set",
    "vestibule/other/alerts/a/claim/set",
)


def hostile(*topics: str, payloads: Sequence[Callable[[random.Random], bytes]] = HOSTILE) -> list[MQTTMessage]:
    dice, messages = random.Random(7), []  # noqa: S311 - no secret hangs on it
    for number in range(MESSAGES):
        message = MQTTMessage(topic=topics[number % len(topics)].encode())
        message.payload = payloads[number % len(payloads)](dice)
        messages.append(message)
    return messages


def publish_from_aside(port: int, topic: str, payloads: list[bytes]) -> None:
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for info in [client.publish(topic, payload, qos=1) for payload in payloads]:
        info.wait_for_publish(WAIT_S)
    client.disconnect()
    client.loop_stop()


@pytest.fixture
def broker() -> Iterator[Mosquitto]:
    with Mosquitto() as running:
        yield running


@needs_mosquitto
def test_on_home_assistant_s_status_topic(broker: Mosquitto) -> None:
    config = MqttConfig(port=broker.port, home_assistant=True)
    with listening(broker.port, "#") as received, capture_logs() as log:
        sink = MqttSink(config, site="store")
        try:
            wait_until(lambda: len(on_topic(received, "/config")) == 1, "the description")
            for message in hostile("homeassistant/status"):
                sink._handle_message(sink._connection.client, None, message)
            assert sink.ignored == MESSAGES
            publish_from_aside(broker.port, "homeassistant/status", [HOSTILE[2](random.Random(1)), b"online"])  # noqa: S311
            wait_until(lambda: len(on_topic(received, "/config")) == 2, "the description again")
            sink.publish(make_message(1))
            assert sink.drain(WAIT_S) == 0
            wait_until(lambda: len(on_topic(received, "/alerts")) == 1, "the alert")
        finally:
            sink.close(1.0)
    assert [entry["event"] for entry in log].count("message ignored") == 1


@needs_mosquitto
def test_who_asks_without_end_is_answered_no_faster_than_the_broker_takes_it(broker: Mosquitto) -> None:
    sink = MqttSink(MqttConfig(port=broker.port, home_assistant=True), site="store")
    try:
        sink.wait_connected(WAIT_S)
        broker.stop()
        question = MQTTMessage(topic=b"homeassistant/status")
        question.payload = b"online"
        for _ in range(MESSAGES):
            sink._handle_message(sink._connection.client, None, question)
        assert len(sink._states) < 10
    finally:
        sink.close(0.1)


@needs_mosquitto
def test_on_the_alerts_topic_of_tail(broker: Mosquitto) -> None:
    alerts: list[AlertPayload] = []
    with capture_logs() as log:
        subscriber = AlertSubscriber(MqttConfig(port=broker.port), site="store", on_alert=alerts.append)
        try:
            subscriber.wait_subscribed(WAIT_S)
            for message in hostile("vestibule/store/alerts"):
                subscriber._handle_message(subscriber._connection.client, None, message)
            assert subscriber.ignored == MESSAGES
            payloads = [make(random.Random(1)) for make in HOSTILE]  # noqa: S311 - no secret hangs on it
            publish_from_aside(broker.port, "vestibule/store/alerts", [*payloads, make_message(2).payload])
            wait_until(lambda: bool(alerts), "the alert after them")
        finally:
            subscriber.close()
    assert [alert.visit_id for alert in alerts] == ["visit-2"]
    assert subscriber.ignored == MESSAGES + len(HOSTILE)
    assert [entry["event"] for entry in log].count("not an alert or claim of this version") == 1


@needs_mosquitto
def test_on_the_topics_of_claims(broker: Mosquitto) -> None:
    inbox, claims, outcomes = ClaimInbox(), Claims(site="store", prefix="vestibule"), Counter[str]()
    claims.raised(make_alert(1))

    def accepted() -> bool:
        outcomes.update(claims.decide(request, 1_700_000_010.0).outcome for request in inbox.take())
        return outcomes["accepted"] > 0

    topics = [claim_set_topic("vestibule", "store", alert_id) for alert_id in ODD_ALERTS]
    flood = hostile(*topics, payloads=HOSTILE_CLAIMS)
    with capture_logs() as log:
        sink = MqttSink(MqttConfig(port=broker.port), site="store", claims=inbox.put)
        try:
            sink.wait_connected(WAIT_S)
            for message in flood:
                sink._handle_message(sink._connection.client, None, message)
                assert not accepted()
            assert outcomes == {"malformed": MESSAGES}
            for message in hostile(*ODD_TOPICS, payloads=HOSTILE_CLAIMS):
                sink._handle_message(sink._connection.client, None, message)
            assert sink.ignored == MESSAGES
            assert inbox.take() == []
            for message in flood:  # faster than anybody decides
                sink._handle_message(sink._connection.client, None, message)
            waiting = len(inbox.take())
            assert sink.ignored == 2 * MESSAGES - waiting
            assert waiting < 1000
            payloads = [make(random.Random(1)) for make in HOSTILE_CLAIMS]  # noqa: S311 - no secret hangs on it
            publish_from_aside(broker.port, topics[0], [*payloads, json.dumps(CLAIM).encode()])
            wait_until(accepted, "the claim after them")
        finally:
            sink.close(1.0)
    assert outcomes["malformed"] == MESSAGES + len(HOSTILE_CLAIMS)
    assert [entry["event"] for entry in log].count("message ignored") == 1
