"""`python -m vestibule.demo.examples`: records real messages of each kind, for docs/events.md and docs/asyncapi.json.

Events and claims are those of a replay of the demo clip, the same at every run on one machine; how things stand is what
a daemon said that watched the clip for a while.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from vestibule import config
from vestibule.asyncapi import EXAMPLES
from vestibule.broker import HOST, Mosquitto
from vestibule.claim_payloads import ClaimSetPayload, claim_set_topic
from vestibule.claims import ClaimInbox
from vestibule.demo import BEGAN_AT, HERE
from vestibule.errors import SinkError
from vestibule.payload_fields import SCHEMA_VERSION, encode
from vestibule.replay import ReplayOptions, replay
from vestibule.types import ClaimRequest, Message

_CLAIM: Final = ClaimSetPayload(schema_version=SCHEMA_VERSION, by="Ana", claim_id="k3J9x-0QmZ7w")
_REACTS_S: Final = 5.0
_STATES: Final = ("available", "health", "cameras", "counts")
_STANDS_S: Final = 60.0
Example = dict[str, Any]


class _Recorder:
    """Keeps every message, and claims the first alert when it hears of something else some seconds later."""

    def __init__(self) -> None:
        self.claims = ClaimInbox()
        self.messages: list[Message] = []
        self.alert: Message | None = None
        self._claimed = False

    def publish(self, message: Message) -> None:
        self.messages.append(message)
        if self.alert is None:
            self.alert = message if message.topic.endswith("/alerts") else None
        elif not self._claimed and message.at_s - self.alert.at_s >= _REACTS_S:
            self._claimed = True
            alert_id = json.loads(self.alert.payload)["alert_id"]
            self.claims.put(ClaimRequest(alert_id=alert_id, payload=encode(_CLAIM)))

    def close(self) -> None:
        """Nothing to let go of."""


def replayed() -> dict[str, list[Example]]:
    """Examples of alerts, visits and claims: those of the first customer of the demo clip with an alert."""
    settings, recorder = config.load(HERE / "demo.toml"), _Recorder()
    options = ReplayOptions(files=(HERE / "demo.mp4",), start_s=BEGAN_AT.timestamp())
    replay(settings, options, sinks=(recorder,), claims=recorder.claims)
    if recorder.alert is None:
        raise SinkError("the demo clip raised no alert; are the shipped networks there?")
    alert = json.loads(recorder.alert.payload)
    about = [(message.topic, json.loads(message.payload)) for message in recorder.messages if message.payload]
    mine = [(topic, payload) for topic, payload in about if payload["visit_id"] == alert["visit_id"]]
    asked = claim_set_topic(settings.mqtt.prefix, settings.site.id, alert["alert_id"])
    return {
        "alerts": [_example("alert", topic, payload) for topic, payload in mine if topic.endswith("/alerts")],
        "visits": [_example(payload["type"], topic, payload) for topic, payload in mine if topic.endswith("/visits")],
        "claimSet": [_example("claim", asked, json.loads(encode(_CLAIM)))],
        "claimState": [_example("claimed", topic, payload) for topic, payload in mine if topic.endswith("/state")],
    }


def watched() -> dict[str, list[Example]]:
    """Examples of how things stand, from a daemon of its own at a broker of its own."""
    received: SimpleQueue[MQTTMessage] = SimpleQueue()
    with tempfile.TemporaryDirectory() as folder, Mosquitto() as broker:
        client = _subscribed(broker.port, received)
        settings = Path(folder) / "vestibule.toml"
        text = (HERE / "demo.toml").read_text(encoding="utf-8").replace("demo.mp4", str(HERE / "demo.mp4"))
        settings.write_text(f"config_version = 1\n{text}\n[mqtt]\nport = {broker.port}\n", encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "vestibule", "run", "--config", str(settings)],
            env={**os.environ, "VESTIBULE_METRICS__ENABLED": "false", "STATE_DIRECTORY": folder},
        )
        try:
            return _wait_for_states(received)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_STANDS_S)
            client.disconnect()
            client.loop_stop()


def _subscribed(port: int, received: "SimpleQueue[MQTTMessage]") -> Client:
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_connect = lambda client, *_: client.subscribe("vestibule/#", qos=1) and None
    client.on_message = lambda _client, _data, message: received.put(message)
    client.connect(HOST, port)
    client.loop_start()
    return client


def _wait_for_states(received: "SimpleQueue[MQTTMessage]") -> dict[str, list[Example]]:
    """Keep the last of each until there is one of each, of a camera that gives pictures and counts customers."""
    found: dict[str, list[Example]] = {}
    deadline_s = time.monotonic() + _STANDS_S
    while time.monotonic() < deadline_s:
        try:
            message = received.get(timeout=1.0)
        except Empty:
            continue
        name, text = message.topic.split("/")[2], bytes(message.payload).decode()
        too_early = (name == "cameras" and '"frames_analysed"' not in text) or (name == "counts" and text == "0")
        if name not in _STATES or too_early:
            continue
        found[name] = [_example(name, message.topic, json.loads(text) if text.startswith("{") else text)]
        if len(found) == len(_STATES):
            return found
    raise SinkError(f"the daemon told only of {sorted(found)} in {_STANDS_S:g} s")


def _example(name: str, topic: str, payload: object) -> Example:
    return {"name": name, "topic": topic, "payload": payload}


if __name__ == "__main__":
    EXAMPLES.write_text(json.dumps({**replayed(), **watched()}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(f"{EXAMPLES}\n")
