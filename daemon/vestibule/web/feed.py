"""The staff page's connection to the broker: reads alerts, claims and which daemons are up; publishes claims."""

import time
from collections.abc import Callable
from typing import Literal

import structlog
from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from vestibule.claim_payloads import ClaimPayload, ClaimSetPayload, claim_set_topic, claim_state_topic
from vestibule.complaints import Complaints
from vestibule.mqtt_connection import MqttConnection
from vestibule.mqtt_section import MqttConfig
from vestibule.payload_fields import encode
from vestibule.payloads import alerts_topic, available_topic
from vestibule.tail import read_alert
from vestibule.web.board import Board

Published = Literal["sent", "disconnected", "denied", "unanswered"]
"""sent: the broker has it; denied: by its access list; unanswered: it may still arrive."""

_ANSWER_S = 3.0
_CLAIM_TTL_S = 30

log = structlog.get_logger(__name__)


class Feed:
    """A staff app of the broker, with a session that outlives its absence.

    Args:
        config: the broker.
        client_id: always the same for one service.
        sites: the stores to read; every one if empty.
        session_s: how long the broker keeps for us what we miss.
        board: told of everything, in the network's thread.
        monotonic: seconds that only grow.

    Attributes:
        ignored: messages so far that were none of this version; the first and then one a minute is logged.

    Raises:
        SinkError: the certificate authority's file cannot be used.
        ConfigError: the password file cannot be read.
    """

    def __init__(
        self,
        config: MqttConfig,
        *,
        client_id: str,
        sites: tuple[str, ...],
        session_s: int,
        board: Board,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prefix = config.prefix
        self._board = board
        self._complaints = Complaints(monotonic)
        self._reasons: dict[int, ReasonCode] = {}
        self._topics = [
            (topic, 1)
            for site in sites or ("+",)
            for topic in (
                alerts_topic(config.prefix, site),
                claim_state_topic(config.prefix, site, "+"),
                available_topic(config.prefix, site),
            )
        ]
        self.ignored = 0
        self._connection = MqttConnection(
            config, client_id=client_id, session_expiry_s=session_s, on_connected=self._subscribe
        )
        client = self._connection.client
        client.on_message, client.on_subscribe, client.on_publish = self._receive, self._subscribed, self._published

    def start(self) -> None:
        """Begin to connect and return at once; it goes on until `close`."""
        self._connection.start()

    @property
    def connected(self) -> bool:
        """Whether the broker has us."""
        return self._connection.connected

    def claim(self, site: str, alert_id: str, claim: ClaimSetPayload) -> Published:
        """Tell the store's daemon that somebody goes to the customer; wait for the broker's answer, 3 s at most."""
        if not self._connection.connected:
            return "disconnected"
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        properties.MessageExpiryInterval = _CLAIM_TTL_S  # a daemon that is away so long shall not hear of it later
        topic = claim_set_topic(self._prefix, site, alert_id)
        info = self._connection.client.publish(topic, encode(claim), qos=1, properties=properties)
        if not self._answered(info):
            return "unanswered"
        reason = self._reasons.pop(info.mid, None)
        if reason is None or not reason.is_failure:
            return "sent"
        log.warning("claim refused by the broker", topic=topic, reason=str(reason))
        return "denied"

    def close(self) -> None:
        """Disconnect; the broker keeps the session."""
        self._connection.close()
        client = self._connection.client
        client.on_message = client.on_subscribe = client.on_publish = None

    def _answered(self, info: MQTTMessageInfo) -> bool:
        try:
            info.wait_for_publish(_ANSWER_S)
        except (RuntimeError, ValueError):  # the connection went away meanwhile
            return False
        return info.is_published()

    def _subscribe(self) -> None:
        self._connection.client.subscribe(self._topics)

    def _subscribed(
        self, _client: Client, _data: object, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        denied = [topic for (topic, _), reason in zip(self._topics, reasons, strict=False) if reason.is_failure]
        if denied:
            log.error("broker denies subscriptions; check its access list", topics=denied)

    def _published(
        self, _client: Client, _data: object, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:  # paho wakes who waits for it after this
            self._reasons[mid] = reason

    def _receive(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        try:
            self._take(message)
        except ValueError:
            self.ignored += 1
            if self._complaints.due("ignored"):
                log.warning("not a message of this version", topic=message.topic, ignored=self.ignored)

    def _take(self, message: MQTTMessage) -> None:
        """Put a message on the board.

        Raises:
            ValueError: it is none of ours, or names another store than its topic.
        """
        site, *rest = message.topic.removeprefix(f"{self._prefix}/").split("/")
        match rest:
            case ["alerts"]:
                alert = read_alert(message.payload)
                _check(alert.site == site)
                self._board.alert(alert)
            case ["alerts", alert_id, "claim", "state"] if message.payload:  # an empty one: the visit has ended
                claim = ClaimPayload.model_validate_json(message.payload)
                _check((claim.site, claim.alert_id) == (site, alert_id))
                self._board.claim(claim)
            case ["available"]:
                self._board.site(site, online=message.payload == b"online")


def _check(fits: bool) -> None:
    if not fits:
        raise ValueError("names another store or alert than its topic")
