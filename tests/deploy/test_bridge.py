"""Many stores, one headquarters: the bridge and access list of deploy/mosquitto between two real brokers."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from deployed_broker import DEPLOY, free_ports
from mqtt_client import WAIT_S, listening, make_message, needs_mosquitto, on_topic, wait_until
from paho.mqtt.client import MQTTMessage
from relay import make_certificate

from vestibule.broker import HOST, Mosquitto
from vestibule.mqtt_section import MqttConfig
from vestibule.sinks import MqttSink

pytestmark = [
    needs_mosquitto,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed; apt-get install openssl"),
]
USERS = {"store": "one", "north": "two", "consumer": "reads"}


class Headquarters(Mosquitto):
    """A broker with the access list, which keeps its sessions; stores come over TLS, on a port of their own."""

    def __init__(self, folder: Path) -> None:
        pem = make_certificate(folder / "hq.pem", "DNS:localhost,IP:127.0.0.1")
        (self.tls_port,) = free_ports(1)
        (folder / "sessions").mkdir()
        tls = f"listener {self.tls_port} {HOST}\ncertfile {pem}\nkeyfile {pem}\n"
        keeps = f"persistence true\npersistence_location {folder}/sessions/\nautosave_interval 1\n"
        acl = (DEPLOY / "headquarters.acl").read_text(encoding="utf-8")
        super().__init__(users=USERS, acl=acl, extra=keeps + tls)


@contextmanager
def store(hq: Headquarters, folder: Path, site: str = "store") -> Iterator[MqttSink]:
    """A store's broker with the bridge, and its daemon's sink."""
    text = (DEPLOY / "bridge.conf").read_text(encoding="utf-8")
    for old, new in {
        "hq.example.com:8883": f"localhost:{hq.tls_port}",
        "/etc/mosquitto/vestibule/headquarters-ca.crt": str(folder / "hq.pem"),
        "change-me": USERS[site],
        "restart_timeout 5 60": "restart_timeout 1 2",
        "vestibule/store/": f"vestibule/{site}/",
        "vestibule-store": f"vestibule-{site}",
        "remote_username store": f"remote_username {site}",
    }.items():
        assert old in text
        text = text.replace(old, new)
    with Mosquitto(extra=text) as broker:
        sink = MqttSink(MqttConfig(port=broker.port), site=site)
        try:
            sink.wait_connected(WAIT_S)
            yield sink
        finally:
            sink.close(1.0)


@contextmanager
def consumer(hq: Headquarters, topic: str = "vestibule/#") -> Iterator[list[MQTTMessage]]:
    with listening(hq.port, topic, ("consumer", USERS["consumer"])) as received:
        yield received


def numbers(received: list[MQTTMessage]) -> list[int]:
    """The `seq` of the alerts among what was received."""
    return [json.loads(payload)["seq"] for payload in on_topic(received, "/alerts")]


def test_events_go_to_headquarters_and_wait_while_it_is_away(tmp_path: Path) -> None:
    with Headquarters(tmp_path) as hq, consumer(hq) as received, store(hq, tmp_path) as sink:
        sink.publish(make_message(1))
        wait_until(lambda: numbers(received) == [1], "the first alert at headquarters")
        wait_until(lambda: b"online" in on_topic(received, "store/available"), "that the store is there")
        hq.stop()
        for number in range(2, 30):
            sink.publish(make_message(number))
        assert sink.drain(WAIT_S) == 0, "the store goes on without headquarters"
        hq.restart()
        wait_until(lambda: len(set(numbers(received))) == 29, "what had waited")
    # At least once: what was on its way when headquarters went may come again.
    assert list(dict.fromkeys(numbers(received))) == list(range(1, 30)), "in their order"


def test_a_store_cannot_write_anothers_topics(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(USERS["north"], encoding="utf-8")
    with Headquarters(tmp_path) as hq, consumer(hq) as received:
        with store(hq, tmp_path, "north") as sink:
            sink.publish(make_message(1, "north"))
            wait_until(lambda: numbers(received) == [1], "its own")
        config = MqttConfig(
            host="localhost",
            port=hq.tls_port,
            tls=True,
            ca_file=tmp_path / "hq.pem",
            username="north",
            password_file=tmp_path / "password",
        )
        impostor = MqttSink(config, site="store", announce=False)
        try:
            impostor.wait_connected(WAIT_S)
            impostor.publish(make_message(2))
            assert impostor.drain(WAIT_S) == 0
            assert impostor.refused == 1
        finally:
            impostor.close(1.0)
    assert numbers(received) == [1]


def test_consumers_of_one_name_share_the_events(tmp_path: Path) -> None:
    shared = "$share/crm/vestibule/+/alerts"
    with (
        Headquarters(tmp_path) as hq,
        consumer(hq, shared) as one,
        consumer(hq, shared) as other,
        store(hq, tmp_path) as sink,
    ):
        for number in range(40):
            sink.publish(make_message(number))
        wait_until(lambda: len(numbers(one)) + len(numbers(other)) >= 40, "all events")
    assert sorted(numbers(one) + numbers(other)) == list(range(40)), "each once"
    assert numbers(one)
    assert numbers(other)
