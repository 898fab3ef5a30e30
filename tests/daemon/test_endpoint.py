"""Pages over HTTP, and clients that mean no good; each waits for what it is told, so a time-out is a failure."""

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address

import pytest
import structlog
from daemon_process import get

from vestibule import endpoint
from vestibule.endpoint import Endpoint, Page
from vestibule.errors import ConfigError
from vestibule.sections import MetricsConfig

ANY = MetricsConfig(port=0)


def fail() -> Page:
    raise ValueError("a page that fails")


PAGES: dict[str, Callable[[], Page]] = {
    "/good": lambda: Page(status=200, body=b"good\n"),
    "/bad": lambda: Page(status=503, body=b"bad\n"),
    "/broken": fail,
}


@contextmanager
def served(config: MetricsConfig = ANY, pages: dict[str, Callable[[], Page]] = PAGES) -> Iterator[str]:
    """Yield the address, HOST:PORT."""
    with closing(Endpoint(pages)) as one, structlog.testing.capture_logs() as logs:
        one.serve(config)
        yield str(logs[0]["address"])


def connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def say(address: str, text: bytes) -> bytes:
    """Send a request and return all that comes back until the other side hangs up."""
    with connect(address) as client:
        client.sendall(text)
        with client.makefile("rb") as answer:
            return answer.read()


def test_a_page_is_answered_with_its_status() -> None:
    with served() as address:
        assert get(f"http://{address}/good") == (200, "good\n")
        assert get(f"http://{address}/good?a=b") == (200, "good\n")
        assert get(f"http://{address}/bad") == (503, "bad\n")


def test_another_path_is_told_which_pages_there_are() -> None:
    with served() as address:
        assert get(f"http://{address}/../etc/passwd") == (404, "there is /good, /bad, /broken\n")


def test_head_has_no_body() -> None:
    with served() as address:
        connection = http.client.HTTPConnection(address, timeout=10)
        with closing(connection):
            connection.request("HEAD", "/good")
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"")


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"DELETE /good HTTP/1.1\r\n\r\n", b"501"),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET /good HTTP/9.9\r\n\r\n", b"505"),
        (b"GET /good HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n", b"431"),
        (b"GET /good HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", b"431"),
        (b"\x16\x03\x01\x02\x00 TLS\r\n\r\n", b"400"),
    ],
    ids=["method", "long path", "version", "many headers", "long header", "no HTTP"],
)
def test_a_hostile_request_is_refused_and_the_next_is_served(request_text: bytes, status: bytes) -> None:
    with served() as address:
        with suppress(ConnectionError):  # hung up on while it was still sending
            assert status in say(address, request_text)
        assert get(f"http://{address}/good") == (200, "good\n")


def test_a_page_that_fails_is_logged_and_the_next_is_served() -> None:
    with served() as address, structlog.testing.capture_logs() as logs:
        assert say(address, b"GET /broken HTTP/1.1\r\n\r\n") == b""
        assert get(f"http://{address}/good") == (200, "good\n")
    assert [entry["event"] for entry in logs] == ["page failed"]


def test_a_client_that_hangs_up_is_not_worth_a_line() -> None:
    waiting, go_on = threading.Event(), threading.Event()

    def large() -> Page:
        waiting.set()
        go_on.wait(20)
        return Page(status=200, body=b"x" * 50_000_000)

    with served(pages={**PAGES, "/large": large}) as address, structlog.testing.capture_logs() as logs:
        with connect(address) as client:
            client.sendall(b"GET /large HTTP/1.1\r\n\r\n")
            assert waiting.wait(20)
        go_on.set()
        assert get(f"http://{address}/good") == (200, "good\n")
    assert logs == []


def test_a_client_that_says_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint._Handler, "timeout", 0.2)
    with served() as address:
        assert say(address, b"GET /go") == b""


def test_a_client_that_never_comes_to_an_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "_CONNECTION_S", 0.5)
    with served() as address, connect(address) as client:
        client.sendall(b"GET /good HTTP/1.1\r\n")

        def drip() -> None:
            with suppress(OSError):  # however it hears of it
                while True:
                    client.sendall(b"X")
                    threading.Event().wait(0.05)

        dripping = threading.Thread(target=drip)
        dripping.start()
        dripping.join(20)
        assert not dripping.is_alive()


def test_too_many_clients_are_turned_away_and_served_once_the_others_are_gone() -> None:
    with served() as address:
        held = [connect(address) for _ in range(endpoint._MOST_CONNECTIONS)]
        with connect(address) as one_too_many:
            assert one_too_many.recv(1) == b""
        for client in held:
            client.close()
        seen = threading.Event()
        for _ in range(200):
            try:
                assert get(f"http://{address}/good") == (200, "good\n")
            except OSError:
                seen.wait(0.05)  # not all of them are noticed to be gone yet
            else:
                break
        else:
            pytest.fail("nobody is served any more")


def test_a_port_in_use_is_refused_in_one_line_and_the_old_address_kept() -> None:
    with served() as taken, closing(Endpoint(PAGES)) as one, structlog.testing.capture_logs() as logs:
        port = int(taken.rpartition(":")[2])
        one.serve(ANY)
        with pytest.raises(ConfigError) as refused:
            one.serve(MetricsConfig(port=port))
        assert str(refused.value) == (
            f"metrics: cannot listen on {taken} (Address already in use); set another metrics.port or metrics.host, "
            "or metrics.enabled = false"
        )
        assert get(f"http://{logs[-1]['address']}/good") == (200, "good\n")


def test_a_changed_host_may_have_the_same_port() -> None:
    with closing(Endpoint(PAGES)) as one, structlog.testing.capture_logs() as logs:
        one.serve(ANY)
        port = int(str(logs[0]["address"]).rpartition(":")[2])
        one.serve(MetricsConfig(host=IPv4Address("0.0.0.0"), port=port))  # noqa: S104 - the case at hand
        assert get(f"http://127.0.0.1:{port}/good") == (200, "good\n")


def test_off_is_off() -> None:
    with closing(Endpoint(PAGES)) as one, structlog.testing.capture_logs() as logs:
        one.serve(ANY)
        one.serve(MetricsConfig(enabled=False))
        assert not one.open
        with pytest.raises(ConnectionRefusedError):
            connect(str(logs[0]["address"]))


def test_the_loopback_of_ip_version_6() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with served(MetricsConfig(host=IPv6Address("::1"), port=0)) as address:
        assert address.startswith("[::1]:")
        assert get(f"http://{address}/good") == (200, "good\n")
