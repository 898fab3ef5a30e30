"""A broker with a subscriber, who counts by `event_id` what arrives of what the daemon had committed."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mqtt_client import listening, wait_until
from paho.mqtt.client import MQTTMessage
from publisher import events_in, is_event, waiting_on_disk

from vestibule.broker import Mosquitto


class Counted:
    """What arrives, and what was committed: the daemon writes a line into its events file once the outbox has an event.

    Attributes:
        port: of the broker.
        received: what has arrived, also twice.
    """

    def __init__(self, folder: Path, port: int, received: list[MQTTMessage]) -> None:
        self._folder, self.port, self.received = folder, port, received

    def settings(self) -> str:
        """The sections of a configuration that have events delivered, and kept for longer than any outage here."""
        return (
            f"[mqtt]\nport = {self.port}\nconnect_timeout_s = 1\nalert_ttl_s = 3600\n"
            f"outbox_file = '{self._folder / 'outbox.sqlite3'}'\n[jsonl]\npath = '{self._folder / 'events.jsonl'}'\n"
        )

    def committed(self) -> list[str]:
        """The `event_id` of every line."""
        path = self._folder / "events.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line)["payload"]["event_id"] for line in lines]

    def check(self, *, at_least: int = 1) -> None:
        """Once the daemon has ended: everything arrived, once each, in each camera's order, and nothing waits."""
        committed = self.committed()
        assert len(committed) >= at_least
        wait_until(lambda: set(self._ids()) >= set(committed), "all that was committed")
        assert Counter(self._ids()) == Counter(committed)
        by_camera: dict[object, list[int]] = {}
        for payload in events_in(self.received):
            by_camera.setdefault(payload["camera"], []).append(int(str(payload["seq"])))
        assert all(numbers == sorted(numbers) for numbers in by_camera.values())
        assert waiting_on_disk(self._folder / "outbox.sqlite3") == []

    def _ids(self) -> Sequence[str]:
        """With repeats."""
        return [json.loads(message.payload)["event_id"] for message in filter(is_event, list(self.received))]


@contextmanager
def counting(folder: Path) -> Iterator[Counted]:
    """A broker of one's own, and who listens there."""
    with Mosquitto() as broker, listening(broker.port, "vestibule/#") as received:
        yield Counted(folder, broker.port, received)
