"""Events to an MQTT 5 broker: QoS 1, out of an outbox that keeps each until the broker has acknowledged it."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from typing import Literal

import structlog
from paho.mqtt.client import Client, MQTTMessage, topic_matches_sub
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from vestibule.claim_payloads import CLAIM_SET_BYTES, claim_set_topic, claim_state_topic
from vestibule.complaints import Complaints
from vestibule.errors import SinkError
from vestibule.mqtt_connection import MqttConnection, Will, address
from vestibule.mqtt_section import MqttConfig
from vestibule.outbox import Outbox, OutboxStatus
from vestibule.payloads import alerts_topic, available_topic, health, health_topic
from vestibule.sinks.home_assistant import discovery, status_topic
from vestibule.types import ClaimRequest, Message

_SESSION_EXPIRY_S = 86_400

_log = structlog.get_logger(__name__)


class MqttSink:
    """Publishes every message at QoS 1; connects in the background and reconnects by itself.

    Messages arrive in order. After a broken connection, or when the process was killed, some may arrive twice, with the
    same `event_id`. `publish`, `drain` and `close` belong to one thread.

    Args:
        config: the broker.
        site: the store's id, part of the topics.
        outbox: where events wait for the broker; in memory if absent. Closed with the sink.
        announce: keep `<prefix>/<site>/available` (retained) at `online`, and at `offline` once this sink is closed
            or killed, tell the health, and let Home Assistant know if configured; off for a replay, which must not
            speak for the daemon.
        client_id: `mqtt.client_id` or `vestibule-<site>` if absent.
        lossless: wait when the outbox is full (replay) instead of dropping its oldest event (live).
        claims: given, in the network's thread, what staff claim; returns at once, and whether it had room. If absent
            nobody listens to claims. With `announce`, states of claims that an earlier run left are cleared.
        clock: seconds that only grow; spaces complaints in the log.

    Raises:
        SinkError: the certificate authority's file or our own certificate cannot be used.
        ConfigError: the password file cannot be read.
    """

    def __init__(
        self,
        config: MqttConfig,
        *,
        site: str,
        outbox: Outbox | None = None,
        announce: bool = True,
        client_id: str | None = None,
        lossless: bool = False,
        claims: Callable[[ClaimRequest], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._site = config, site
        self._alerts = alerts_topic(config.prefix, site)
        self._available = available_topic(config.prefix, site)
        self._outbox = outbox or Outbox(max_events=config.outbox_max_events)
        self._lossless = lossless
        self._claims = claims
        self._claim_set = claim_set_topic(config.prefix, site, "+")
        self._claim_state = claim_state_topic(config.prefix, site, "+")
        self._complaints = Complaints(clock)
        self._announce = announce
        self._kept: dict[str, bytes] = {}  # retained, by topic; an empty one until the broker has forgotten the topic
        self._keeping = Lock()
        self._problems_elsewhere: tuple[str, ...] = ()
        self._told_problems: tuple[str, ...] = ()
        self._states: deque[tuple[str, bytes]] = deque()  # retained, to be sent
        # What the broker has not answered for, in order; None is an event.
        self._under_way: deque[tuple[str, bytes] | None] = deque()
        self._description_waits = False
        self.refused = 0
        self.ignored = 0
        self._connection = MqttConnection(
            config,
            client_id=client_id or config.client_id or f"vestibule-{site}",
            session_expiry_s=_SESSION_EXPIRY_S if announce else 0,
            on_connected=self._handle_connected,
            will=Will(topic=self._available, payload=b"offline") if announce else None,
        )
        self._connection.client.on_publish = self._handle_puback
        self._connection.client.on_message = self._handle_message
        # Our window is the narrower one, so that nothing waits, and grows old, inside paho.
        self._connection.client.max_inflight_messages_set(config.max_inflight)
        self._connection.start()

    def wait_connected(self, timeout_s: float) -> None:
        """Return once connected.

        Raises:
            SinkError: the broker cannot be reached or refuses.
        """
        self._connection.wait_connected(timeout_s)

    def publish(self, message: Message) -> None:
        """Put an event into the outbox; it is sent now, or when the broker is back. What is retained: see `tell`.

        Raises:
            SinkError: `lossless`, and the broker takes nothing for so long that the outbox stays full.
        """
        if message.retain:
            self.tell(message)
            return
        if self._lossless and not self._outbox.wait_room(self._config.connect_timeout_s):
            raise SinkError(
                f"broker {address(self._config)}: {self._outbox.waiting} events wait and none was taken in "
                f"{self._config.connect_timeout_s:g} s; is it still running?"
            )
        self._outbox.add(message, ttl_s=self._config.alert_ttl_s if message.topic == self._alerts else None)
        self._send_due()

    def tend(self, problems: Iterable[str] = ()) -> None:
        """Try again what failed and can be tried without an event; call it a few times a second, from any thread.

        Args:
            problems: what is wrong elsewhere now, one line each with its remedy; told with the outbox's in the health.
        """
        self._problems_elsewhere = tuple(problems)
        self._outbox.tend()
        self._send_due()

    def status(self) -> OutboxStatus:
        """Return how delivery stands now; safe to call from any thread."""
        return self._outbox.status()

    def drain(self, timeout_s: float) -> int:
        """Wait until the broker has answered for every message; return how many it has not."""
        return self._outbox.wait_empty(timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Drain, go offline and disconnect; logs how many messages wait for the next start, or are lost."""
        status = self._outbox.status()
        safe = status.on_disk and status.problem is None
        # Without a broker there is nothing to wait for, unless what is not delivered now is lost.
        left = self.drain(0.0 if safe and not self._connection.connected else timeout_s)
        self._connection.close()
        self._connection.client.on_publish = self._connection.client.on_message = None
        if lost := self._outbox.close():
            _log.error("events not acknowledged by the broker", broker=address(self._config), lost=lost)
        elif left:
            _log.info("events wait for the next start", broker=address(self._config), waiting=left)

    def _send_due(self) -> None:
        """Send what the window has room for.

        Two threads come here: the one that publishes, and paho's, which holds a lock of its own and so must not wait
        for ours. Who finds the other at work leaves it the rest: the other looks again after letting go.
        """
        while self._has_due() and self._connection.turn.acquire(blocking=False):
            try:
                self._send_all_due()
            finally:
                self._connection.turn.release()

    def _has_due(self) -> bool:
        window = min(self._config.max_inflight, self._connection.receive_maximum)
        something = self._states or self._outbox.offerable or self._health_changed()
        return bool(self._connection.connected and len(self._under_way) < window and something)

    def _send_all_due(self) -> None:
        client = self._connection.client
        while self._has_due():
            if self._health_changed():
                self._queue_health()
            if self._states:
                topic, payload = self._states.popleft()
                self._description_waits &= not topic.startswith(f"{self._config.home_assistant_prefix}/device/")
                self._under_way.append((topic, payload))
                client.publish(topic, payload, qos=1, retain=True)
            elif (entry := self._outbox.offer()) is not None:
                self._under_way.append(None)
                properties = _json_properties(self._outbox.left_s(entry))
                client.publish(entry.message.topic, entry.message.payload, qos=1, properties=properties)

    def _health_changed(self) -> bool:
        return self._announce and self._problems() != self._told_problems

    def _problems(self) -> tuple[str, ...]:
        problem = self._outbox.problem
        return self._problems_elsewhere if problem is None else (problem, *self._problems_elsewhere)

    def _queue_health(self) -> None:
        problems = self._told_problems = self._problems()
        self._states.append((health_topic(self._config.prefix, self._site), health(self._site, problems)))

    def _handle_connected(self) -> None:
        client = self._connection.client
        # What was under way when the last connection broke goes out again from the outbox, in its order, under new
        # packet identifiers: at QoS 1 the broker remembers nothing by the old ones.
        client.drop_out_messages()
        self._under_way.clear()
        self._states.clear()
        self._outbox.recall()
        if self._announce:
            self._states.append((self._available, b"online"))
            self._queue_health()
            self._queue_discovery()
        for topic in self._subscriptions():
            client.subscribe(topic, qos=1)
        with self._keeping:
            self._states.extend(self._kept.items())
        self._send_all_due()

    def _subscriptions(self) -> Iterator[str]:
        if self._announce and self._config.home_assistant:
            yield status_topic(self._config.home_assistant_prefix)
        if self._claims is not None:
            yield self._claim_set
            if self._announce:
                yield self._claim_state

    def _queue_discovery(self) -> None:
        config = self._config
        if config.home_assistant:
            self._description_waits = True
            self._states.append(
                discovery(site=self._site, prefix=config.prefix, discovery_prefix=config.home_assistant_prefix)
            )

    def _handle_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        topic, payload = message.topic, bytes(message.payload)
        if topic == status_topic(self._config.home_assistant_prefix) and payload in (b"online", b"offline"):
            # Who asks again before the answer is sent gets one answer.
            if payload == b"online" and not self._description_waits:
                self._queue_discovery()
            self._send_due()
        elif topic_matches_sub(self._claim_state, topic):
            if message.retain and payload:  # else it is our own that comes back
                self._forget_unknown(topic)
        elif not self._handle_claim(topic, payload):
            self.ignored += 1
            self._complain("message ignored", topic=topic, size_bytes=len(payload), ignored=self.ignored)

    def _handle_claim(self, topic: str, payload: bytes) -> bool:
        """Hand a claim over; return whether it was one, and there was room for it."""
        if self._claims is None or not topic_matches_sub(self._claim_set, topic):
            return False
        alert_id = topic.split("/")[-3]
        return self._claims(ClaimRequest(alert_id=alert_id, payload=payload[: CLAIM_SET_BYTES + 1]))

    def _forget_unknown(self, topic: str) -> None:
        """Have the broker forget the state of a claim that an earlier run left."""
        with self._keeping:
            if topic in self._kept:
                return
            self._kept[topic] = b""
        self._states.append((topic, b""))
        self._send_due()

    def _handle_puback(
        self, _client: Client, _data: object, _mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        state = self._under_way.popleft()  # the broker answers in the order of arrival (MQTT 5, section 4.6)
        if state is None:
            self._outbox.settle("refused" if reason.is_failure else "acknowledged")
        elif not state[1]:
            self._let_go(state[0])
        if reason.is_failure:
            self.refused += 1
            self._complain(
                "broker refused an event; check its access list",
                reason=str(reason),
                user=self._config.username,
                refused=self.refused,
            )
        self._send_due()

    def _complain(self, event: str, **values: object) -> None:
        if self._complaints.due(event):
            _log.error(event, broker=address(self._config), **values)

    @property
    def state(self) -> Literal["connecting", "connected", "not connected"]:
        """How it stands with the broker; `connecting` until it was tried once."""
        if self._connection.connected:
            return "connected"
        return "connecting" if self._connection.problem is None else "not connected"

    def tell(self, message: Message) -> None:
        """Have the broker retain a message in place of the topic's last; sent again on every connect.

        An empty one has it forget the topic, and is itself forgotten when the broker has done so.
        """
        with self._keeping:
            self._kept[message.topic] = message.payload
        if self._connection.connected:  # else it is among what is sent on connecting
            self._states.append((message.topic, message.payload))
            self._send_due()

    def _let_go(self, topic: str) -> None:
        with self._keeping:
            if not self._kept.get(topic, b"kept by another"):
                del self._kept[topic]


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


def _json_properties(expiry_s: int | None) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    properties.ContentType = "application/json"
    properties.PayloadFormatIndicator = 1  # UTF-8
    if expiry_s is not None:
        properties.MessageExpiryInterval = expiry_s  # the broker keeps it no longer for a subscriber who is away
    return properties
