"""What the daemon opens for its messages; full disks under it are in tests/faults/test_delivery_disk.py."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from ledgers import rows, visit
from mqtt_client import listening, needs_mosquitto, on_topic, wait_until
from small_disk import small_disk

from vestibule.broker import Mosquitto
from vestibule.config import Settings
from vestibule.errors import SinkError
from vestibule.ledger_section import LedgerConfig
from vestibule.mqtt_section import MqttConfig
from vestibule.outputs import open_outputs, output_sections
from vestibule.sections import CameraConfig, JsonlConfig


def settings(folder: Path, port: int = 9) -> Settings:
    return Settings(
        mqtt=MqttConfig(port=port, outbox_file=folder / "outbox"),
        jsonl=JsonlConfig(path=folder / "events.jsonl"),
        ledger=LedgerConfig(path=folder / "ledger"),
    )


@needs_mosquitto
def test_a_message_goes_to_the_broker_into_the_file_and_into_the_ledger(tmp_path: Path) -> None:
    waited_s: list[float] = []
    with (
        Mosquitto() as broker,
        listening(broker.port, "vestibule/store/visits") as received,
        closing(open_outputs(settings(tmp_path, broker.port), clock=lambda: 0.0, acknowledged=waited_s.append)) as out,
    ):
        message = visit(1)
        for sink in out.all:
            sink.publish(message)
        wait_until(lambda: bool(waited_s), "the broker's answer")
        wait_until(lambda: bool(received), "the visit")
    assert [each.payload for each in received] == [message.payload]
    assert json.loads((tmp_path / "events.jsonl").read_bytes())["payload"] == json.loads(message.payload)
    assert [row["visit_id"] for row in rows(tmp_path / "ledger")] == ["door-1"]


def test_what_is_not_configured_is_not_opened() -> None:
    with closing(open_outputs(Settings(mqtt=MqttConfig(port=9)), clock=lambda: 0.0)) as out:
        assert out.files == {}
        assert [type(sink).__name__ for sink in out.all] == ["MqttSink", "CountersSink"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"there is no folder .*missing; make it first"):
        open_outputs(settings(tmp_path / "missing"), clock=lambda: 0.0)


def test_they_stay_open_where_only_cameras_or_rules_change(tmp_path: Path) -> None:
    before = settings(tmp_path)
    cameras = before.model_copy(update={"cameras": (CameraConfig(id="door", source="0"),), "alerts": ()})
    elsewhere = before.model_copy(update={"ledger": LedgerConfig(path=tmp_path / "other")})
    assert output_sections(before) == output_sections(cameras)
    assert output_sections(before) != output_sections(elsewhere)


@needs_mosquitto
def test_files_that_fail_at_the_start_are_told_and_stop_nothing(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk") as disk,
        Mosquitto() as broker,
        listening(broker.port, "vestibule/store/health") as received,
    ):
        disk.set_writable(writable=False)
        with closing(open_outputs(settings(disk.folder, broker.port), clock=lambda: 0.0)) as out:
            wait_until(lambda: any(b"ledger" in payload for payload in on_topic(received, "/health")), "the health")
            problems = json.loads(on_topic(received, "/health")[-1])["problems"]
            assert problems[1:] == [file.problem for file in out.files.values()]
            out.tell_health(["the inference server is away; look at it"])
            wait_until(lambda: b"inference" in on_topic(received, "/health")[-1], "what is wrong elsewhere")
    assert [line.split()[0] for line in problems] == ["outbox", "events", "ledger"]
