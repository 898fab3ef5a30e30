"""Disks that fail under the outbox and the events file: full, read-only, damaged. Real file systems, a real broker."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon_process import daemon
from mqtt_client import WAIT_S, needs_mosquitto, on_topic, wait_until
from publisher import (
    assert_ordered_per_camera,
    event,
    event_ids,
    lasting_broker,
    publishing,
    received_ids,
    waiting_on_disk,
)
from small_disk import SmallDisk, small_disk
from structlog.testing import capture_logs
from toyshop import clip

from vestibule.mqtt_section import MqttConfig
from vestibule.outbox import Outbox
from vestibule.sinks import JsonlSink, MqttSink

pytestmark = needs_mosquitto


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as mounted:
        yield mounted


class Shop:
    """A sink whose outbox lies on the small disk, and a clock that the test turns for the tries to write."""

    def __init__(self, port: int, outbox: Path) -> None:
        self.skip_s = 0.0
        opened = Outbox(outbox, clock=lambda: 1000.0 + self.skip_s)
        self.sink = MqttSink(MqttConfig(port=port, alert_ttl_s=86_400), site="store", outbox=opened)

    def publish(self, *numbers: int) -> None:
        for number in numbers:
            self.sink.publish(event(number))

    def problem(self) -> str:
        return str(self.sink.status().problem)


def test_a_full_disk(disk: SmallDisk, tmp_path: Path) -> None:
    """Events of before, during and after all arrive; what was noted on disk again survives the process."""
    with lasting_broker(tmp_path) as (broker, received), capture_logs() as log:
        broker.stop()
        shop = Shop(broker.port, disk.folder / "outbox")
        shop.publish(*range(10))
        disk.fill()
        # The log beside the file has some room of its own before it must grow.
        last = 10
        while shop.sink.status().problem is None:
            shop.publish(last)
            last += 1
            assert last < 5000
        assert "disk is full; free some space" in shop.problem() or "disk I/O error" in shop.problem()
        shop.publish(*range(last, last + 50))
        broker.restart()
        assert shop.sink.drain(WAIT_S) == 0
        wait_until(lambda: received_ids(received) == event_ids(range(last + 50)), "every event")
        wait_until(lambda: b'"degraded"' in on_topic(received, "/health")[-1], "the health says so")
        broker.stop()
        disk.empty()
        shop.skip_s += 120
        shop.publish(*range(last + 50, last + 60))
        assert shop.sink.status().problem is None
        shop.sink.close()
    events = [entry["event"] for entry in log]
    assert events.count("outbox file not written; events are kept in memory until it is") == 1
    assert events.count("outbox file written again") == 1
    assert waiting_on_disk(disk.folder / "outbox") == event_ids(range(last + 50, last + 60))


def test_a_disk_that_is_read_only_at_the_start(disk: SmallDisk, tmp_path: Path) -> None:
    """New events go out from memory; what an earlier run left on the disk follows once SQLite can open it again."""
    outbox = disk.folder / "outbox"
    with lasting_broker(tmp_path) as (broker, received):
        shop = Shop(1, outbox)  # nobody listens there
        shop.publish(0, 1)
        shop.sink.close(0.0)
        disk.set_writable(writable=False)
        shop = Shop(broker.port, outbox)
        shop.publish(2, 3)
        assert "is the disk mounted, writable" in shop.problem()
        assert shop.sink.drain(WAIT_S) == 0
        wait_until(lambda: received_ids(received) == event_ids([2, 3]), "those of now")
        disk.set_writable(writable=True)
        shop.skip_s += 120
        shop.publish(4)
        assert shop.sink.status().problem is None
        assert shop.sink.drain(WAIT_S) == 0
        wait_until(lambda: received_ids(received) == event_ids([2, 3, 0, 1, 4]), "those of before")
        shop.sink.close()
    assert waiting_on_disk(outbox) == []


def test_a_disk_that_is_full_at_the_start(disk: SmallDisk, tmp_path: Path) -> None:
    disk.fill()
    with lasting_broker(tmp_path) as (broker, received):
        shop = Shop(broker.port, disk.folder / "outbox")
        shop.publish(*range(20))
        assert shop.sink.status().problem is not None
        assert shop.sink.drain(WAIT_S) == 0
        wait_until(lambda: received_ids(received) == event_ids(range(20)), "all of them, from memory")
        shop.sink.close()


def test_room_on_the_disk_is_noticed_without_any_event(disk: SmallDisk, tmp_path: Path) -> None:
    """Everything was delivered out of memory, and the store is empty; that the next event would be safe is said."""
    disk.fill()
    with lasting_broker(tmp_path) as (broker, received):
        shop = Shop(broker.port, disk.folder / "outbox")
        shop.publish(*range(5))
        assert shop.sink.drain(WAIT_S) == 0
        wait_until(lambda: b'"degraded"' in on_topic(received, "/health")[-1], "the health says so")
        for _ in range(5):
            shop.skip_s += 120
            shop.sink.tend()
            assert shop.sink.status().problem is not None  # as full as before
        disk.empty()
        shop.sink.tend()
        assert shop.sink.status().problem is not None  # its pause is not over
        shop.skip_s += 60
        shop.sink.tend()
        assert shop.sink.status().problem is None
        wait_until(lambda: b'"ok"' in on_topic(received, "/health")[-1], "the health says so")
        shop.sink.close()
    assert waiting_on_disk(disk.folder / "outbox") == []


def test_the_daemon_notices_room_on_the_disk_while_nobody_comes(disk: SmallDisk, tmp_path: Path) -> None:
    config = tmp_path / "vestibule.toml"
    disk.fill()
    with lasting_broker(tmp_path) as (broker, received):
        config.write_text(
            f"config_version = 1\n[mqtt]\nport = {broker.port}\noutbox_file = '{disk.folder / 'outbox'}'\n"
            f"[[cameras]]\nid = 'door'\nsource = '{clip(tmp_path / 'empty.mp4', 60)}'\n",
            encoding="utf-8",
        )
        with daemon(config) as running:
            wait_until(lambda: b'"degraded"' in b"".join(on_topic(received, "/health")[-1:]), "the health says so")
            disk.empty()
            wait_until(lambda: b'"ok"' in on_topic(received, "/health")[-1], "the health says that it is well again")
            running.signal(signal.SIGTERM)
            assert running.ended() == 0, running.printed
    assert len(running.events("outbox file written again")) == 1
    assert received_ids(received) == []


def test_the_health_tells_of_the_events_file_and_the_ledger_and_when_they_are_well_again(
    disk: SmallDisk, tmp_path: Path
) -> None:
    config = tmp_path / "vestibule.toml"
    disk.set_writable(writable=False)
    with lasting_broker(tmp_path) as (broker, received):
        config.write_text(
            f"config_version = 1\n[mqtt]\nport = {broker.port}\n"
            f"[jsonl]\npath = '{disk.folder / 'seen.jsonl'}'\n[ledger]\npath = '{disk.folder / 'ledger'}'\n"
            f"[[cameras]]\nid = 'door'\nsource = '{clip(tmp_path / 'empty.mp4', 60)}'\n",
            encoding="utf-8",
        )
        with daemon(config) as running:
            wait_until(lambda: b'"degraded"' in b"".join(on_topic(received, "/health")[-1:]), "the health says so")
            told = json.loads(on_topic(received, "/health")[-1])["problems"]
            assert 'vestibule_file_written{file="jsonl"} 0.0' in running.scrape("/metrics")[1]
            assert 'vestibule_file_written{file="ledger"} 0.0' in running.scrape("/metrics")[1]
            disk.set_writable(writable=True)
            wait_until(lambda: b'"ok"' in on_topic(received, "/health")[-1], "the health says that it is well again")
            assert 'vestibule_file_written{file="jsonl"} 1.0' in running.scrape("/metrics")[1]
            assert 'vestibule_file_written{file="ledger"} 1.0' in running.scrape("/metrics")[1]
            running.signal(signal.SIGTERM)
            assert running.ended() == 0, running.printed
    assert len(told) == 2
    assert told[0].startswith(f"events file {disk.folder / 'seen.jsonl'}: Read-only file system; ")
    assert told[1].startswith(f"ledger {disk.folder / 'ledger'}: ")
    assert len(running.events("events file written again")) == 1
    assert len(running.events("ledger written again")) == 1


def test_an_outbox_file_that_was_damaged_while_nobody_ran(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    with lasting_broker(tmp_path) as (broker, received):
        broker.stop()
        with publishing(broker.port, outbox, first=0, rate=500) as publisher:
            publisher.wait_committed(40)
            publisher.stop()
        spoilt = bytearray(outbox.read_bytes())
        spoilt[4096:20_000] = b"\xa5" * (20_000 - 4096)
        outbox.write_bytes(spoilt)
        broker.restart()
        with publishing(broker.port, outbox, first=1000) as publisher:
            publisher.wait_committed(10)
            committed = publisher.stop()
            told = [json.loads(line) for line in publisher.log.splitlines()]
        wait_until(lambda: set(received_ids(received)) >= set(event_ids(committed)), "what came after the damage")
        assert_ordered_per_camera(received)
    (aside,) = (path for path in tmp_path.glob("outbox.damaged-*") if not path.name.endswith("-wal"))
    assert aside.read_bytes() == bytes(spoilt)
    assert [line["level"] for line in told if line["event"] == "outbox file damaged and set aside"] == ["error"]
    assert waiting_on_disk(outbox) == []


def test_the_events_file_on_a_full_disk(disk: SmallDisk) -> None:
    now_s, path = [0.0], disk.folder / "events.jsonl"
    sink = JsonlSink(path, append=True, patient=True, clock=lambda: now_s[0])
    sink.publish(event(0))
    disk.fill()
    for number in range(1, 30):
        sink.publish(event(number))
        now_s[0] += 2.0
    before = path.stat().st_size
    disk.empty()
    now_s[0] += 10.0
    sink.publish(event(30))
    sink.close()
    assert before < path.stat().st_size
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [line["payload"]["seq"] for line in lines] == list(range(31))
