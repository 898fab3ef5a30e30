"""What the daemon tells of itself over MQTT; its signals and failures are in tests/faults."""

import json
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from daemon_process import daemon
from ledgers import rows
from mqtt_client import listening, needs_mosquitto, on_topic, wait_until
from toyshop import clip, crossing

from vestibule.broker import Mosquitto
from vestibule.health import Health, cameras_message
from vestibule.mqtt_section import MqttConfig
from vestibule.sinks import MqttSink

BOTH = "1 of 2 cameras online; attic offline"


def cameras_told(port: int) -> dict[str, Any]:
    """The retained message about the cameras, as somebody gets it who comes late; empty while it is just being sent."""
    with listening(port, "vestibule/store/cameras") as received:
        wait_until(lambda: bool(received), "the cameras' states")
        told: dict[str, Any] = json.loads(received[0].payload)
        return told if received[0].retain else {}


@needs_mosquitto
def test_the_cameras_states_are_retained_at_the_broker(tmp_path: Path) -> None:
    video = clip(tmp_path / "walk.mp4", 30, crossing("Dress", 0, seconds=30))
    with Mosquitto() as broker:
        path = tmp_path / "vestibule.toml"
        path.write_text(
            f"config_version = 1\n[mqtt]\nport = {broker.port}\n"
            f"[[cameras]]\nid = 'door'\nsource = '{video}'\n"
            "[[cameras]]\nid = 'attic'\nsource = 'rtsp://127.0.0.1:9/cam'\n",
            encoding="utf-8",
        )
        with daemon(path) as running:
            running.wait_told("READY=1")
            running.wait_told(f"STATUS={BOTH}; broker connected")
            wait_until(lambda: cameras_told(broker.port).get("summary") == BOTH, "both cameras")
            told = cameras_told(broker.port)
            running.signal(signal.SIGTERM)
            assert running.ended() == 0, running.printed
    assert told["cameras"]["door"]["state"] == "online"
    assert told["cameras"]["attic"]["state"] == "offline"
    assert "connection refused" in told["cameras"]["attic"]["reason"]


@needs_mosquitto
def test_what_is_retained_is_told_again_to_a_broker_that_forgot_it() -> None:
    health = Health(["door"], lambda: 1_700_000_000.0)
    with Mosquitto() as broker:
        sink = MqttSink(MqttConfig(port=broker.port, connect_timeout_s=2), site="store")
        try:
            assert sink.state in ("connecting", "connected")
            sink.tell(cameras_message(health, site="store", prefix="vestibule", at_s=1.0))
            sink.tell(cameras_message(health, site="store", prefix="vestibule", at_s=2.0))
            wait_until(lambda: cameras_told(broker.port).get("at_s") == 2, "the newer one")
            broker.kill()
            wait_until(lambda: sink.state == "not connected", "the loss")
            broker.restart()  # without persistence: it knows nothing any more
            wait_until(lambda: cameras_told(broker.port).get("at_s") == 2, "the broker to be told again")
        finally:
            sink.close(1.0)


@needs_mosquitto
def test_the_state_is_known_once_the_broker_was_tried() -> None:
    with Mosquitto() as broker:
        port = broker.port
    sink = MqttSink(MqttConfig(port=port, connect_timeout_s=2), site="store")
    try:
        wait_until(lambda: sink.state == "not connected", "the refusal")
    finally:
        sink.close(0.1)


@needs_mosquitto
def test_visits_are_in_the_ledger_and_counted_at_the_broker_also_after_a_restart(tmp_path: Path) -> None:
    video = clip(tmp_path / "walk.mp4", 6, crossing("Dress", 0.5))
    ledger = tmp_path / "ledger.sqlite3"
    zone = "UTC" if 1 <= datetime.now(UTC).hour < 23 else "Etc/GMT+12"  # no midnight while it runs
    with Mosquitto() as broker, listening(broker.port, "vestibule/store/counts/#") as received:
        path = tmp_path / "vestibule.toml"
        path.write_text(
            f"config_version = 1\n[site]\ntime_zone = '{zone}'\n[mqtt]\nport = {broker.port}\n"
            f"[ledger]\npath = '{ledger}'\ncounters = 'exact'\n"
            f"[[cameras]]\nid = 'door'\nsource = '{video}'\n",
            encoding="utf-8",
        )
        for run in (1, 2):
            with daemon(path) as running:
                wait_until(lambda: str(run).encode() in on_topic(received, "door/Dress"), "the count")  # noqa: B023
                running.signal(signal.SIGTERM)
                assert running.ended() == 0, running.printed
            kept = rows(ledger)
            assert len({row["visit_id"] for row in kept}) == len(kept) == run
    assert all(row["settled"] and not row["staff"] for row in kept)
    assert on_topic(received, "door/visits")[-1] == b"2"
