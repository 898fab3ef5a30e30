import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from jsonschema import Draft202012Validator
from mqtt_client import WAIT_S, listening, make_message, needs_mosquitto, on_topic, wait_until
from structlog.testing import LogCapture

from vestibule import mqtt_connection
from vestibule.broker import Mosquitto
from vestibule.errors import SinkError
from vestibule.payloads import json_schema
from vestibule.sections import MqttConfig
from vestibule.sinks import MqttSink, mqtt

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


def retained(port: int, site: str) -> list[bytes]:
    """What a client that comes now is told of the site's availability."""
    with listening(port, f"vestibule/{site}/available") as received:
        wait_until(lambda: bool(received), "the retained availability")
        assert received[0].retain
        return on_topic(received, "/available")


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
    assert properties == {"ContentType": "application/json", "PayloadFormatIndicator": 1}
    Draft202012Validator(json_schema("alert")).validate(json.loads(alert.payload))
    assert (sink.refused, sink.dropped) == (0, 0)


def test_availability_is_retained_online_and_offline(broker: Mosquitto) -> None:
    with open_sink(MqttConfig(port=broker.port), site="shop-a") as sink:
        sink.wait_connected(WAIT_S)
        assert retained(broker.port, "shop-a") == [b"online"]
    assert retained(broker.port, "shop-a") == [b"offline"]


def test_the_last_will_fires_when_the_process_is_killed(broker: Mosquitto) -> None:
    program = (
        "import sys, time\n"
        "from vestibule.sections import MqttConfig\n"
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
    assert retained(broker.port, "doomed") == [b"offline"]


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
        wait_until((tmp_path / "mosquitto.db").exists, "the broker's sessions on disk")
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


def test_a_full_queue_drops_the_newest_and_says_so_once_a_minute(log: LogCapture) -> None:
    now_s = [0.0]
    config = MqttConfig(port=1)
    with open_sink(config, queue_limit=3, clock=lambda: now_s[0]) as sink:
        for number in range(5):
            sink.publish(make_message(number))
        assert (sink.dropped, sink.drain(0.0)) == (2, 3)
        now_s[0] = 61.0
        sink.publish(make_message(5))
    complaints = [entry["dropped"] for entry in log.entries if entry["event"] == "queue full, event dropped"]
    assert complaints == [1, 3]
    assert [entry["lost"] for entry in log.entries if "lost" in entry] == [3]


def test_lossless_waits_for_room_and_gives_up_with_an_error(broker: Mosquitto) -> None:
    with (
        listening(broker.port, "vestibule/shop-c/alerts") as received,
        open_sink(MqttConfig(port=broker.port), queue_limit=10, lossless=True) as sink,
    ):
        for number in range(300):
            sink.publish(make_message(number, site="shop-c"))
        assert sink.drain(WAIT_S) == 0
        wait_until(lambda: len(on_topic(received, "/alerts")) == 300, "300 alerts")
    with open_sink(MqttConfig(port=1, connect_timeout_s=0.2), queue_limit=2, lossless=True) as sink:
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
        assert sink.refused == 3
        now_s[0] = 60.0
        sink.publish(make_message(3))
        assert sink.drain(WAIT_S) == 0
    complaints = [entry for entry in log.entries if "refused" in entry]
    assert [entry["refused"] for entry in complaints] == [1, 4]
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
