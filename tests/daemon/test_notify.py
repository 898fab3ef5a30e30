import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from vestibule.notify import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


def heard(manager: socket.socket) -> list[str]:
    manager.setblocking(False)
    messages = []
    while True:
        try:
            messages.append(manager.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_nothing_is_said_where_nobody_asks() -> None:
    notifier = Notifier({})
    notifier.ready()
    notifier.alive()


def test_a_manager_that_is_gone_is_no_error(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nowhere")}).ready()


def test_states_and_a_status_once(manager: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
    notifier.status("1 of 2 cameras online")
    notifier.status("1 of 2 cameras online")
    notifier.ready()
    notifier.reloading()
    notifier.stopping()
    messages = heard(manager)
    assert messages[:2] == ["STATUS=1 of 2 cameras online", "READY=1"]
    assert messages[2].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert messages[3:] == ["STOPPING=1"]


def test_an_abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0vestibule-test-{os.getpid()}")
        Notifier({"NOTIFY_SOCKET": f"@vestibule-test-{os.getpid()}"}).ready()
        assert heard(listener) == ["READY=1"]


@pytest.mark.parametrize(("pid", "fed"), [(os.getpid(), 4), (1, 0)])
def test_the_watchdog_is_fed_four_times_in_its_period_if_it_is_ours(manager: socket.socket, pid: int, fed: int) -> None:
    now_s = [0.0]
    environment = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(pid)}
    notifier = Notifier(environment, lambda: now_s[0])
    for _ in range(200):
        notifier.alive()
        now_s[0] += 0.1
    assert heard(manager) == ["WATCHDOG=1"] * fed
