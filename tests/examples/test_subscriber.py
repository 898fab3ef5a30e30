"""The Python example against a real broker with the access list that is handed out."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from deciding import deciding, event_of
from deployed_broker import DEPLOY, PASSWORDS, deployed
from mqtt_client import WAIT_S, needs_mosquitto, wait_saved, wait_until

from vestibule.broker import Mosquitto
from vestibule.mqtt_section import MqttConfig
from vestibule.sinks import MqttSink

pytestmark = needs_mosquitto

EXAMPLE = Path(__file__).parents[2] / "examples" / "subscriber.py"


class Subscriber:
    """The example, running."""

    def __init__(self, *arguments: str) -> None:
        self.lines: list[str] = []
        self.said: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, str(EXAMPLE), "--user", "staff", *arguments],
            env={**os.environ, "MQTT_PASSWORD": PASSWORDS["staff"]},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(stream, into), daemon=True)
            for stream, into in ((self._process.stdout, self.lines), (self._process.stderr, self.said))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str], into: list[str]) -> None:
        into.extend(iter(stream.readline, ""))

    def wait_lines(self, count: int) -> list[str]:
        wait_until(lambda: len(self.lines) >= count, f"{count} lines; so far {self.lines} {self.said}")
        return [line.rstrip("\n").partition(" ")[2] for line in self.lines]

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(WAIT_S)
        for reader, stream in zip(self._readers, (self._process.stdout, self._process.stderr), strict=True):
            reader.join(WAIT_S)
            assert stream is not None
            stream.close()


@contextmanager
def subscriber(*arguments: str) -> Iterator[Subscriber]:
    running = Subscriber(*arguments)
    try:
        yield running
    finally:
        running.kill()


TOLD = "door  customer wearing Dress/Blazer"


def test_it_misses_nothing_and_tells_nothing_twice(tmp_path: Path) -> None:
    keep = f"persistence true\npersistence_location {tmp_path}/\nautosave_interval 1\nautosave_on_changes true\n"
    (tmp_path / "password").write_text(PASSWORDS["vestibule"], encoding="utf-8")
    acl = (DEPLOY / "acl").read_text(encoding="utf-8")
    with Mosquitto(users=PASSWORDS, acl=acl, extra=keep) as broker:
        login = {"username": "vestibule", "password_file": tmp_path / "password"}
        sink = MqttSink(MqttConfig.model_validate({"port": broker.port, "alert_ttl_s": 3600, **login}), site="store")
        try:
            with subscriber("--port", str(broker.port)) as first:
                wait_saved(tmp_path, "vestibule/store/alerts")
                sink.publish(event_of(1))
                sink.publish(replace(event_of(2), payload=b'{"schema_version": 1}'))
                sink.publish(event_of(1))
                sink.publish(event_of(2))
                assert first.wait_lines(2) == [TOLD, TOLD]
                wait_until(lambda: any("not understood" in line for line in first.said), "a word about the odd one")
                broker.restart()
                wait_until(lambda: first.said.count("broker: Success\n") == 2, "its return")
                sink.publish(event_of(3))
                assert first.wait_lines(3) == [TOLD] * 3
            sink.publish(event_of(4))  # while it is away
            assert sink.drain(WAIT_S) == 0
            with subscriber("--port", str(broker.port)) as second:
                assert TOLD in second.wait_lines(1)
        finally:
            sink.close(1.0)


def test_over_tls_of_two_who_claim_both_are_told_who_goes(tmp_path: Path) -> None:
    with deployed(tmp_path) as broker, deciding(broker, tmp_path) as daemon:
        arguments = ["--port", str(broker.port), "--ca", str(broker.ca_file)]
        with (
            subscriber(*arguments, "--client-id", "ana", "--claim-as", "Ana") as ana,
            subscriber(*arguments, "--client-id", "ben", "--claim-as", "Ben") as ben,
        ):
            for each in (ana, ben):
                wait_until(lambda each=each: bool(each.said), "the connection")  # type: ignore[misc]
                assert each.said == ["broker: Success\n"]
            daemon.raise_alert(1)
            assert daemon.wait_claims(2) == ["accepted", "taken"]
            told = ana.wait_lines(2)
            assert ben.wait_lines(2) == told
    assert told[0] == TOLD
    assert told[1] in ("door  Ana goes", "door  Ben goes")
