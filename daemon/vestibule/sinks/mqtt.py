"""Events to an MQTT 5 broker: QoS 1, acknowledgements counted and their reason codes looked at."""

import time
from collections import deque
from collections.abc import Callable
from threading import Condition
from typing import Literal

import structlog
from paho.mqtt.client import Client
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from vestibule.errors import SinkError
from vestibule.mqtt_connection import MqttConnection, Will, address
from vestibule.payloads import available_topic
from vestibule.sections import MqttConfig
from vestibule.types import Message

_COMPLAIN_EVERY_S = 60.0

_log = structlog.get_logger(__name__)


class MqttSink:
    """Publishes every message at QoS 1; connects in the background and reconnects by itself.

    While the broker is away, messages wait in memory, `queue_limit` at most; what waits is lost with the process.
    They arrive in order, and after a broken connection some may arrive twice (same `event_id`).
    `publish`, `drain` and `close` belong to one thread.

    Args:
        config: the broker.
        site: the store's id, part of the topics.
        announce: keep `<prefix>/<site>/available` (retained) at `online`, and at `offline` once this sink is closed
            or killed; off for a replay, which must not speak for the daemon.
        client_id: `mqtt.client_id` or `vestibule-<site>` if absent.
        queue_limit: how many messages may await the broker's acknowledgement.
        lossless: wait when so many do (replay) instead of dropping the newest (live).
        clock: seconds that only grow; spaces complaints in the log.

    Raises:
        SinkError: the certificate authority's file cannot be used.
        ConfigError: the password file cannot be read.
    """

    def __init__(
        self,
        config: MqttConfig,
        *,
        site: str,
        announce: bool = True,
        client_id: str | None = None,
        queue_limit: int = 10_000,
        lossless: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._available = available_topic(config.prefix, site)
        self._queue_limit = queue_limit
        self._lossless = lossless
        self._clock = clock
        self._next_complaint_s: dict[str, float] = {}
        # Every event the broker has not answered for, oldest first. Its own queue, because paho's may overtake: what is
        # published while a connection is being made goes out before what has waited longer.
        self._waiting: deque[Message] = deque()
        self._answered = Condition()
        self._announce = announce
        self._announcements: set[int] = set()
        self._kept: dict[str, bytes] = {}  # retained, by topic
        self.refused = 0
        self.dropped = 0
        self._connection = MqttConnection(
            config,
            client_id=client_id or config.client_id or f"vestibule-{site}",
            on_connected=self._handle_connected,
            will=Will(topic=self._available, payload=b"offline") if announce else None,
        )
        self._connection.client.on_publish = self._handle_puback
        self._connection.start()

    def wait_connected(self, timeout_s: float) -> None:
        """Return once connected.

        Raises:
            SinkError: the broker cannot be reached or refuses.
        """
        self._connection.wait_connected(timeout_s)

    def publish(self, message: Message) -> None:
        """Hand a message to the network thread; it is sent now, or when the broker is back.

        Raises:
            SinkError: `lossless`, and the broker takes nothing for so long that the queue stays full.
        """
        if len(self._waiting) >= self._queue_limit:
            if not self._lossless:
                self.dropped += 1
                self._complain("queue full, event dropped", topic=message.topic, dropped=self.dropped)
                return
            self._wait_for_room()
        with self._connection.turn:
            self._waiting.append(message)
            if self._connection.connected:
                self._send(message)

    def drain(self, timeout_s: float) -> int:
        """Wait until the broker has answered for every message; return how many it has not."""
        with self._answered:
            self._answered.wait_for(lambda: not self._waiting, timeout_s)
            return len(self._waiting)

    def close(self, timeout_s: float = 5.0) -> None:
        """Drain, go offline and disconnect; logs how many messages were lost."""
        if lost := self.drain(timeout_s):
            _log.error("events not acknowledged by the broker", broker=address(self._config), lost=lost)
        self._connection.close()
        self._connection.client.on_publish = None

    def _send(self, message: Message) -> None:
        self._connection.client.publish(message.topic, message.payload, qos=1, properties=_json_properties())

    def _wait_for_room(self) -> None:
        timeout_s = self._config.connect_timeout_s
        with self._answered:
            room = self._answered.wait_for(lambda: len(self._waiting) < self._queue_limit, timeout_s)
        if not room:
            raise SinkError(
                f"broker {address(self._config)}: {len(self._waiting)} events wait and none was taken in "
                f"{timeout_s:g} s; is it still running?"
            )

    def _handle_connected(self) -> None:
        client = self._connection.client
        # What was under way when the last connection broke is in `_waiting` too and goes out again from there.
        client.drop_out_messages()
        self._announcements.clear()
        if self._announce:
            self._announcements.add(client.publish(self._available, b"online", qos=1, retain=True).mid)
        for topic, payload in self._kept.items():
            self._announcements.add(client.publish(topic, payload, qos=1, retain=True).mid)
        for message in self._waiting:
            self._send(message)

    def _handle_puback(
        self, _client: Client, _data: object, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if mid in self._announcements:
            self._announcements.discard(mid)
        else:
            with self._answered:
                self._waiting.popleft()  # the broker answers in the order of arrival (MQTT 5, section 4.6)
                self._answered.notify_all()
        if reason.is_failure:
            self.refused += 1
            self._complain(
                "broker refused an event; check its access list",
                reason=str(reason),
                user=self._config.username,
                refused=self.refused,
            )

    def _complain(self, event: str, **values: object) -> None:
        now_s = self._clock()
        if now_s >= self._next_complaint_s.get(event, now_s):
            self._next_complaint_s[event] = now_s + _COMPLAIN_EVERY_S
            _log.error(event, broker=address(self._config), **values)

    @property
    def state(self) -> Literal["connecting", "connected", "not connected"]:
        """How it stands with the broker; `connecting` until it was tried once."""
        if self._connection.connected:
            return "connected"
        return "connecting" if self._connection.problem is None else "not connected"

    def tell(self, message: Message) -> None:
        """Have the broker retain a message in place of the topic's last; sent again on every connect."""
        with self._connection.turn:
            self._kept[message.topic] = message.payload
            if self._connection.connected:
                client = self._connection.client
                self._announcements.add(client.publish(message.topic, message.payload, qos=1, retain=True).mid)


def check_broker(config: MqttConfig, *, site: str, timeout_s: float | None = None) -> str:
    """Connect, publish nothing, and say in one line that it went well.

    Raises:
        SinkError: the broker cannot be reached or refuses.
        ConfigError: the password file cannot be read.
    """
    connection = MqttConnection(config, client_id=f"vestibule-{site}-check")
    connection.start()
    try:
        # The name's look-up comes on top of paho's own time-out, which should speak first: it knows the cause.
        connection.wait_connected(timeout_s or config.connect_timeout_s + 1.0)
    finally:
        connection.close()
    return f"broker {address(config)}: connected, MQTT 5{', TLS' if config.tls else ''}"


def _json_properties() -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    properties.ContentType = "application/json"
    properties.PayloadFormatIndicator = 1  # UTF-8
    return properties
