import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.publish
import pytest
import structlog
from jsonschema import Draft202012Validator
from mqtt_client import WAIT_S, listening, make_message, needs_mosquitto, on_topic, wait_saved, wait_until
from paho.mqtt.enums import MQTTProtocolVersion
from structlog.testing import LogCapture

from vestibule import mqtt_connection
from vestibule.broker import Mosquitto
from vestibule.errors import SinkError
from vestibule.mqtt_section import MqttConfig
from vestibule.outbox import Outbox
from vestibule.payloads import json_schema
from vestibule.sinks import MqttSink, mqtt
from vestibule.types import ClaimRequest, Message

pytestmark = needs_mosquitto


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> LogCapture:
    """What the sink and its connection say of themselves."""
    capture = LogCapture()
    logger = structlog.wrap_logger(None, processors=[capture])
    monkeypatch.setattr(mqtt, "_log", logger)
    monkeypatch.setattr(mqtt_connection, "_log", logger)
    return capture


@pytest.fixture(scope="module")
def broker() -> Iterator[Mosquitto]:
    with Mosquitto() as running:
        yield running


@contextmanager
def open_sink(config: MqttConfig, site: str = "store", **options: object) -> Iterator[MqttSink]:
    sink = MqttSink(config, site=site, **options)  # type: ignore[arg-type]
    try:
        yield sink
    finally:
        sink.close(0.2)


def publish_aside(port: int, topic: str, payload: bytes, *, retain: bool = False) -> None:
    """Publish as some other client would."""
    paho.mqtt.publish.single(
        topic, payload, qos=1, retain=retain, hostname="127.0.0.1", port=port, protocol=MQTTProtocolVersion.MQTTv5
    )


def test_another_client_receives_the_alert_as_the_schema_says(broker: Mosquitto) -> None:
    message = make_message()
    with listening(broker.port) as received, open_sink(MqttConfig(port=broker.port)) as sink:
        sink.wait_connected(WAIT_S)
        sink.publish(message)
        assert sink.drain(WAIT_S) == 0
        wait_until(lambda: bool(on_topic(received, "/alerts")), "the alert")
        (alert,) = [one for one in received if one.topic == "vestibule/store/alerts"]
    assert alert.payload == message.payload
    assert (alert.qos, alert.retain) == (1, False)
    assert alert.properties is not None
    properties = alert.properties.json()  # type: ignore[no-untyped-call]  # paho leaves it untyped
    expiry_s = properties.pop("MessageExpiryInterval")
    assert properties == {"ContentType": "application/json", "PayloadFormatIndicator": 1}
    assert 100 < expiry_s <= 120  # what is left of alert_ttl_s
    Draft202012Validator(json_schema("alert")).validate(json.loads(alert.payload))
    assert sink.refused == 0
    assert sink.status().outcomes == {"acknowledged": 1}


def test_what_is_to_be_retained_is_for_those_who_come_late(broker: Mosquitto) -> None:
    count = Message(topic="vestibule/late/counts/door/Dress", at_s=1.0, payload=b"3", retain=True)
    with open_sink(MqttConfig(port=broker.port), site="late") as sink:
        sink.wait_connected(WAIT_S)
        sink.publish(count)
        sink.publish(make_message())
        assert sink.drain(WAIT_S) == 0  # the broker answers in order: it has the count too
        assert sink.status().outcomes == {"acknowledged": 1}
        with listening(broker.port, count.topic) as received:
            wait_until(lambda: bool(received), "the retained count")
            assert (received[0].payload, received[0].retain) == (b"3", True)


def clear_of(topic: str) -> Message:
    return Message(topic=topic, at_s=2.0, payload=b"", retain=True)


def wait_retained(port: int, topic: str, payloads: list[bytes]) -> None:
    """Wait until a client that comes now is told just this of a topic."""

    def told() -> list[bytes]:
        with listening(port, "#") as received:
            publish_aside(port, "marker", b"later than what is retained")
            wait_until(lambda: bool(on_topic(received, "marker")), "the marker")
            return [bytes(message.payload) for message in received if message.topic == topic]

    wait_until(lambda: told() == payloads, f"{payloads} on {topic}")


def test_a_topic_that_is_forgotten_takes_no_memory(broker: Mosquitto) -> None:
    topic = "vestibule/shop-i/alerts/a1/claim/state"
    with open_sink(MqttConfig(port=broker.port), site="shop-i") as sink:
        sink.publish(Message(topic=topic, at_s=1.0, payload=b"{}", retain=True))
        wait_retained(broker.port, topic, [b"{}"])
        sink.publish(clear_of(topic))
        wait_until(lambda: topic not in sink._kept, "the broker's answer")
        wait_retained(broker.port, topic, [])


def test_what_is_to_be_forgotten_outlasts_a_lost_connection(tmp_path: Path) -> None:
    topic = "vestibule/store/alerts/a1/claim/state"
    keep = f"persistence true\npersistence_location {tmp_path}/\n"
    with Mosquitto(extra=keep) as broker, open_sink(MqttConfig(port=broker.port)) as sink:
        sink.publish(Message(topic=topic, at_s=1.0, payload=b"{}", retain=True))
        wait_retained(broker.port, topic, [b"{}"])
        broker.stop()
        wait_until(lambda: sink.state == "not connected", "the loss")
        for _ in range(1000):
            sink.publish(clear_of(topic))
        assert len(sink._states) < 10
        assert sink._kept[topic] == b""
        broker.restart()
        wait_until(lambda: topic not in sink._kept, "the broker's answer")
        wait_retained(broker.port, topic, [])


def test_claims_that_an_earlier_run_left_are_cleared(broker: Mosquitto) -> None:
    stale, live = (f"vestibule/shop-j/alerts/{alert}/claim/state" for alert in ("gone", "here"))
    elsewhere = "vestibule/shop-k/alerts/gone/claim/state"
    for topic in (stale, live, elsewhere):
        publish_aside(broker.port, topic, b"{}", retain=True)
    config = MqttConfig(port=broker.port)
    with open_sink(config, site="shop-j", announce=False, client_id="replay-j", claims=lambda _: True) as replay:
        replay.wait_connected(WAIT_S)
        publish_aside(broker.port, "vestibule/shop-j/alerts/a/claim/set", b"x")
        wait_retained(broker.port, stale, [b"{}"])  # it is not the replay's to clear
    with open_sink(config, site="shop-j", claims=lambda _: True) as sink:
        sink.publish(Message(topic=live, at_s=1.0, payload=b"ours", retain=True))
        wait_retained(broker.port, stale, [])
        wait_retained(broker.port, live, [b"ours"])
        wait_retained(broker.port, elsewhere, [b"{}"])
        wait_until(lambda: [*sink._kept] == [live], "no trace of what was cleared")
        assert sink.ignored == 0


def test_claims_are_handed_over_and_one_too_many_is_ignored(broker: Mosquitto, log: LogCapture) -> None:
    taken: list[ClaimRequest] = []

    def take(request: ClaimRequest) -> bool:
        taken.append(request)
        return len(taken) < 3

    with open_sink(MqttConfig(port=broker.port), site="shop-l", claims=take) as sink:
        wait_until(lambda: not sink._under_way and sink.state == "connected", "the subscription")
        for alert in ("a1", "", "a2"):
            publish_aside(broker.port, f"vestibule/shop-l/alerts/{alert}/claim/set", b"x" * 5000)
        wait_until(lambda: sink.ignored == 1, "the third")
    assert [(request.alert_id, len(request.payload)) for request in taken] == [("a1", 1025), ("", 1025), ("a2", 1025)]
    (told,) = [entry for entry in log.entries if entry["event"] == "message ignored"]
    assert told["topic"] == "vestibule/shop-l/alerts/a2/claim/set"


def test_availability_is_retained_online_and_offline(broker: Mosquitto) -> None:
    with open_sink(MqttConfig(port=broker.port), site="shop-a") as sink:
        sink.wait_connected(WAIT_S)
        wait_retained(broker.port, "vestibule/shop-a/available", [b"online"])
    wait_retained(broker.port, "vestibule/shop-a/available", [b"offline"])


def test_the_last_will_fires_when_the_process_is_killed(broker: Mosquitto) -> None:
    program = (
        "import sys, time\n"
        "from vestibule.mqtt_section import MqttConfig\n"
        "from vestibule.sinks import MqttSink\n"
        "sink = MqttSink(MqttConfig(port=int(sys.argv[1])), site='doomed')\n"
        "sink.wait_connected(20)\n"
        "time.sleep(60)\n"
    )
    with listening(broker.port, "vestibule/doomed/available") as received:
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(broker.port)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            wait_until(lambda: on_topic(received, "/available") == [b"online"], "online")
        finally:
            process.kill()
            process.wait(WAIT_S)
        wait_until(lambda: on_topic(received, "/available") == [b"online", b"offline"], "the last will")
    assert process.returncode == -signal.SIGKILL
    wait_retained(broker.port, "vestibule/doomed/available", [b"offline"])


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_is_published_while_the_broker_is_away_arrives(end: str, tmp_path: Path) -> None:
    keep_sessions = (
        f"persistence true\npersistence_location {tmp_path}/\nautosave_interval 1\nautosave_on_changes true\n"
        "max_queued_messages 0"
    )
    with (
        Mosquitto(extra=keep_sessions) as broker,
        listening(broker.port, "vestibule/store/#") as received,
        open_sink(MqttConfig(port=broker.port)) as sink,
    ):
        sink.wait_connected(WAIT_S)
        sink.publish(make_message(0))
        assert sink.drain(WAIT_S) == 0
        # What mosquitto has acknowledged and neither delivered nor saved goes with it when it is killed.
        wait_until(lambda: bool(on_topic(received, "/alerts")), "the first alert")
        wait_saved(tmp_path, "vestibule/store/#")
        getattr(broker, end)()
        for number in range(1, 200):
            sink.publish(make_message(number))
        assert sink.drain(0.1) == 199
        broker.restart()
        assert sink.drain(WAIT_S) == 0
        wait_until(lambda: len({*on_topic(received, "/alerts")}) == 200, "all alerts")
        once = list(dict.fromkeys(on_topic(received, "/alerts")))
        assert [json.loads(payload)["seq"] for payload in once] == list(range(200))
        # Said again after the reconnect; the broker itself may deliver twice what it had not yet saved as received.
        assert on_topic(received, "/available").count(b"online") >= 2
        assert on_topic(received, "/available")[-1] == b"online"


def test_a_broker_that_comes_later_gets_everything(log: LogCapture) -> None:
    with Mosquitto() as broker:
        broker.stop()
        with open_sink(MqttConfig(port=broker.port)) as sink:
            with pytest.raises(SinkError, match="nothing listens there"):
                sink.wait_connected(WAIT_S)
            sink.publish(make_message())
            assert sink.drain(0.05) == 1
            broker.restart()
            assert sink.drain(WAIT_S) == 0
    assert [entry["event"] for entry in log.entries] == ["broker not connected", "broker connected"]


def test_a_replay_keeps_the_order_and_leaves_the_daemon_alone(broker: Mosquitto) -> None:
    config = MqttConfig(port=broker.port)
    with listening(broker.port, "vestibule/shop-b/#") as received, open_sink(config, site="shop-b") as daemon:
        daemon.wait_connected(WAIT_S)
        with open_sink(config, site="shop-b", announce=False, client_id="replay", lossless=True) as replay:
            for number in range(500):  # from before it is connected
                replay.publish(make_message(number, site="shop-b"))
            assert replay.drain(WAIT_S) == 0
        wait_until(lambda: len(on_topic(received, "/alerts")) == 500, "500 alerts")
        assert [json.loads(payload)["seq"] for payload in on_topic(received, "/alerts")] == list(range(500))
        daemon.publish(make_message(501, site="shop-b"))
        assert daemon.drain(WAIT_S) == 0
        assert on_topic(received, "/available") == [b"online"]


def test_what_waits_in_memory_is_told_as_lost(log: LogCapture) -> None:
    with open_sink(MqttConfig(port=1)) as sink:
        for number in range(3):
            sink.publish(make_message(number))
    assert [entry["lost"] for entry in log.entries if "lost" in entry] == [3]


def test_what_waits_on_disk_is_for_the_next_start(log: LogCapture, broker: Mosquitto, tmp_path: Path) -> None:
    with open_sink(MqttConfig(port=1), outbox=Outbox(tmp_path / "outbox"), site="shop-d") as sink:
        for number in range(3):
            sink.publish(make_message(number, site="shop-d"))
    assert [entry["waiting"] for entry in log.entries if "waiting" in entry] == [3]
    with listening(broker.port, "vestibule/shop-d/alerts") as received:
        config = MqttConfig(port=broker.port)
        with open_sink(config, outbox=Outbox(tmp_path / "outbox"), site="shop-d") as sink:
            assert sink.drain(WAIT_S) == 0
        wait_until(lambda: len(received) == 3, "what the last run left")
    assert [json.loads(message.payload)["seq"] for message in received] == [0, 1, 2]


def test_what_is_wrong_elsewhere_is_in_the_health_until_it_is_not(broker: Mosquitto, tmp_path: Path) -> None:
    outbox, ledger, file = Outbox(tmp_path / "outbox"), "ledger: full; free some space", "events file: likewise"
    with (
        listening(broker.port, "vestibule/shop-h/health") as received,
        open_sink(MqttConfig(port=broker.port), outbox=outbox, site="shop-h") as sink,
    ):
        wait_until(lambda: len(received) == 1, "the health at the start")
        for problems in ((ledger,), (ledger,), (ledger, file), ()):  # a repetition is no news
            sink.tend(problems)
        wait_until(lambda: len(received) == 4, "three changes")
        outbox._degrade("outbox: full too")
        sink.tend([ledger])
        wait_until(lambda: len(received) == 5, "both")
    for message in received:
        Draft202012Validator(json_schema("health")).validate(json.loads(message.payload))
    told = [tuple(json.loads(message.payload)["problems"]) for message in received]
    assert told == [(), (ledger,), (ledger, file), (), ("outbox: full too", ledger)]
    assert [json.loads(message.payload)["status"] for message in received].count("ok") == 2


def test_health_is_retained_and_changes_with_the_disk(broker: Mosquitto, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    with (
        listening(broker.port, "vestibule/shop-e/health") as received,
        open_sink(MqttConfig(port=broker.port), outbox=outbox, site="shop-e") as sink,
    ):
        wait_until(lambda: len(received) == 1, "the health at the start")
        outbox._degrade("outbox: the disk is full; free some space")
        sink.publish(make_message(site="shop-e"))
        wait_until(lambda: len(received) == 2, "the health of a full disk")
        outbox._retry_at_s = 0.0
        sink.publish(make_message(2, site="shop-e"))
        wait_until(lambda: len(received) == 3, "the health after it")
    for message in received:
        Draft202012Validator(json_schema("health")).validate(json.loads(message.payload))
    assert [json.loads(message.payload)["status"] for message in received] == ["ok", "degraded", "ok"]
    assert json.loads(received[1].payload)["problems"] == ["outbox: the disk is full; free some space"]


@pytest.mark.parametrize(("limit", "window"), [("", 4), ("max_inflight_messages 3", 3)])
def test_no_more_are_under_way_than_the_window(monkeypatch: pytest.MonkeyPatch, limit: str, window: int) -> None:
    """A broker that stops acknowledging gets `max_inflight` messages, or what it takes itself, and not one more."""
    with Mosquitto(extra=limit) as broker, open_sink(MqttConfig(port=broker.port, max_inflight=4)) as sink:
        sink.wait_connected(WAIT_S)
        wait_until(lambda: not sink._under_way, "the announcements")
        sent: list[str] = []
        publish = sink._connection.client.publish

        def counted(topic: str, *args: object, **options: object) -> object:
            sent.append(topic)
            return publish(topic, *args, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(sink._connection.client, "publish", counted)
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            for number in range(10):
                sink.publish(make_message(number))
            assert len(sent) == window
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        assert sink.drain(WAIT_S) == 0
        assert len(sent) == 10


def test_home_assistant_is_told_once_and_whenever_it_asks(broker: Mosquitto) -> None:
    config = MqttConfig(port=broker.port, home_assistant=True)
    with (
        listening(broker.port, "homeassistant/#") as received,
        open_sink(config, site="shop-f") as sink,
    ):
        wait_until(lambda: len(on_topic(received, "/config")) == 1, "the description")
        assert received[0].topic == "homeassistant/device/vestibule-shop-f/config"
        wait_until(lambda: not sink._under_way, "the answer to it, which comes after that to the subscription")
        publish_aside(broker.port, "homeassistant/status", b"offline")
        publish_aside(broker.port, "homeassistant/status", b"online")
        wait_until(lambda: len(on_topic(received, "/config")) == 2, "the description again")
        payloads = on_topic(received, "/config")
    assert payloads[0] == payloads[1]


def test_home_assistant_is_left_alone_unless_configured(broker: Mosquitto) -> None:
    with listening(broker.port, "#") as received, open_sink(MqttConfig(port=broker.port), site="shop-g"):
        wait_until(lambda: bool(on_topic(received, "shop-g/health")), "the last of the announcements")
    assert not [
        message.topic for message in received if message.topic.startswith("homeassistant/device/vestibule-shop-g")
    ]


def test_the_session_lasts_while_the_daemon_is_away(broker: Mosquitto) -> None:
    """Home Assistant starts while the daemon is stopped: it is told when the daemon is back, by the kept session."""
    config = MqttConfig(port=broker.port, home_assistant=True)
    with open_sink(config, site="shop-h") as sink:
        sink.wait_connected(WAIT_S)
        wait_until(lambda: not sink._under_way, "the announcements, which are answered after the subscription")
    publish_aside(broker.port, "homeassistant/status", b"online")
    with (
        listening(broker.port, "homeassistant/device/vestibule-shop-h/config") as received,
        open_sink(config, site="shop-h"),
    ):
        # The retained one of before, the one of this start, and the answer to the question that was kept.
        wait_until(lambda: len(received) == 3, "the answer to what was asked meanwhile")


def test_lossless_waits_for_room_and_gives_up_with_an_error(broker: Mosquitto) -> None:
    with (
        listening(broker.port, "vestibule/shop-c/alerts") as received,
        open_sink(MqttConfig(port=broker.port), outbox=Outbox(max_events=10), lossless=True) as sink,
    ):
        for number in range(300):
            sink.publish(make_message(number, site="shop-c"))
        assert sink.drain(WAIT_S) == 0
        wait_until(lambda: len(on_topic(received, "/alerts")) == 300, "300 alerts")
    with open_sink(MqttConfig(port=1, connect_timeout_s=0.2), outbox=Outbox(max_events=2), lossless=True) as sink:
        sink.publish(make_message(1))
        sink.publish(make_message(2))
        with pytest.raises(SinkError, match=r"127\.0\.0\.1:1: 2 events wait and none was taken in 0\.2 s"):
            sink.publish(make_message(3))


def test_an_event_that_the_access_list_denies_is_noticed(log: LogCapture) -> None:
    acl = "topic write vestibule/store/visits\ntopic write vestibule/store/available\n"
    now_s = [0.0]
    with Mosquitto(acl=acl) as broker, open_sink(MqttConfig(port=broker.port), clock=lambda: now_s[0]) as sink:
        sink.wait_connected(WAIT_S)
        for number in range(3):
            sink.publish(make_message(number))
        assert sink.drain(WAIT_S) == 0
        assert sink.status().outcomes == {"refused": 3}
        now_s[0] = 60.0
        sink.publish(make_message(3))
        assert sink.drain(WAIT_S) == 0
    complaints = [entry for entry in log.entries if "refused" in entry]
    assert [entry["refused"] for entry in complaints] == [1, 5]  # the health is one of them
    assert complaints[0]["reason"] == "Not authorized"


def test_a_frozen_broker_does_not_hold_up_the_end(log: LogCapture) -> None:
    with Mosquitto() as broker:
        sink = MqttSink(MqttConfig(port=broker.port), site="store")
        sink.wait_connected(WAIT_S)
        assert sink.drain(WAIT_S) == 0
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            sink.publish(make_message())
            sink.close(0.1)
        finally:
            os.kill(broker.pid, signal.SIGCONT)
    assert [entry["lost"] for entry in log.entries if "lost" in entry] == [1]


def test_a_second_client_of_the_same_name_is_explained(broker: Mosquitto, log: LogCapture) -> None:
    config = MqttConfig(port=broker.port, client_id="twin")
    with open_sink(config) as first:
        first.wait_connected(WAIT_S)
        with open_sink(config) as second:
            second.wait_connected(WAIT_S)
            wait_until(lambda: any("'twin'" in str(entry.get("problem")) for entry in log.entries), "the explanation")
