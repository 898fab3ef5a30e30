"""`vestibule tail`: subscribes to alerts and claims as a staff's app would and prints a line for each."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from queue import Empty, SimpleQueue
from threading import Event
from typing import TextIO
from uuid import uuid4
from zoneinfo import ZoneInfo

import structlog
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from vestibule.claim_payloads import ClaimPayload, claim_state_topic
from vestibule.complaints import Complaints
from vestibule.config import Settings
from vestibule.errors import SinkError
from vestibule.mqtt_connection import MqttConnection, address
from vestibule.mqtt_section import MqttConfig
from vestibule.payloads import AlertPayload, alerts_topic

_POLL_S = 0.2
_LATEST_S = 2.0**32

_log = structlog.get_logger(__name__)


class AlertSubscriber:
    """A second MQTT client: hands over every alert of a site; subscribes again after every reconnect.

    Args:
        config: the broker.
        site: the store's id.
        on_alert: called in the client's network thread.
        on_claim: told there of every claim that wins from now on; if absent, claims are left alone.

    Attributes:
        ignored: messages so far that were no alert or claim; the first and then one a minute is logged.

    Raises:
        SinkError: the certificate authority's file cannot be used.
        ConfigError: the password file cannot be read.
    """

    def __init__(
        self,
        config: MqttConfig,
        *,
        site: str,
        on_alert: Callable[[AlertPayload], None],
        on_claim: Callable[[ClaimPayload], None] | None = None,
    ) -> None:
        self._config = config
        self._alerts = alerts_topic(config.prefix, site)
        self._topics = [self._alerts]
        if on_claim is not None:
            self._topics.append(claim_state_topic(config.prefix, site, "+"))
        self._on_alert, self._on_claim = on_alert, on_claim
        self._answered = Event()
        self._denied: str | None = None
        self.ignored = 0
        self._complaints = Complaints(time.monotonic)
        # Not mqtt.client_id: that is the daemon's, and two of one name throw each other out.
        client_id = f"vestibule-{site}-tail-{uuid4().hex[:8]}"
        self._connection = MqttConnection(config, client_id=client_id, on_connected=self._subscribe)
        self._connection.client.on_subscribe = self._handle_suback
        self._connection.client.on_message = self._handle_message
        self._connection.start()

    def wait_subscribed(self, timeout_s: float) -> None:
        """Return once alerts that are published from now on will arrive.

        Raises:
            SinkError: the broker cannot be reached, refuses, or denies the subscription.
        """
        self._connection.wait_connected(timeout_s)
        if not self._answered.wait(timeout_s):
            raise SinkError(f"broker {address(self._config)}: no answer to the subscription in {timeout_s:g} s")
        if self._denied is not None:
            topics = " or ".join(self._topics)
            raise SinkError(f"broker {address(self._config)}: denies {topics} ({self._denied}); check its access list")

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()
        self._connection.client.on_subscribe = self._connection.client.on_message = None

    def _subscribe(self) -> None:
        self._connection.client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in self._topics])

    def _handle_suback(
        self, _client: Client, _data: object, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._denied = next((str(reason) for reason in reasons if reason.is_failure), None)
        self._answered.set()

    def _handle_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        try:
            if message.topic == self._alerts:
                self._on_alert(read_alert(message.payload))
            elif self._on_claim is not None and message.payload and not message.retain:
                self._on_claim(read_claim_state(message.payload))
        except ValueError:
            self.ignored += 1
            if self._complaints.due("ignored"):
                _log.warning("not an alert or claim of this version", topic=message.topic, ignored=self.ignored)


def read_alert(payload: bytes | bytearray) -> AlertPayload:
    """Parse what came over the alerts' topic, from whomever.

    Raises:
        ValueError: it is no alert of this version, or of no time that a calendar has.
    """
    alert = AlertPayload.model_validate_json(payload)
    if alert.raised_at_s >= _LATEST_S:
        raise ValueError(f"raised_at_s is {alert.raised_at_s:g}, after the year 2106")
    return alert


def read_claim_state(payload: bytes | bytearray) -> ClaimPayload:
    """Parse what came over the topic of a claim's state, from whomever.

    Raises:
        ValueError: it is no claim of this version, or of no time that a calendar has.
    """
    claim = ClaimPayload.model_validate_json(payload)
    if max(claim.raised_at_s, claim.claimed_at_s) >= _LATEST_S:
        raise ValueError(f"raised or claimed after the year 2106: {claim.raised_at_s:g}, {claim.claimed_at_s:g}")
    return claim


def alert_line(alert: AlertPayload, zone: ZoneInfo) -> str:
    """One printable line for people: the store's time, camera, what is worn and where."""
    raised_at = datetime.fromtimestamp(alert.raised_at_s, zone)
    where = f"  ({', '.join(alert.zones)})" if alert.zones else ""
    return _printable(f"{raised_at:%H:%M:%S} {alert.camera}  {alert.summary}{where}")


def claim_line(claim: ClaimPayload, zone: ZoneInfo) -> str:
    """One printable line for people: who goes, where, and how long the alert had waited."""
    claimed_at = datetime.fromtimestamp(claim.claimed_at_s, zone)
    waited_s = claim.claimed_at_s - claim.raised_at_s
    return _printable(f"{claimed_at:%H:%M:%S} {claim.camera}  {claim.by} goes, {waited_s:.0f} s after the alert")


def _printable(line: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in line)  # nobody shall command the reader's terminal


def run(settings: Settings, *, out: TextIO | None = None, stop: Event | None = None) -> int:
    """Print alerts and claims until interrupted (Ctrl-C), `stop` is set, or the reader of a pipe has gone; return 0.

    Raises:
        SinkError: the broker cannot be reached at the start, refuses, or denies the subscription.
        ConfigError: the password file cannot be read.
    """
    stream = sys.stdout if out is None else out
    # Printing happens here and not in the network thread, where a slow terminal would hold up the keepalive.
    lines: SimpleQueue[str] = SimpleQueue()
    zone = settings.site.zone_info
    subscriber = AlertSubscriber(
        settings.mqtt,
        site=settings.site.id,
        on_alert=lambda alert: lines.put(alert_line(alert, zone)),
        on_claim=lambda claim: lines.put(claim_line(claim, zone)),
    )
    try:
        subscriber.wait_subscribed(settings.mqtt.connect_timeout_s + 1.0)
        _print_lines(lines, stream, stop or Event())
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # What is still buffered has nowhere to go; without this the interpreter complains while exiting.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    finally:
        subscriber.close()
    return 0


def _print_lines(lines: SimpleQueue[str], stream: TextIO, stop: Event) -> None:
    while not stop.is_set():
        with suppress(Empty):
            print(lines.get(timeout=_POLL_S), file=stream, flush=True)
