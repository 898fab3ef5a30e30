import socket
from pathlib import Path

import pytest
from mqtt_client import listening, needs_mosquitto

from vestibule.broker import HOST, Mosquitto
from vestibule.errors import SinkError


def accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=2.0).close()
    except OSError:
        return False
    return True


@needs_mosquitto
def test_runs_inside_the_context_only() -> None:
    with Mosquitto() as running:
        assert accepts(running.port)
        folder = running._path("log").parent
        assert folder.exists()
        with listening(running.port):
            pass
    assert not accepts(running.port)
    assert not folder.exists()
    assert running.pid is None


@needs_mosquitto
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_restarts_on_the_same_port(end: str) -> None:
    with Mosquitto() as running:
        port, pid = running.port, running.pid
        getattr(running, end)()
        assert not accepts(port)
        running.restart()
        assert running.port == port
        assert running.pid not in (None, pid)
        assert accepts(port)


@needs_mosquitto
def test_two_at_once_do_not_meet() -> None:
    with Mosquitto() as one, Mosquitto() as other:
        assert one.port != other.port


@needs_mosquitto
def test_listens_on_the_loopback_alone() -> None:
    with Mosquitto() as running, socket.socket() as elsewhere:
        elsewhere.bind(("127.0.0.2", running.port))  # fails if the broker had taken every address


@needs_mosquitto
def test_a_bad_line_in_the_configuration_is_told() -> None:
    with pytest.raises(SinkError, match=r"mosquitto ended while starting: .*no_such_option"):
        Mosquitto(extra="no_such_option true")


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(SinkError, match="mosquitto is not installed; apt-get install mosquitto"):
        Mosquitto()


@needs_mosquitto
def test_passwords_are_not_for_others() -> None:
    with Mosquitto(users={"guest": "secret"}) as running:
        assert Path(running._folder.name).stat().st_mode & 0o077 == 0
