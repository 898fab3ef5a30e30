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

from deployed_broker import DEPLOY, PASSWORDS, Deployed, deployed
from mqtt_client import MODEL, WAIT_S, make_alert, needs_mosquitto, wait_saved, wait_until

from vestibule.broker import Mosquitto
from vestibule.claims import ClaimInbox, Claims
from vestibule.payloads import alert_message
from vestibule.sections import MqttConfig
from vestibule.sinks import MqttSink
from vestibule.types import Alert, Message

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


def alert_of(number: int) -> Alert:
    return replace(make_alert(number), alert_id=f"visit-{number}-suit")


def event(number: int) -> Message:
    return alert_message(alert_of(number), site="store", prefix="vestibule", seq=number, model=MODEL)


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
                wait_until(lambda: "broker: Success\n" in first.said, "the connection")
                wait_saved(tmp_path, "vestibule/store/alerts")
                sink.publish(event(1))
                sink.publish(replace(event(2), payload=b'{"schema_version": 1}'))
                sink.publish(event(1))
                sink.publish(event(2))
                assert first.wait_lines(2) == [TOLD, TOLD]
                wait_until(lambda: any("not understood" in line for line in first.said), "a word about the odd one")
                broker.restart()
                wait_until(lambda: first.said.count("broker: Success\n") == 2, "its return")
                sink.publish(event(3))
                assert first.wait_lines(3) == [TOLD] * 3
            sink.publish(event(4))  # while it is away
            assert sink.drain(WAIT_S) == 0
            with subscriber("--port", str(broker.port)) as second:
                assert TOLD in second.wait_lines(1)
        finally:
            sink.close(1.0)


def test_over_tls_of_two_who_claim_both_are_told_who_goes(tmp_path: Path) -> None:
    with deployed(tmp_path) as broker:
        arguments = ["--port", str(broker.port), "--ca", str(broker.ca_file)]
        with (
            subscriber(*arguments, "--client-id", "ana", "--claim-as", "Ana") as ana,
            subscriber(*arguments, "--client-id", "ben", "--claim-as", "Ben") as ben,
        ):
            for each in (ana, ben):
                wait_until(lambda each=each: bool(each.said), "the connection")  # type: ignore[misc]
                assert each.said == ["broker: Success\n"]
            told = [decided(broker, tmp_path, ana), ben.wait_lines(2), ana.wait_lines(2)]
    assert told[0] in ("door  Ana goes", "door  Ben goes")
    assert told[1] == told[2] == [TOLD, told[0]]


def decided(broker: Deployed, folder: Path, app: Subscriber) -> str:
    """Raise an alert, decide the claims as the daemon does, and return what an app says of them."""
    (folder / "password").write_text(PASSWORDS["vestibule"], encoding="utf-8")
    config = MqttConfig(
        port=broker.port,
        tls=True,
        ca_file=broker.ca_file,
        username="vestibule",
        password_file=folder / "password",
    )
    inbox, claims, alert = ClaimInbox(), Claims(site="store", prefix="vestibule"), alert_of(1)
    claims.raised(alert)
    sink = MqttSink(config, site="store", claims=inbox.put)
    try:
        sink.wait_connected(WAIT_S)
        wait_until(lambda: not sink._under_way, "the subscription to claims")
        sink.publish(event(1))

        def both_claimed() -> bool:
            for request in inbox.take():
                decision = claims.decide(request, alert.raised_at_s + 5)
                outcomes.append(decision.outcome)
                for message in decision.messages:
                    sink.publish(message)
            return len(outcomes) == 2

        outcomes: list[str] = []
        wait_until(both_claimed, "both claims")
        assert outcomes == ["accepted", "taken"]
        return app.wait_lines(2)[1]
    finally:
        sink.close(1.0)
