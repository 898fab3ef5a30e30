"""A mosquitto of one's own: a child process on a free loopback port, for the demo and the tests."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from vestibule.errors import SinkError

HOST = "127.0.0.1"
_STOP_TIMEOUT_S = 5.0
_PORT_ATTEMPTS = 5


def find_mosquitto() -> str:
    """Path of the mosquitto program.

    Raises:
        SinkError: it is not installed.
    """
    # Debian puts it where the PATH of ordinary users does not reach.
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise SinkError("mosquitto is not installed; apt-get install mosquitto")
    return found


class Mosquitto:
    """A running broker, as a context manager; stopped and its files removed on leaving.

    Args:
        users: passwords by user name; anybody may connect if absent.
        acl: text of an access control list (mosquitto.conf(5), `acl_file`).
        extra: further lines of the configuration, such as persistence or certificates.
        start_timeout_s: how long it may take until it accepts connections.

    Raises:
        SinkError: it is not installed or does not start.
    """

    def __init__(
        self,
        *,
        users: Mapping[str, str] | None = None,
        acl: str | None = None,
        extra: str = "",
        start_timeout_s: float = 10.0,
    ) -> None:
        self._program = find_mosquitto()
        self._start_timeout_s = start_timeout_s
        self._folder = tempfile.TemporaryDirectory(prefix="vestibule-broker-")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        try:
            self._settings = self._write_settings(users, acl, extra)
            self._start_on_free_port()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._process is None else self._process.pid

    @property
    def log(self) -> str:
        """What the broker has logged so far."""
        path = self._path("log")
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def stop(self) -> None:
        """End it in good order (SIGTERM)."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def kill(self) -> None:
        """End it at once (SIGKILL), as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_STOP_TIMEOUT_S)
        self._process = None

    def restart(self) -> None:
        """Start it again on the same port.

        Raises:
            SinkError: it does not start.
        """
        self.stop()
        self._start()

    def close(self) -> None:
        """Stop it and remove its files; safe to call twice."""
        self.stop()
        self._folder.cleanup()

    def _path(self, name: str) -> Path:
        return Path(self._folder.name) / name

    def _write_settings(self, users: Mapping[str, str] | None, acl: str | None, extra: str) -> list[str]:
        """Write the files that do not depend on the port and return the lines that name them."""
        lines = ["log_dest stderr", f"allow_anonymous {'true' if users is None else 'false'}"]
        if os.geteuid() == 0:
            # Started as root it would become user mosquitto, who may not read this folder.
            lines.append("user root")
        if users is not None:
            passwords = self._path("passwords")
            passwords.write_text("".join(f"{name}:{word}\n" for name, word in users.items()), encoding="utf-8")
            subprocess.run(["mosquitto_passwd", "-U", passwords], check=True, capture_output=True, timeout=30)
            lines.append(f"password_file {passwords}")
        if acl is not None:
            self._path("acl").write_text(acl, encoding="utf-8")
            lines.append(f"acl_file {self._path('acl')}")
        return [*lines, extra]

    def _start_on_free_port(self) -> None:
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            with socket.socket() as probe:
                probe.bind((HOST, 0))
                self.port = probe.getsockname()[1]
            try:
                self._start()
            except SinkError:
                # Between the probe and the start somebody else may have taken the port.
                if attempt == _PORT_ATTEMPTS or "in use" not in self.log:
                    raise
            else:
                return

    def _start(self) -> None:
        config = self._path("mosquitto.conf")
        config.write_text("\n".join([f"listener {self.port} {HOST}", *self._settings, ""]), encoding="utf-8")
        with self._path("log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C ends the demo, which then says goodbye to a broker that still lives
            )
        deadline_s = time.monotonic() + self._start_timeout_s
        while not self._accepts():
            if self._process.poll() is not None:
                last = " | ".join(self.log.strip().splitlines()[-2:]) or "it said nothing"
                self._process = None
                raise SinkError(f"mosquitto ended while starting: {last}")
            if time.monotonic() > deadline_s:
                self.stop()
                raise SinkError(f"mosquitto does not accept connections after {self._start_timeout_s:g} s")
            time.sleep(0.02)

    def _accepts(self) -> bool:
        if self._process is None or self._process.poll() is not None or "running" not in self.log:
            return False  # a stranger on the port would answer too, so ours must say first that it listens
        try:
            socket.create_connection((HOST, self.port), timeout=1.0).close()
        except OSError:
            return False
        return True
