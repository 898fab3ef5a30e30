"""`vestibule demo` on a terminal, with two phones: what a person who has never seen the project does."""

import codecs
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mqtt_client import WAIT_S, needs_mosquitto

from vestibule import demo

FFMPEG = shutil.which("ffmpeg")
START_S = 90.0


class Terminal:
    """A command with a terminal around it."""

    def __init__(self, *command: str) -> None:
        self._end, other = pty.openpty()
        self.said = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.process = subprocess.Popen(
            command, stdin=other, stdout=other, stderr=other, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        )
        os.close(other)

    def wait_for(self, pattern: str, timeout_s: float = WAIT_S) -> re.Match[str]:
        deadline_s = time.monotonic() + timeout_s
        while not (found := re.search(pattern, self.said)):
            if time.monotonic() > deadline_s:
                pytest.fail(f"{pattern!r} was not said in {timeout_s:g} s: {self.said}")
            if select.select([self._end], [], [], 0.1)[0]:
                try:
                    self.said += self._decoder.decode(os.read(self._end, 65_536))
                except OSError:  # the program has ended
                    pytest.fail(f"{pattern!r} was never said: {self.said}")
        return found

    def close(self) -> None:
        self.process.kill()
        self.process.wait(WAIT_S)
        os.close(self._end)


@pytest.mark.slow
@needs_mosquitto
@pytest.mark.skipif(FFMPEG is None, reason="ffmpeg is not installed")
def test_a_person_opens_the_link_sees_an_alert_arrive_and_claims_it_also_after_the_clip(tmp_path: Path) -> None:
    assert FFMPEG is not None
    clip = tmp_path / "clip.mp4"  # the first customer of the shipped clip
    subprocess.run(
        [FFMPEG, "-v", "error", "-i", demo.HERE / "demo.mp4", "-t", "7", "-c", "copy", clip], check=True, timeout=60
    )
    terminal = Terminal(sys.executable, "-m", "vestibule", "demo", "--clip", str(clip), "--out", str(tmp_path / "out"))
    try:
        first = terminal.wait_for(r"(http://127\.0\.0\.1:\d+)/pair#(\d{8})  as Ana", START_S)
        second = terminal.wait_for(r"/pair#(\d{8})  as Luis")
        terminal.wait_for("waiting until it is open")
        with (
            httpx.Client(base_url=first[1], headers={"Origin": first[1]}, timeout=60) as ana,
            httpx.Client(base_url=first[1], headers={"Origin": first[1]}, timeout=60) as luis,
        ):
            assert ana.post("/api/pair", json={"code": first[2], "name": ""}).json()["name"] == "Ana"
            assert luis.post("/api/pair", json={"code": second[1], "name": ""}).json()["name"] == "Luis"
            with ana.stream("GET", "/api/events") as answer:
                lines = answer.iter_lines()
                terminal.wait_for("replaying clip.mp4")
                alert = told(lines, "alert")
                assert alert["garments"] == ["Dress"]
                assert abs(time.time() - alert["raised_at_s"]) < 30  # an age, not the clip's clock
                terminal.wait_for(r"ALERT.* customer wearing Dress")
                terminal.wait_for("the clip is over", START_S)
                claimed = luis.post("/api/claim", json={"site": alert["site"], "alert_id": alert["alert_id"]})
                assert claimed.status_code == 202
                assert told(lines, "claim")["by"] == "Luis"
                terminal.wait_for(r"CLAIM.* Luis, after \d")
        terminal.process.send_signal(signal.SIGINT)
        terminal.wait_for(r"alerts\W+1")
        terminal.wait_for(r"annotated video: .*clip-annotated\.mp4")
        assert terminal.process.wait(WAIT_S) == 0
        assert "Traceback" not in terminal.said
    finally:
        terminal.close()


def told(lines: Iterator[str], kind: str) -> dict[str, Any]:
    """The data of the next event of a kind."""
    for line in lines:
        if line == f"event: {kind}":
            found: dict[str, Any] = json.loads(next(lines).removeprefix("data: "))
            return found
    pytest.fail(f"the stream ended without {kind}")
