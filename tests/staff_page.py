"""What the tests of the staff page share: the service in a thread, and what a daemon does as the broker sees it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mqtt_client import MODEL, make_alert
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from vestibule.claims import Claims
from vestibule.config import Settings
from vestibule.mqtt_section import MqttConfig
from vestibule.notify import Notifier
from vestibule.payloads import alert_message
from vestibule.sections import SiteConfig
from vestibule.types import Alert, ClaimRequest, Garment, Message
from vestibule.web.service import WebService
from vestibule.web_sections import WebConfig


def alert_of(
    number: int, *, camera: str = "entrance", garments: Sequence[str] = ("Dress", "Blazer"), age_s: float = 0.0
) -> Alert:
    """An alert that was raised `age_s` ago."""
    return replace(
        make_alert(number),
        alert_id=f"visit-{number}-suit",
        camera_id=camera,
        zones=("hall",),
        garments=tuple(Garment(label=label, score=0.9, votes=4) for label in garments),
        confidence="certain" if number % 2 else "likely",
        raised_at_s=time.time() - age_s,
    )


def message_of(alert: Alert, site: str = "store") -> Message:
    return alert_message(alert, site=site, prefix="vestibule", seq=1, model=MODEL)


class Box:
    """A store's daemon as the broker sees it: raises alerts, and decides claims by the daemon's own code."""

    def __init__(self, port: int, site: str = "store") -> None:
        self.site = site
        self.asked: list[MQTTMessage] = []
        self._claims = Claims(site=site, prefix="vestibule")
        self.client = Client(CallbackAPIVersion.VERSION2, f"box-{site}", protocol=MQTTProtocolVersion.MQTTv5)
        self.client.will_set(f"vestibule/{site}/available", b"offline", qos=1, retain=True)
        self.client.on_message = self._decide
        self.client.on_connect = lambda *_: self._greet()
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _greet(self) -> None:
        self.client.subscribe(f"vestibule/{self.site}/alerts/+/claim/set", qos=1)
        self.client.publish(f"vestibule/{self.site}/available", b"online", qos=1, retain=True)

    def raise_alert(self, alert: Alert) -> None:
        self._claims.raised(alert)
        message = message_of(alert, self.site)
        self.client.publish(message.topic, message.payload, qos=1).wait_for_publish(20)

    def _decide(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.asked.append(message)
        request = ClaimRequest(alert_id=message.topic.split("/")[3], payload=bytes(message.payload))
        for state in self._claims.decide(request, time.time()).messages:
            self.client.publish(state.topic, state.payload, qos=1, retain=state.retain)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        self.client.on_message = self.client.on_connect = None


@contextmanager
def box(port: int, site: str = "store") -> Iterator[Box]:
    running = Box(port, site)
    try:
        yield running
    finally:
        running.close()


def settings_of(broker_port: int, folder: Path, **web: object) -> Settings:
    config = WebConfig.model_validate({"port": 0, "state_dir": folder, **web})
    return Settings(mqtt=MqttConfig(port=broker_port), site=SiteConfig(id="store"), web=config)


@contextmanager
def serving(settings: Settings) -> Iterator[WebService]:
    """The page, from when it answers."""
    service = WebService(settings, Notifier({}))
    service.start()
    try:
        yield service
    finally:
        service.close()
