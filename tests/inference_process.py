"""Runs `inference_server.py` as a process, in its own environment, to be frozen, killed and started again."""

import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-server" / "bin" / "python"
_START_S = 120.0

needs_server = pytest.mark.skipif(
    not PYTHON.exists(), reason="no server of the Open Inference Protocol; `make .venv-server` makes its environment"
)


class InferenceProcess:
    """The server of one model folder; it stays on its ports over a restart."""

    def __init__(self, folder: Path, name: str, certificate: Path) -> None:
        self._arguments = [str(folder), name, str(certificate)]
        self._ports = ["0", "0"]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._ports[0]}"

    @property
    def tls_address(self) -> str:
        return f"127.0.0.1:{self._ports[1]}"

    def start(self) -> None:
        """Start, and return once it can be asked."""
        script = Path(__file__).with_name("inference_server.py")
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self._process = subprocess.Popen(
            [str(PYTHON), str(script), *self._arguments, *self._ports], stdout=subprocess.PIPE, env=environment
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], _START_S)
        assert ready, f"the server did not start in {_START_S:g} s"
        self._ports = self._process.stdout.readline().decode().split()
        assert len(self._ports) == 2, "the server ended; its last words are above"

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


@contextmanager
def inference_server(folder: Path, name: str, certificate: Path) -> Iterator[InferenceProcess]:
    """A server until the block ends."""
    server = InferenceProcess(folder, name, certificate)
    try:
        yield server
    finally:
        server.kill()
