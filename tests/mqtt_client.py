"""What the MQTT tests share: sample events, and a subscriber that knows nothing of the daemon's own client code."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from vestibule.payloads import alert_message
from vestibule.types import Alert, Garment, Message

WAIT_S = 60.0
"""Only bounds how long a failing test takes: on a loaded machine a daemon needs half a minute to start."""
MODEL = {"classifier": "garments@1", "detector": "persons@1"}

needs_mosquitto = pytest.mark.skipif(
    shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") is None,
    reason="mosquitto is not installed; apt-get install mosquitto",
)


def make_alert(number: int = 1) -> Alert:
    return Alert(
        alert_id=f"visit-{number}:suit",
        visit_id=f"visit-{number}",
        camera_id="door",
        zones=("entrance",),
        rule="suit",
        garments=(Garment(label="Dress", score=0.87654321, votes=4), Garment(label="Blazer", score=0.5, votes=1)),
        first_seen_at_s=1_700_000_000.12345,
        raised_at_s=1_700_000_002.5,
    )


def make_message(number: int = 1, site: str = "store") -> Message:
    return alert_message(make_alert(number), site=site, prefix="vestibule", seq=number, model=MODEL)


def wait_until(reached: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not reached():
        if time.monotonic() > deadline_s:
            pytest.fail(f"waited {WAIT_S:g} s in vain: {what}")
        time.sleep(0.02)


def wait_saved(folder: Path, topic: str) -> None:
    """Wait until a broker that keeps its sessions in `folder` has this subscription on disk."""
    file = folder / "mosquitto.db"
    wait_until(lambda: file.exists() and topic.encode() in file.read_bytes(), f"{topic} on the broker's disk")


@contextmanager
def listening(
    port: int, topic: str = "#", user: tuple[str, str] | None = None, *, acknowledge: bool = True
) -> Iterator[list[MQTTMessage]]:
    """Subscribe at QoS 1 and collect what arrives, from when the broker has confirmed the subscription.

    The session survives a restart of the broker if that keeps sessions (`persistence true`).
    """
    received: list[MQTTMessage] = []
    confirmed: list[bool] = []

    def subscribe(client: Client) -> None:
        client.subscribe(topic, qos=1)

    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=uuid4().hex,
        protocol=MQTTProtocolVersion.MQTTv5,
        manual_ack=not acknowledge,
    )
    if user is not None:
        client.username_pw_set(*user)
    client.reconnect_delay_set(1, 1)
    client.on_connect = lambda client, *_: subscribe(client)
    client.on_subscribe = lambda *_: confirmed.append(True)
    client.on_message = lambda _client, _data, message: received.append(message)
    session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    # Without a clean start, even the first time: mosquitto 2.0.11 does not write sessions that began with one to disk.
    session.SessionExpiryInterval = 0xFFFF_FFFF
    client.connect("127.0.0.1", port, clean_start=False, properties=session)
    client.loop_start()
    try:
        wait_until(lambda: bool(confirmed), "the subscription")
        yield received
    finally:
        client.disconnect()
        client.loop_stop()
        client.on_connect = client.on_subscribe = client.on_message = None


def on_topic(received: list[MQTTMessage], end: str) -> list[bytes]:
    return [bytes(message.payload) for message in list(received) if message.topic.endswith(end)]
