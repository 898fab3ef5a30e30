import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
from mqtt_client import needs_mosquitto, wait_until
from structlog.testing import capture_logs

from vestibule.broker import HOST, Mosquitto
from vestibule.errors import ConfigError, SinkError
from vestibule.mqtt_connection import MqttConnection
from vestibule.mqtt_section import MqttConfig
from vestibule.sinks import check_broker


def password_file(folder: Path, password: str) -> Path:
    path = folder / "password"
    path.write_text(f"{password}\n", encoding="utf-8")
    return path


@contextmanager
def stranger(*, hang_up: bool) -> Iterator[int]:
    """Listen, and say nothing to whoever comes, or hang up after the first bytes."""
    with socket.create_server((HOST, 0)) as server:
        guests: list[socket.socket] = []

        def serve() -> None:
            with suppress(OSError):  # the server is closed at the end
                while True:
                    guest, _ = server.accept()
                    guests.append(guest)
                    if hang_up:
                        guest.recv(16)
                        guest.close()

        thread = Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for guest in guests:
                guest.close()


@needs_mosquitto
def test_a_broker_that_answers() -> None:
    with Mosquitto() as broker:
        assert (
            check_broker(MqttConfig(port=broker.port), site="s") == f"broker 127.0.0.1:{broker.port}: connected, MQTT 5"
        )


@needs_mosquitto
def test_the_right_password(tmp_path: Path) -> None:
    with Mosquitto(users={"guest": "open sesame"}) as broker:
        config = MqttConfig(port=broker.port, username="guest", password_file=password_file(tmp_path, "open sesame"))
        assert "connected" in check_broker(config, site="s")


@needs_mosquitto
def test_a_wrong_password_is_explained_and_not_repeated(tmp_path: Path) -> None:
    with Mosquitto(users={"guest": "open sesame"}) as broker, capture_logs() as log:
        wrong = password_file(tmp_path, "hunter2-wrong")
        config = MqttConfig(port=broker.port, username="guest", password_file=wrong)
        remedy = r"check mqtt\.username \('guest'\), mqtt\.password_file"
        with pytest.raises(SinkError, match=rf":{broker.port}: refused the connection: .*{remedy}") as told:
            check_broker(config, site="s")
        with pytest.raises(SinkError, match=r"wants a user name; set mqtt\.username and mqtt\.password_file"):
            check_broker(MqttConfig(port=broker.port), site="s")
    assert log
    assert "hunter2" not in f"{told.value}{log}{config!r}"


def test_a_missing_password_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"password_file .*gone"):
        check_broker(MqttConfig(username="guest", password_file=tmp_path / "gone"), site="s")


def test_nothing_listens() -> None:
    with pytest.raises(SinkError, match=r"broker 127\.0\.0\.1:1: nothing listens there; is the broker running"):
        check_broker(MqttConfig(port=1), site="s")


def test_an_unknown_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(SinkError, match=r"broker shop\.invalid:1883: the name 'shop\.invalid' is not known"):
        check_broker(MqttConfig(host="shop.invalid"), site="s")


def test_a_time_out_while_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", never)
    with pytest.raises(SinkError, match=r"no answer in 5 s; check mqtt\.host, the network and the firewall"):
        check_broker(MqttConfig(), site="s")


def test_something_else_listens_there() -> None:
    with (
        stranger(hang_up=False) as port,
        pytest.raises(SinkError, match=r"no answer in 0\.3 s; is mqtt\.port right and an MQTT broker there"),
    ):
        check_broker(MqttConfig(port=port), site="s", timeout_s=0.3)
    with (
        stranger(hang_up=True) as port,
        pytest.raises(SinkError, match=r"closed the connection without an answer; does this port want TLS"),
    ):
        check_broker(MqttConfig(port=port), site="s")


@contextmanager
def refusing(answer: bytes) -> Iterator[int]:
    """A broker that answers every CONNECT with these bytes and hangs up."""
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            with suppress(OSError):  # the server is closed at the end
                while True:
                    guest, _ = server.accept()
                    with guest:
                        guest.recv(1024)
                        guest.sendall(answer)

        thread = Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"\x20\x03\x00\x84\x00", "Unsupported protocol version; it must speak MQTT 5"),
        (b"\x20\x02\x00\x01", "Unsupported protocol version; it must speak MQTT 5"),  # as MQTT 3.1.1 says it
        (b"\x20\x03\x00\x82\x00", "Protocol error; it must speak MQTT 5"),
        (b"\x20\x03\x00\x85\x00", r"Client identifier not valid; set another mqtt\.client_id"),
        (b"\x20\x03\x00\x86\x00", r"Bad user name or password; it wants a user name; set mqtt\.username"),
        (b"\x20\x03\x00\x87\x00", r"Not authorized; it wants a user name; set mqtt\.username"),
        (b"\x20\x03\x00\x88\x00", "Server unavailable; try later"),
        (b"\x20\x03\x00\x8a\x00", "Banned; the broker's administrator has shut this client out"),
        (b"\x20\x03\x00\x8c\x00", "Bad authentication method; it wants another kind of login"),
        (b"\x20\x03\x00\x9a\x00", "Retain not supported; Vestibule needs retained messages"),
        (b"\x20\x03\x00\x9d\x00", r"Server moved; the broker has moved; set mqtt\.host"),
        (b"\x20\x03\x00\x80\x00", "Unspecified error; look at the broker's log"),
    ],
)
def test_a_refusal_is_explained(answer: bytes, told: str) -> None:
    with refusing(answer) as port, pytest.raises(SinkError, match=rf"refused the connection: {told}"):
        check_broker(MqttConfig(port=port), site="s")


def test_a_login_without_tls_is_warned_of_unless_it_stays_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: (_ for _ in ()).throw(TimeoutError()))
    for host, warned in (("192.0.2.1", True), ("127.0.0.1", False)):
        with capture_logs() as log, suppress(SinkError):
            check_broker(MqttConfig(host=host, username="guest"), site="s")
        assert any("unencrypted" in entry["event"] for entry in log) is warned


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and its self-signed certificate for 127.0.0.1, side by side: key.pem, cert.pem."""
    folder = tmp_path_factory.mktemp("certificate")
    try:
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=broker"),
                *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"),
            ],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=60,
        )
    except FileNotFoundError:
        pytest.skip("openssl is not installed; apt-get install openssl")
    return folder


# paho forgets to close its socket when the handshake fails.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@needs_mosquitto
def test_tls(certificate: Path, tmp_path: Path) -> None:
    keys = f"certfile {certificate / 'cert.pem'}\nkeyfile {certificate / 'key.pem'}"
    with Mosquitto(extra=keys) as broker:
        trusted = MqttConfig(port=broker.port, tls=True, ca_file=certificate / "cert.pem")
        assert check_broker(trusted, site="s").endswith("connected, MQTT 5, TLS")
        with pytest.raises(SinkError, match=r"certificate is not trusted .*; set mqtt\.ca_file"):
            check_broker(MqttConfig(port=broker.port, tls=True), site="s")
        with pytest.raises(SinkError, match=r"TLS"):
            check_broker(MqttConfig(port=broker.port), site="s")
        for bad in (tmp_path / "gone.pem", tmp_path):
            with pytest.raises(SinkError, match=r"mqtt\.ca_file .*; name a PEM file"):
                check_broker(MqttConfig(port=broker.port, tls=True, ca_file=bad), site="s")


# paho forgets to close its socket when the handshake fails.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@needs_mosquitto
def test_the_certificate_must_be_the_one_of_this_host(certificate: Path) -> None:
    keys = f"certfile {certificate / 'cert.pem'}\nkeyfile {certificate / 'key.pem'}"
    with Mosquitto(extra=keys) as broker:
        config = MqttConfig(host="localhost", port=broker.port, tls=True, ca_file=certificate / "cert.pem")
        with pytest.raises(SinkError, match=r"certificate is not trusted \(Hostname mismatch"):
            check_broker(config, site="s")


# paho forgets to close its socket when the handshake fails.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@needs_mosquitto
def test_a_broker_that_asks_for_our_certificate(certificate: Path, tmp_path: Path) -> None:
    cert, key = certificate / "cert.pem", certificate / "key.pem"
    keys = f"certfile {cert}\nkeyfile {key}\ncafile {cert}\nrequire_certificate true\nuse_identity_as_username true"
    with Mosquitto(extra=keys) as broker:
        plain = MqttConfig(port=broker.port, tls=True, ca_file=cert)
        shown = plain.model_copy(update={"cert_file": cert, "key_file": key})
        assert check_broker(shown, site="s").endswith("connected, MQTT 5, TLS")
        with pytest.raises(SinkError, match=r"broker 127"):
            check_broker(plain, site="s")
        (tmp_path / "locked.pem").write_bytes(
            subprocess.run(
                ["openssl", "rsa", "-aes128", "-passout", "pass:hunter2", "-in", key],
                check=True,
                capture_output=True,
                timeout=60,
            ).stdout
        )
        for bad in (tmp_path / "gone.pem", tmp_path / "locked.pem"):
            with pytest.raises(SinkError, match=r"mqtt\.cert_file .*unencrypted key in mqtt\.key_file"):
                check_broker(plain.model_copy(update={"cert_file": cert, "key_file": bad}), site="s")


# paho forgets to close its socket when the handshake fails.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@needs_mosquitto
def test_tls_towards_a_broker_without_it() -> None:
    with Mosquitto() as broker, pytest.raises(SinkError, match=r"TLS failed .*mqtt\.tls = false|cannot be reached"):
        check_broker(MqttConfig(port=broker.port, tls=True), site="s")


@needs_mosquitto
def test_a_password_is_read_again_before_each_connection(tmp_path: Path) -> None:
    first, second = "open sesame", "tr0ub4dor"
    with Mosquitto(users={"guest": first}) as broker, Mosquitto(users={"guest": second}) as other:
        path = password_file(tmp_path, first)
        config = MqttConfig(port=broker.port, username="guest", password_file=path)
        connection = MqttConnection(config, client_id="guest")
        connection.start()
        try:
            connection.wait_connected(10)
            broker.stop()
            path.unlink()  # as while a new one is put in its place
            wait_until(lambda: "nothing listens" in (connection.problem or ""), "the loss, without an end")
            shutil.copy(other._path("passwords"), broker._path("passwords"))
            broker.restart()
            wait_until(lambda: "check mqtt.username" in (connection.problem or ""), "the refusal of the old password")
            password_file(tmp_path, second)
            wait_until(lambda: connection.connected, "the new password")
        finally:
            connection.close()
