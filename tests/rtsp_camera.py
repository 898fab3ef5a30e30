"""Starts `rtsp_server.py` with the system's Python and drives it."""

import contextlib
import functools
import os
import random
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("rtsp_server.py")
IMPORTS = """
import gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
missing = [name for name in ("appsrc", "qtdemux", "h264parse", "rtph264pay") if not Gst.ElementFactory.find(name)]
raise SystemExit(", ".join(missing) or 0)
"""


class RtspCamera:
    """A running camera: its address without a login, and what it can be told."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self._process = process
        self.address = f"rtsp://127.0.0.1:{port}/cam"

    @property
    def sub_address(self) -> str:
        """Where its sub-stream plays, if it was started with one."""
        return self.address.replace("/cam", "/sub")

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return int(self.address.rpartition(":")[2].partition("/")[0])

    def freeze(self) -> None:
        """Stop the process (SIGSTOP): connections stay, nothing is sent or answered."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.wait(10)

    def tell(self, command: str) -> None:
        """`stall`, `hold`, `resume` or `drop`; returns when it is done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline().strip() == command


def lasting_port() -> int:
    """A free port below those that the system hands out, so that it is still free when a dead server comes back."""
    while True:
        port = random.randrange(20_000, 30_000)  # noqa: S311 - nothing secret
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextlib.contextmanager
def rtsp_camera(clip: Path, *arguments: str) -> Iterator[RtspCamera]:
    """Serve a clip; skips the test, with the reason, where GStreamer's RTSP server is not installed."""
    if reason := _missing():
        pytest.skip(reason)
    process = subprocess.Popen(
        [PYTHON, str(SERVER), str(clip), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": "", "GST_DEBUG": "none"},
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port.isdecimal(), f"the RTSP server did not start: {port!r}"
        yield RtspCamera(process, int(port))
    finally:
        with process:
            process.kill()


@functools.cache
def _missing() -> str | None:
    if not Path(PYTHON).exists():
        return f"{PYTHON} is not there"
    probe = subprocess.run([PYTHON, "-c", IMPORTS], capture_output=True, text=True, timeout=60, check=False)
    if probe.returncode == 0:
        return None
    return f"GStreamer's RTSP server is not installed: {probe.stderr.strip().splitlines()[-1:]}"
