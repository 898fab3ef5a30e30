"""One connection to an MQTT 5 broker: opened in the background, kept up, and its failures explained in words.

paho-mqtt runs the network in a thread of its own; its callbacks and the caller meet under one condition here.
"""

import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Lock

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from vestibule.errors import ConfigError, SinkError
from vestibule.log import mask_too
from vestibule.mqtt_section import MqttConfig

_RETRY_INITIAL_S = 1
_RETRY_MAX_S = 10
_RECEIVE_MAXIMUM = 65_535  # what holds if the broker names none
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What the broker says (retained, QoS 1) when this connection ends, however it ends."""

    topic: str
    payload: bytes


def address(config: MqttConfig) -> str:
    """`host:port`, as errors and `check` name the broker."""
    return f"{config.host}:{config.port}"


class MqttConnection:
    """Connects, and reconnects with growing pauses (1 to 10 s), until it is closed.

    Args:
        config: the broker.
        client_id: unique at the broker, or each throws the other out.
        session_expiry_s: how long the broker keeps our subscriptions, and what it has for them, while we are away; 0
            starts a new session at every connect.
        on_connected: called in the network thread after every successful connect, while `turn` is held.
        will: published by the broker when the connection ends, also when it ends in good order.

    Raises:
        SinkError: the certificate authority's file or our own certificate cannot be used.
        ConfigError: the password file cannot be read.
    """

    def __init__(
        self,
        config: MqttConfig,
        *,
        client_id: str,
        session_expiry_s: int = 0,
        on_connected: Callable[[], None] | None = None,
        will: Will | None = None,
    ) -> None:
        self._config = config
        self._client_id = client_id
        self._session_expiry_s = session_expiry_s
        self._on_connected = on_connected
        self._will = will
        self.turn = Lock()
        """Hold it to publish only `connected` and never before `on_connected` has had its say."""
        self._changed = Condition()
        self._connected = False
        self._closing = False
        self._problem: str | None = None
        self._unread: str | None = None
        self.receive_maximum = _RECEIVE_MAXIMUM
        """How many unacknowledged messages the broker takes (MQTT 5, section 3.2.2.3.3); paho does not look at it."""
        self.client = self._new_client()

    def start(self) -> None:
        """Begin to connect and return at once."""
        if self._config.username is not None and not self._config.tls and self._config.host not in _LOOPBACK:
            _log.warning("login and events go over the network unencrypted; set mqtt.tls", broker=address(self._config))
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        session.SessionExpiryInterval = self._session_expiry_s
        self.client.connect_async(
            self._config.host,
            self._config.port,
            keepalive=self._config.keepalive_s,
            clean_start=self._session_expiry_s == 0,
            properties=session,
        )
        self.client.loop_start()

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and the connection has not been lost since."""
        return self._connected

    @property
    def problem(self) -> str | None:
        """Why there is no connection; None while there is one and before the first attempt has ended."""
        return self._problem

    def wait_connected(self, timeout_s: float) -> None:
        """Return once connected and after `on_connected`.

        Raises:
            SinkError: the broker cannot be reached or refuses; told as soon as it is known.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._connected or self._problem is not None, timeout_s)
            connected = self._connected
            problem = self._problem or f"no answer in {timeout_s:g} s; is mqtt.port right and an MQTT broker there?"
        if not connected:
            raise SinkError(f"broker {address(self._config)}: {problem}")
        with self.turn:
            return  # `on_connected` has had its say

    def close(self) -> None:
        """Disconnect, have the broker publish the will if there is one, and end the network thread."""
        self._closing = True
        self.client.drop_out_messages()  # or paho's thread would wait for their acknowledgement for ever
        if self._will is None:
            self.client.disconnect()
        else:
            # MQTT 5, section 3.14.2.1: the server publishes the will although we leave in good order.
            self.client.disconnect(reasoncode=ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message"))
        self.client.loop_stop()
        # Bound methods tie this object and the client into a ring; open it so that paho's sockets close now.
        self.client.on_pre_connect = self.client.on_connect = None
        self.client.on_connect_fail = self.client.on_disconnect = None
        self._on_connected = None  # a method of our owner: the two are a ring, too

    def _new_client(self) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, client_id=self._client_id, protocol=MQTTProtocolVersion.MQTTv5)
        client.connect_timeout = self._config.connect_timeout_s
        client.reconnect_delay_set(_RETRY_INITIAL_S, _RETRY_MAX_S)
        self._log_in(client)
        if self._config.tls:
            client.tls_set_context(_tls_context(self._config))
        if self._will is not None:
            client.will_set(self._will.topic, self._will.payload, qos=1, retain=True)
        client.on_pre_connect = self._handle_pre_connect
        client.on_connect = self._handle_connect
        client.on_connect_fail = self._handle_connect_fail
        client.on_disconnect = self._handle_disconnect
        return client

    def _log_in(self, client: Client) -> None:
        """Take the password as it is now; it may have been changed since the last connection."""
        password = self._config.password()
        if password is not None:
            mask_too(password)
        if self._config.username is not None:
            client.username_pw_set(self._config.username, None if password is None else password.get_secret_value())

    def _handle_pre_connect(self, client: Client, _data: object) -> None:
        try:
            self._log_in(client)
        except ConfigError as error:  # just being replaced, or gone: the one known before may still do
            if str(error) != self._unread:  # every retry fails alike; once is enough
                _log.warning("password not read again; the one known is tried", problem=str(error))
            self._unread = str(error)
        else:
            self._unread = None

    def _handle_connect(
        self, client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._fail(_explain_refusal(reason, self._config))
            return
        if self._closing:  # `close` came while the connection was being made, too early to end it
            client.disconnect()
            return
        self.receive_maximum = getattr(properties, "ReceiveMaximum", _RECEIVE_MAXIMUM)
        _log.info("broker connected", broker=address(self._config), client_id=self._client_id)
        with self.turn:
            with self._changed:
                self._connected, self._problem = True, None
                self._changed.notify_all()
            if self._on_connected is not None:
                self._on_connected()

    def _handle_connect_fail(self, _client: Client, _data: object) -> None:
        # paho calls this while it handles the exception but does not hand it over.
        self._fail(_explain_failure(sys.exc_info()[1], self._config))

    def _handle_disconnect(
        self,
        _client: Client,
        _data: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if self._closing:
            return
        if str(reason) == "Session taken over":
            self._fail(f"another client connected as {self._client_id!r}; give each its own mqtt.client_id")
        elif self._connected:
            why = f"ended by the broker ({reason})" if flags.is_disconnect_packet_from_server else "lost"
            # mosquitto 2.0 hangs up without a word on a client whose name another one brings.
            self._fail(
                f"connection {why}; reconnecting. If it repeats, another client may be called {self._client_id!r} too"
            )
        elif self._problem is None:
            self._fail("closed the connection without an answer; does this port want TLS (mqtt.tls = true)?")

    def _fail(self, problem: str) -> None:
        with self._changed:
            known = problem == self._problem
            self._connected, self._problem = False, problem
            self._changed.notify_all()
        if not known:  # every retry fails alike; once is enough
            _log.warning("broker not connected", broker=address(self._config), problem=problem)


def _tls_context(config: MqttConfig) -> ssl.SSLContext:
    """Verify the broker's certificate and name, always; show our own certificate if there is one."""
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SinkError(f"mqtt.ca_file {config.ca_file}: {error}; name a PEM file with the certificate") from error
    if config.cert_file is not None:
        try:
            # An empty password makes an encrypted key an error; without it OpenSSL would ask on the terminal.
            context.load_cert_chain(config.cert_file, config.key_file, password="")
        except (OSError, ssl.SSLError) as error:
            raise SinkError(
                f"mqtt.cert_file {config.cert_file}: {error}; name a PEM file, and its unencrypted key in mqtt.key_file"
            ) from error
    return context


def _explain_refusal(reason: ReasonCode, config: MqttConfig) -> str:
    """Say why the broker refused (MQTT 5, section 3.2.2.2) and what to do; never the password."""
    match str(reason):
        case "Bad user name or password" | "Not authorized" if config.username is None and config.cert_file is None:
            remedy = "it wants a user name; set mqtt.username and mqtt.password_file"
        case "Bad user name or password" | "Not authorized":
            remedy = f"check mqtt.username ({config.username!r}), mqtt.password_file and the broker's access list"
        case "Client identifier not valid":
            remedy = "set another mqtt.client_id"
        case "Unsupported protocol version" | "Protocol error" | "Malformed packet":
            remedy = "it must speak MQTT 5; mosquitto does since 1.6"
        case "Server unavailable" | "Server busy" | "Quota exceeded" | "Connection rate exceeded":
            remedy = "try later or look at the broker's limits"
        case "Use another server" | "Server moved":
            remedy = "the broker has moved; set mqtt.host and mqtt.port to its new place"
        case "Banned":
            remedy = "the broker's administrator has shut this client out; ask there"
        case "Bad authentication method":
            remedy = "it wants another kind of login than user and password; look at the broker's configuration"
        case "Retain not supported" | "QoS not supported":
            remedy = "Vestibule needs retained messages and QoS 1; allow them at the broker"
        case _:
            remedy = "look at the broker's log"
    return f"refused the connection: {reason}; {remedy}"


def _explain_failure(error: BaseException | None, config: MqttConfig) -> str:
    """Say why no connection came about and what to do."""
    match error:
        case ConnectionRefusedError():
            return "nothing listens there; is the broker running, are mqtt.host and mqtt.port right?"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted ({error.verify_message}); set mqtt.ca_file to its authority's file"
        case ssl.SSLError():
            return f"TLS failed ({error.reason}); does this port speak TLS? else set mqtt.tls = false"
        case TimeoutError():
            return f"no answer in {config.connect_timeout_s:g} s; check mqtt.host, the network and the firewall"
        case OSError() if type(error).__name__ == "gaierror":
            return f"the name {config.host!r} is not known; check mqtt.host"
        case _:
            return f"cannot be reached ({error}); check mqtt.host and mqtt.port"
