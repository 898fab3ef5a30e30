"""Events of two cameras from a process of its own, to be killed at any moment; and what the fault tests count by.

As a program: `python publisher.py PORT OUTBOX FIRST COUNT RATE`. It prints the number of every event once it is
committed, publishes COUNT events, RATE a second, and stays until it is told to end (SIGTERM).
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event

from fakes import visit
from mqtt_client import MODEL, WAIT_S, listening, make_alert, wait_saved, wait_until
from paho.mqtt.client import MQTTMessage

from vestibule import log
from vestibule.broker import Mosquitto
from vestibule.mqtt_section import MqttConfig
from vestibule.outbox import Outbox
from vestibule.payloads import alert_message, visit_message
from vestibule.sections import LogConfig
from vestibule.sinks import MqttSink
from vestibule.types import Message

CAMERAS = ("door", "floor")


def event(number: int) -> Message:
    """A visit or, every third time, an alert, of the cameras in turn. Its `seq` is the number."""
    camera = CAMERAS[number % 2]
    if number % 3 == 0:
        alert = replace(make_alert(number), camera_id=camera)
        return alert_message(alert, site="store", prefix="vestibule", seq=number, model=MODEL)
    at_s = 1_700_000_001.0 + number
    ended = replace(
        visit(f"visit-{number}", phase="ended"),
        camera_id=camera,
        first_seen_at_s=at_s - 1,
        last_seen_at_s=at_s,
        readings=0,
    )
    return visit_message(ended, at_s=at_s, site="store", prefix="vestibule", seq=number, model=MODEL)


class Publisher:
    """The program, running. `committed` are the numbers that it has printed so far."""

    def __init__(self, port: int, outbox: Path, *, first: int, count: int = 1_000_000, rate: float = 100.0) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="vestibule-publisher-")
        self._out, self._log = Path(self._folder.name) / "out", Path(self._folder.name) / "log"
        with self._out.open("wb") as out, self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(port), outbox, str(first), str(count), str(rate)],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                stdout=out,
                stderr=log,
            )

    @property
    def committed(self) -> list[int]:
        *whole, _torn = self._out.read_text(encoding="ascii").split("\n")
        return [int(line) for line in whole]

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def wait_committed(self, count: int) -> None:
        def reached() -> bool:
            assert self._process.poll() is None, self.log
            return len(self.committed) >= count

        wait_until(reached, f"{count} events committed")

    def kill(self) -> list[int]:
        """End it at once, as a power cut ends a process; return what it had committed."""
        return self._end(signal.SIGKILL, -signal.SIGKILL)

    def stop(self) -> list[int]:
        """End it in good order; return what it had committed."""
        return self._end(signal.SIGTERM, 0)

    def _end(self, number: int, code: int) -> list[int]:
        self._process.send_signal(number)
        assert self._process.wait(WAIT_S) == code, self.log
        return self.committed

    def close(self) -> None:
        """End it if it still runs, and remove its files."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(WAIT_S)
        self._folder.cleanup()


@contextmanager
def publishing(port: int, outbox: Path, *, first: int, rate: float = 100.0) -> Iterator[Publisher]:
    publisher = Publisher(port, outbox, first=first, rate=rate)
    try:
        yield publisher
    finally:
        publisher.close()


@contextmanager
def lasting_broker(folder: Path) -> Iterator[tuple[Mosquitto, list[MQTTMessage]]]:
    """A broker whose sessions outlive it, as in deploy/mosquitto, and what a subscriber gets.

    Between broker and subscriber mosquitto may lose what it has not saved yet when it is killed; the tests are about
    what lies before. So it passes on at once whatever it takes (no window), and the subscriber never acknowledges:
    writing to a broker that has just died would throw away what it had sent before.
    """
    place = folder / "broker"
    place.mkdir()
    keep = f"persistence true\npersistence_location {place}/\nautosave_interval 1\nautosave_on_changes true\n"
    limits = "max_queued_messages 0\nmax_inflight_messages 0"
    with Mosquitto(extra=keep + limits) as broker, listening(broker.port, "vestibule/#", acknowledge=False) as received:
        wait_saved(place, "vestibule/#")
        yield broker, received


def waiting_on_disk(outbox: Path) -> list[str]:
    """The event ids that wait in an outbox file that nobody holds; from a copy, so that the file stays as it is."""
    with tempfile.TemporaryDirectory() as folder:
        for path in outbox.parent.glob(f"{outbox.name}*"):
            shutil.copy(path, folder)
        db = sqlite3.connect(Path(folder) / outbox.name)
        try:
            rows = db.execute("SELECT payload FROM events WHERE state = 'waiting' ORDER BY id").fetchall()
        finally:
            db.close()
    return [json.loads(row[0])["event_id"] for row in rows]


def event_ids(numbers: Sequence[int]) -> list[str]:
    return [json.loads(event(number).payload)["event_id"] for number in numbers]


def events_in(received: Sequence[MQTTMessage]) -> list[dict[str, object]]:
    """The payloads of alerts and visits as a subscriber has them: repeats of an `event_id` dropped."""
    events: dict[str, dict[str, object]] = {}
    for message in list(received):
        if is_event(message):
            payload = json.loads(message.payload)
            events.setdefault(payload["event_id"], payload)
    return [*events.values()]


def is_event(message: MQTTMessage) -> bool:
    """Whether it is an alert or a visit, and nothing that is retained (counts are told under a garment's name)."""
    return message.topic.count("/") == 2 and message.topic.endswith(("/alerts", "/visits"))


def received_ids(received: Sequence[MQTTMessage]) -> list[str]:
    return [str(payload["event_id"]) for payload in events_in(received)]


def assert_ordered_per_camera(received: Sequence[MQTTMessage]) -> None:
    """By the first arrival of each event."""
    for camera in CAMERAS:
        numbers = [int(str(payload["seq"])) for payload in events_in(received) if payload["camera"] == camera]
        assert numbers == sorted(numbers)


def main() -> None:
    port, outbox, first, count, rate = sys.argv[1:]
    log.configure(LogConfig(format="json"))
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    config = MqttConfig(port=int(port), alert_ttl_s=3600)
    sink = MqttSink(config, site="store", outbox=Outbox(Path(outbox)))
    begin_s = time.monotonic()
    for n in range(int(count)):
        if stop.wait(max(0.0, begin_s + n / float(rate) - time.monotonic())):
            break
        sink.publish(event(int(first) + n))
        print(int(first) + n, flush=True)  # noqa: T201 - how the test learns of it
    stop.wait()
    sink.close()


if __name__ == "__main__":
    main()
