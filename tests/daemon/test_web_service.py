"""The staff page over real connections: its stream, its limits, its end."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from deployed_broker import DEPLOY
from mqtt_client import needs_mosquitto, wait_until
from staff_page import alert_of, box, serving, settings_of

from vestibule.broker import Mosquitto
from vestibule.errors import ConfigError, SinkError
from vestibule.notify import Notifier
from vestibule.web import protocol
from vestibule.web.devices import Devices
from vestibule.web.service import WebService, page_address
from vestibule.web_sections import WebConfig

pytestmark = needs_mosquitto


class Phone:
    """A paired device without a browser."""

    def __init__(self, service: WebService, name: str = "Ana") -> None:
        self._service = service
        self.client = httpx.Client(base_url=service.address, timeout=20)
        answer = self.post("/api/pair", {"code": service.pairing.offer(), "name": name})
        assert answer.status_code == 200
        self.device_id = answer.json()["device_id"]

    def post(self, path: str, body: object) -> httpx.Response:
        return self.client.post(path, json=body, headers={"Origin": self._service.address})

    @contextmanager
    def listen(self, last_id: str = "") -> Iterator[Iterator[tuple[str, str, dict[str, Any]]]]:
        """Events as (kind, id, data)."""
        headers = {"Last-Event-ID": last_id} if last_id else {}
        with self.client.stream("GET", "/api/events", headers=headers) as answer:
            assert answer.status_code == 200
            yield events(answer.iter_lines())


def events(lines: Iterator[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        else:
            yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
            fields = {}


def until(stream: Iterator[tuple[str, str, dict[str, Any]]], kind: str) -> tuple[str, dict[str, Any]]:
    return next((event_id, data) for found, event_id, data in stream if found == kind)


@pytest.fixture
def broker() -> Iterator[Mosquitto]:
    with Mosquitto() as running:
        yield running


Pair = Callable[..., Phone]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Makes phones, and hangs them all up at the end."""
    made: list[Phone] = []

    def new(service: WebService, name: str = "Ana") -> Phone:
        made.append(Phone(service, name))
        return made[-1]

    yield new
    for phone in made:
        phone.client.close()


@pytest.fixture
def service(broker: Mosquitto, tmp_path: Path) -> Iterator[WebService]:
    with serving(settings_of(broker.port, tmp_path)) as running:
        yield running


def test_a_stream_tells_what_stands_and_then_what_changes(broker: Mosquitto, service: WebService, pair: Pair) -> None:
    phone = pair(service)
    with box(broker.port) as store, phone.listen() as stream:
        kind, _, hello = next(stream)
        assert (kind, hello["reset"]) == ("hello", True)
        assert abs(hello["now_s"] - time.time()) < 60
        until(stream, "site")
        store.raise_alert(alert_of(1))
        _, alert = until(stream, "alert")
        assert alert["garments"] == ["Dress", "Blazer"]
        claimed = phone.post("/api/claim", {"site": "store", "alert_id": "visit-1-suit"})
        assert claimed.status_code == 202
        _, claim = until(stream, "claim")
        assert (claim["by"], claim["claim_id"]) == ("Ana", claimed.json()["claim_id"])


def test_a_phone_that_slept_gets_what_it_missed_and_no_more(broker: Mosquitto, service: WebService, pair: Pair) -> None:
    phone = pair(service)
    with box(broker.port) as store:
        with phone.listen() as stream:
            until(stream, "site")
            store.raise_alert(alert_of(1))
            last, _ = until(stream, "alert")
        store.raise_alert(alert_of(2))
        store.raise_alert(alert_of(3))
        wait_until(lambda: service._board.knows("store", "visit-3-suit"), "the alerts")
        with phone.listen(last) as stream:
            kind, _, hello = next(stream)
            assert (kind, hello["reset"]) == ("hello", False)
            missed = [next(stream)[2].get("alert_id") for _ in range(2)]
            assert missed == ["visit-2-suit", "visit-3-suit"]
            assert next(stream)[0] == "caught-up"


@pytest.mark.parametrize("last", ["00000000-1", "nonsense", "-", "x" * 300, "00000000-99999999999999999999"])
def test_a_number_of_another_life_gets_everything_anew(
    broker: Mosquitto, service: WebService, last: str, pair: Pair
) -> None:
    with box(broker.port) as store:
        store.raise_alert(alert_of(1))
        wait_until(lambda: bool(service._board.since(0)), "anything on the board")
        with pair(service).listen(last) as stream:
            assert next(stream)[2]["reset"] is True
            assert next(stream)[0] in {"alert", "site"}


def test_alerts_survive_a_restart_of_the_page(broker: Mosquitto, tmp_path: Path, pair: Pair) -> None:
    settings = settings_of(broker.port, tmp_path)
    with box(broker.port) as store:
        with serving(settings) as first:
            phone = pair(first)
            cookies = dict(phone.client.cookies)
            with phone.listen() as stream:
                until(stream, "site")
                store.raise_alert(alert_of(1))
                until(stream, "alert")
        store.raise_alert(alert_of(2))  # while nobody serves
        with serving(settings) as second, httpx.Client(base_url=second.address, cookies=cookies, timeout=20) as client:
            wait_until(lambda: second._board.knows("store", "visit-2-suit"), "the alert of its absence")
            with client.stream("GET", "/api/events") as answer:
                stream = events(answer.iter_lines())
                told = {data.get("alert_id") for _, _, data in iter(lambda: next(stream), ("caught-up", "", {}))}
            assert {"visit-1-suit", "visit-2-suit"} <= told


def test_a_revoked_phone_s_open_stream_ends(service: WebService, tmp_path: Path, pair: Pair) -> None:
    phone, other = pair(service, "Ana"), pair(service, "Luis")
    with phone.listen() as stream, other.listen() as others:
        until(stream, "caught-up")
        until(others, "caught-up")
        with closing(Devices(tmp_path / "devices.sqlite3")) as devices:  # as the command line does
            devices.revoke(phone.device_id)
        assert list(stream) == []  # its end, not a time-out
        wait_until(lambda: service.hub.count == 1, "its place to be free")
    assert phone.client.get("/api/events").status_code == 401
    assert other.client.get("/api/me").status_code == 200


def test_a_phone_s_oldest_stream_goes_for_a_fifth_and_all_together_have_an_end(
    service: WebService, monkeypatch: pytest.MonkeyPatch, pair: Pair
) -> None:
    phone = pair(service)
    with phone.listen() as first, phone.listen(), phone.listen(), phone.listen(), phone.listen():
        assert [kind for kind, _, _ in first] == ["hello", "caught-up"]
        monkeypatch.setattr("vestibule.web.hub.MOST_STREAMS", 4)
        assert pair(service, "Luis").client.get("/api/events").status_code == 503


def test_streams_are_told_when_the_broker_is_lost_and_found(tmp_path: Path, pair: Pair) -> None:
    with Mosquitto() as own, serving(settings_of(own.port, tmp_path)) as service:
        wait_until(lambda: service._feed.connected, "the broker")
        with pair(service).listen() as stream:
            assert until(stream, "hello")[1]["broker"] is True
            own.stop()
            assert until(stream, "beat")[1]["broker"] is False
            own.restart()
            assert until(stream, "beat")[1]["broker"] is True


# ---- limits


def ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(4096) == b""
    except ConnectionError:
        return True


def test_a_connection_that_asks_nothing_or_too_slowly_is_cut_off(
    service: WebService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "_REQUEST_S", 0.3)
    address = service._socket.getsockname()
    with socket.create_connection(address, 20) as silent, socket.create_connection(address, 20) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert ended(silent)
        assert ended(slow)
    with socket.create_connection(address, 20) as second:
        second.sendall(b"GET /icon.svg HTTP/1.1\r\nHost: x\r\n\r\nGET ")  # whole, then the start of another
        assert second.recv(4096).startswith(b"HTTP/1.1 200")
        assert ended(second) or ended(second)


def test_a_stream_is_not_taken_for_silence(service: WebService, monkeypatch: pytest.MonkeyPatch, pair: Pair) -> None:
    monkeypatch.setattr(protocol, "_REQUEST_S", 0.05)
    monkeypatch.setattr("vestibule.web.sse._BEAT_S", 1.0)
    with pair(service).listen() as stream:
        assert [until(stream, "beat")[0] for _ in range(2)] == ["", ""]


def test_connections_have_an_end(service: WebService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MOST_CONNECTIONS", 3)
    address = service._socket.getsockname()
    held = [socket.create_connection(address, 20) for _ in range(3)]
    wait_until(lambda: len(service._server.server_state.connections) == 3, "three connections")
    with socket.create_connection(address, 20) as fourth:
        assert ended(fourth)
    for connection in held:
        connection.close()


def test_headers_without_end_are_refused(service: WebService) -> None:
    with socket.create_connection(service._socket.getsockname(), 20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000)
        assert b"400" in connection.recv(4096)


# ---- start and end


def test_an_address_that_is_taken_is_said(broker: Mosquitto, service: WebService, tmp_path: Path) -> None:
    port = service._socket.getsockname()[1]
    with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1 port {port} .*set another web\.host or"):
        WebService(settings_of(broker.port, tmp_path / "other", port=port), Notifier({}))


@pytest.mark.usefixtures("service")
def test_a_second_service_with_the_same_folder_is_refused(broker: Mosquitto, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"give each service a web\.state_dir of its own"):
        WebService(settings_of(broker.port, tmp_path), Notifier({}))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    subprocess.run(
        [DEPLOY / "make-certificates.sh", folder, "localhost", "127.0.0.1"], check=True, capture_output=True, timeout=60
    )
    return folder


def test_tls_by_certificates_of_one_s_own(broker: Mosquitto, tmp_path: Path, certificates: Path) -> None:
    settings = settings_of(
        broker.port, tmp_path, cert_file=certificates / "broker.crt", key_file=certificates / "broker.key"
    )
    with serving(settings) as service:
        assert service.address.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=certificates / "ca.crt")
        with httpx.Client(base_url=service.address, verify=context, timeout=20) as client:
            answer = client.post(
                "/api/pair",
                json={"code": service.pairing.offer(), "name": "Ana"},
                headers={"Origin": service.address},
            )
            assert "Secure" in answer.headers["set-cookie"]
            assert client.get("/api/me").json()["name"] == "Ana"


def test_a_certificate_that_is_none_and_a_key_with_a_password_are_said_and_not_asked_for(
    broker: Mosquitto, tmp_path: Path, certificates: Path
) -> None:
    letter = tmp_path / "letter.crt"
    letter.write_text("Dear customer", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"web\.cert_file .*letter\.crt: .*name a PEM file"):
        WebService(settings_of(broker.port, tmp_path / "a", cert_file=letter), Notifier({}))
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "pkey", "-in", certificates / "broker.key", "-aes256", "-passout", "pass:word", "-out", locked],
        check=True,
        timeout=60,
    )
    with pytest.raises(ConfigError, match="its unencrypted key"):
        WebService(
            settings_of(broker.port, tmp_path / "b", cert_file=certificates / "broker.crt", key_file=locked),
            Notifier({}),
        )


def test_behind_a_proxy_tries_are_counted_by_the_phone_s_address(broker: Mosquitto, tmp_path: Path) -> None:
    with serving(settings_of(broker.port, tmp_path, trusted_proxies=["127.0.0.1"])) as service:
        port = service._socket.getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as proxy:

            def status(address: str) -> int:
                headers = {"Origin": f"http://127.0.0.1:{port}", "X-Forwarded-For": address}
                return proxy.post("/api/pair", json={"code": "1", "name": "Eve"}, headers=headers).status_code

            assert [status("192.0.2.1") for _ in range(6)] == [403] * 5 + [429]
            assert status("192.0.2.2") == 403


def test_without_a_proxy_nobody_chooses_their_address(service: WebService) -> None:
    with httpx.Client(base_url=service.address, timeout=20) as client:
        codes = [
            client.post(
                "/api/pair",
                json={"code": "1", "name": "Eve"},
                headers={"Origin": service.address, "X-Forwarded-For": f"192.0.2.{number}"},
            ).status_code
            for number in range(6)
        ]
    assert codes == [403] * 5 + [429]


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ({}, "http://127.0.0.1:8780"),
        ({"host": "::1"}, "http://[::1]:8780"),
        ({"host": "192.0.2.7", "cert_file": "a"}, "https://192.0.2.7:8780"),
        ({"public_url": "https://staff.lan"}, "https://staff.lan"),
        ({"host": "0.0.0.0", "cert_file": "a"}, f"https://{socket.getfqdn()}:8780"),  # noqa: S104
    ],
)
def test_the_address_is_one_that_a_phone_can_open(values: dict[str, object], address: str) -> None:
    assert page_address(WebConfig.model_validate(values), 8780) == address


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_as_a_process_it_is_ready_soon_and_ends_in_good_order_with_pages_open(
    broker: Mosquitto, tmp_path: Path, number: signal.Signals
) -> None:
    config = tmp_path / "web.toml"
    state = tmp_path / "state"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config.write_text(f"[mqtt]\nport = {broker.port}\n[web]\nport = {port}\nstate_dir = '{state}'\n", encoding="utf-8")
    command = [sys.executable, "-m", "vestibule", "web"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        with subprocess.Popen(
            [*command, "--config", str(config)], env=environment, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                while manager.recv(4096) != b"READY=1":
                    pass
                said = subprocess.run(
                    [*command, "pair", "--config", str(config), "--name", "Ana"],
                    check=True,
                    capture_output=True,
                    text=True,
                    timeout=60,
                ).stdout
                code = said.split("/pair#")[1][:8]
                with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
                    origin = {"Origin": f"http://127.0.0.1:{port}"}
                    assert client.post("/api/pair", json={"code": code, "name": ""}, headers=origin).status_code == 200
                    with client.stream("GET", "/api/events") as answer:
                        stream = events(answer.iter_lines())
                        until(stream, "caught-up")
                        process.send_signal(number)
                        list(stream)
                assert process.wait(20) == 0
                assert process.stderr is not None
                log = process.stderr.read()
            finally:
                process.kill()
    assert "Traceback" not in log
    assert code not in log
    assert [line["event"] for line in map(json.loads, log.splitlines())][:1] == ["staff page served"]
