"""The daemon as a process of its own, as systemd runs it: what it tells the service manager, logs and writes.

Its networks are the toy shop's, so that it starts in a second and its truth is known.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mqtt_client import wait_until

TESTS = Path(__file__).parent
PROGRAM = """
import sys
import toyshop, vestibule.cli, vestibule.service
{patch}
sys.exit(vestibule.cli.main(["run", "--config", sys.argv[1]]))
"""
TOY_MODELS = "vestibule.service.load_models = lambda settings: toyshop.toy_models()"


class Daemon:
    """A running daemon.

    Attributes:
        process: the process.
        told: what it has told the service manager so far, a message each.
    """

    def __init__(self, process: "subprocess.Popen[str]", manager: socket.socket) -> None:
        self.process = process
        self.told: list[str] = []
        self._lines: list[str] = []
        self._readers = [
            threading.Thread(target=self._read_log, daemon=True),
            threading.Thread(target=self._listen, args=(manager,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def printed(self) -> str:
        """All that it has written so far, to its standard output and error."""
        return "".join(self._lines)

    def events(self, event: str) -> list[dict[str, Any]]:
        """The log lines of one kind."""
        found = []
        for line in list(self._lines):
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry.get("event") == event:
                found.append(entry)
        return found

    def wait_events(self, event: str, times: int = 1) -> list[dict[str, Any]]:
        """Wait for so many log lines of one kind, and return them; what it tells systemd may be quicker."""
        wait_until(lambda: len(self.events(event)) >= times, f"{event} x {times}; so far {self.printed}")
        return self.events(event)

    def scrape(self, page: str) -> tuple[int, str]:
        """Ask it over HTTP, where it says that it listens; return the status and the text."""
        wait_until(lambda: bool(self.events("metrics served")), f"the address of its pages; so far {self.printed}")
        return get(f"http://{self.events('metrics served')[-1]['address']}{page}")

    def states(self, camera: str) -> list[str]:
        """The states that a camera has gone through."""
        return [entry["state"] for entry in self.events("camera state") if entry["camera"] == camera]

    def wait_state(self, camera: str, state: str, *, after: int = 0) -> None:
        """Wait until a camera is in a state that it took after its first `after` states."""
        wait_until(lambda: state in self.states(camera)[after:], f"{camera} {state}; so far {self.states(camera)}")

    def wait_told(self, message: str, times: int = 1) -> None:
        """Wait until the service manager has been told something so often."""
        wait_until(
            lambda: self.count_told(message) >= times, f"{message} x {times}; so far {self.told}\n{self.printed}"
        )

    def count_told(self, message: str) -> int:
        """How often the service manager was told something that begins so."""
        return sum(said.startswith(message) for said in list(self.told))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def ended(self, timeout_s: float = 20.0) -> int:
        """Wait for its end and return its exit status."""
        status = self.process.wait(timeout_s)
        self._readers[0].join(5)
        return status

    def _read_log(self) -> None:
        assert self.process.stdout is not None
        self._lines.extend(iter(self.process.stdout.readline, ""))

    def _listen(self, manager: socket.socket) -> None:
        while True:
            try:
                self.told.append(manager.recv(4096).decode())
            except OSError:
                return


def get(address: str) -> tuple[int, str]:
    """Return the status and the text of a page."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - http://, as the tests ask
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@contextmanager
def daemon(
    config: Path, *, patch: str = TOY_MODELS, watchdog_s: float = 0.0, variables: Mapping[str, str] | None = None
) -> Iterator[Daemon]:
    """Run the daemon on a configuration, and kill it at the end if it has not ended by then.

    Args:
        config: the configuration file.
        patch: Python run before it starts; puts the toy networks in.
        watchdog_s: what systemd's WatchdogSec would be.
        variables: added to the environment.
    """
    address = str(config.parent / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        Path(address).unlink(missing_ok=True)
        manager.bind(address)
        manager.settimeout(60)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "NOTIFY_SOCKET": address,
            "WATCHDOG_USEC": str(round(watchdog_s * 1e6)),
            # A port for each daemon of each test, unless the test chooses.
            **({} if "[metrics]" in config.read_text(encoding="utf-8") else {"VESTIBULE_METRICS__PORT": "0"}),
            **(variables or {}),
        }
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(patch=patch), str(config)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running = Daemon(process, manager)
        try:
            with process:
                try:
                    yield running
                finally:
                    process.kill()
        finally:
            manager.shutdown(socket.SHUT_RDWR)
