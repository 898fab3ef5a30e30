"""deploy/mosquitto: the configuration that is handed to administrators, as it is."""

import re
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Literal
from uuid import uuid4

import pytest
from deployed_broker import DEPLOY, PASSWORDS, Deployed, deployed
from mqtt_client import WAIT_S, make_message, needs_mosquitto, wait_until
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from vestibule.errors import SinkError
from vestibule.mqtt_section import MqttConfig
from vestibule.sinks import MqttSink, check_broker

pytestmark = needs_mosquitto


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with deployed(tmp_path_factory.mktemp("broker")) as running:
        yield running


class User:
    """Any client of this broker: what it reads, and what became of what it writes."""

    def __init__(self, broker: Deployed, name: str, transport: Literal["tcp", "websockets"] = "tcp") -> None:
        self.received: list[MQTTMessage] = []
        self._subscribed, self._reasons = Event(), dict[int, str]()
        self._client = client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{name}-{uuid4().hex}",
            protocol=MQTTProtocolVersion.MQTTv5,
            transport=transport,
        )
        client.username_pw_set(name, PASSWORDS[name])
        client.tls_set_context(ssl.create_default_context(cafile=broker.ca_file))
        client.on_message = lambda _client, _data, message: self.received.append(message)
        client.on_publish = lambda _client, _data, mid, reason, _properties: self._note(mid, str(reason))
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_connect = lambda client, *_: client.subscribe("#", qos=1) and None
        client.connect("127.0.0.1", broker.port if transport == "tcp" else broker.websockets_port)
        client.loop_start()
        assert self._subscribed.wait(WAIT_S)

    def _note(self, mid: int, reason: str) -> None:
        self._reasons[mid] = reason

    def write(self, topic: str, payload: bytes = b"x") -> bool:
        """Publish and return whether the broker took it."""
        mid = self._client.publish(topic, payload, qos=1).mid
        wait_until(lambda: mid in self._reasons, f"the answer for {topic}")
        assert self._reasons[mid] in {"Success", "No matching subscribers", "Not authorized"}
        return self._reasons[mid] != "Not authorized"

    def topics(self) -> set[str]:
        return {message.topic for message in self.received}

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.on_message = self._client.on_publish = self._client.on_subscribe = self._client.on_connect = None


@pytest.fixture
def users(broker: Deployed) -> Iterator[dict[str, User]]:
    connected = {name: User(broker, name) for name in PASSWORDS}
    yield connected
    for user in connected.values():
        user.close()


EVERYTHING = [
    "vestibule/store/alerts",
    "vestibule/store/visits",
    "vestibule/store/available",
    "vestibule/store/health",
    "vestibule/store/counts/door/Dress",
    "vestibule/store/alerts/a1/claim/state",
    "vestibule/store/alerts/a1/claim/set",
    "vestibule/store/alerts/a1/other",
    "homeassistant/device/vestibule-store/config",
    "homeassistant/status",
    "homeassistant/sensor/other/config",
    "other",
    "$SYS/broker/other",
]


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("vestibule", {topic for topic in EVERYTHING if topic.startswith(("vestibule/", "homeassistant/device/"))}),
        ("staff", {"vestibule/store/alerts/a1/claim/set"}),
        ("dashboard", set()),
        ("homeassistant", {"homeassistant/status", "vestibule/store/alerts/a1/claim/set"}),
    ],
)
def test_nobody_writes_more_than_is_theirs(users: dict[str, User], name: str, allowed: set[str]) -> None:
    assert {topic for topic in EVERYTHING if users[name].write(topic)} == allowed


def test_nobody_reads_more_than_is_theirs(users: dict[str, User]) -> None:
    for topic in EVERYTHING:
        users["vestibule"].write(topic)
    users["homeassistant"].write("homeassistant/status")
    users["staff"].write("vestibule/store/alerts/a1/claim/set")
    allowed = {
        "vestibule": {
            "vestibule/store/alerts/a1/claim/set",
            "vestibule/store/alerts/a1/claim/state",
            "homeassistant/status",
        },
        "staff": {
            "vestibule/store/alerts",
            "vestibule/store/visits",
            "vestibule/store/counts/door/Dress",
            "vestibule/store/available",
            "vestibule/store/alerts/a1/claim/state",
        },
        "dashboard": {"vestibule/store/counts/door/Dress", "vestibule/store/available", "vestibule/store/health"},
        "homeassistant": {
            "homeassistant/device/vestibule-store/config",
            "vestibule/store/alerts",
            "vestibule/store/alerts/a1/claim/state",
            "vestibule/store/counts/door/Dress",
            "vestibule/store/available",
            "vestibule/store/health",
        },
    }
    # The last thing that each may read has arrived, so what it may not read would have, too.
    for name, topics in allowed.items():
        wait_until(lambda name=name, topics=topics: users[name].topics() >= topics, f"what {name} reads")  # type: ignore[misc]
        assert users[name].topics() == topics


def test_the_daemon_s_own_sink_and_a_browser(broker: Deployed, tmp_path: Path) -> None:
    config = broker.daemon_config(tmp_path).model_copy(update={"home_assistant": True})
    browser = User(broker, "staff", "websockets")
    sink = MqttSink(config, site="shop")
    try:
        sink.wait_connected(WAIT_S)
        sink.publish(make_message(site="shop"))
        assert sink.drain(WAIT_S) == 0
        wait_until(
            lambda: browser.topics() == {"vestibule/shop/alerts", "vestibule/shop/available"},
            "the alert in the browser",
        )
        wait_until(lambda: not sink._under_way, "the announcements")
        assert sink.refused == 0
    finally:
        sink.close()
        browser.close()


# paho forgets to close its socket when the handshake fails.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_nobody_comes_in_without_tls_a_name_and_its_password(broker: Deployed, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a guess", encoding="utf-8")
    tls = MqttConfig(port=broker.port, tls=True, ca_file=broker.ca_file)
    guess = tls.model_copy(update={"username": "staff", "password_file": tmp_path / "password"})
    for config, told in (
        (MqttConfig(port=broker.port), "does this port want TLS"),
        (MqttConfig(port=broker.port, tls=True), "certificate is not trusted"),
        (tls, r"wants a user name"),
        (guess, r"check mqtt\.username \('staff'\)"),
    ):
        with pytest.raises(SinkError, match=told):
            check_broker(config, site="s")


def test_certificates_are_renewed_under_the_same_authority(tmp_path: Path) -> None:
    made = []
    for _ in range(2):
        subprocess.run(
            [DEPLOY / "make-certificates.sh", tmp_path, "broker.lan"], check=True, capture_output=True, timeout=60
        )
        made.append([(tmp_path / name).read_bytes() for name in ("ca.crt", "broker.crt")])
    assert made[0][0] == made[1][0]
    assert made[0][1] != made[1][1]
    assert all((tmp_path / name).stat().st_mode & 0o077 == 0 for name in ("ca.key", "broker.key"))


def test_the_readme_s_table_is_the_access_list() -> None:
    acl = (DEPLOY / "acl").read_text(encoding="utf-8")
    listed = set(re.findall(r"^topic (?:read|write) (\S+)$", acl, flags=re.MULTILINE))
    table = (DEPLOY / "README.md").read_text(encoding="utf-8")
    ends = {f"vestibule/+{end}" for end in re.findall(r"`(/[^`]+)`", table)}
    shown = set(re.findall(r"`((?:vestibule|homeassistant)/[^`]+)`", table)) | ends
    assert listed <= shown
