"""The metrics as Prometheus gets them, of parts on their own and of a whole daemon."""

import json
import re
import signal
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import get_args

import pytest
from daemon_process import TOY_MODELS, Daemon, daemon
from fakes import Clock
from mqtt_client import make_message, needs_mosquitto, wait_until
from prometheus_client.parser import text_string_to_metric_families
from small_disk import small_disk
from toyshop import clip, crossing

from vestibule.alert_sections import AlertRule
from vestibule.broker import Mosquitto
from vestibule.camera_payloads import CameraState
from vestibule.claims import ClaimDecision
from vestibule.classifiers import Ran
from vestibule.config import Settings
from vestibule.health import STUCK_AFTER_S, Health
from vestibule.metrics import Metrics
from vestibule.mqtt_section import MqttConfig
from vestibule.outbox import Outbox
from vestibule.sections import CameraConfig
from vestibule.sinks import JsonlSink, MqttSink
from vestibule.sources import Fate
from vestibule.types import Message
from vestibule_models.labels import GarmentLabel

DOCS = Path(__file__).parents[2] / "docs" / "operations.md"
SECRET = "hunter2-is-my-password"  # noqa: S105 - the one that must not be seen
CAMERAS = (CameraConfig(id="door", source="0"), CameraConfig(id="attic", source="1"))
RULES = (
    AlertRule(name="suit", any_of=(GarmentLabel.BLAZER,)),
    AlertRule(name="dress", any_of=(GarmentLabel.DRESS,), cameras=("door",)),
)
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(text: str) -> Samples:
    """Every sample by its name and labels; fails on what Prometheus would not take."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def page(metrics: Metrics, path: str) -> tuple[int, str]:
    answer = metrics.pages[path]()
    return answer.status, answer.body.decode()


def sample(metrics: Metrics) -> Samples:
    return parse(page(metrics, "/metrics")[1])


@contextmanager
def watched(
    clock: Clock,
    outbox: Outbox | None = None,
    *,
    files: Mapping[str, JsonlSink] = MappingProxyType({}),
    crops: Counter[Ran] | None = None,
) -> Iterator[tuple[Metrics, Health]]:
    """Metrics of a daemon without a broker."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        sink = MqttSink(MqttConfig(port=nobody.getsockname()[1]), site="store", outbox=outbox)
        try:
            metrics, health = Metrics(), Health(["door", "attic"], clock, clock)
            metrics.watch(health, sink, Settings(cameras=CAMERAS, alerts=RULES), files=files, crops=crops)
            yield metrics, health
        finally:
            sink.close(0.1)


def test_before_anything_runs_it_is_alive_and_not_ready() -> None:
    metrics = Metrics()
    assert page(metrics, "/healthz") == (200, "alive\n")
    assert page(metrics, "/readyz") == (503, "not ready: starting\n")
    assert value(sample(metrics), "vestibule_stage_duration_seconds_count", stage="look") == 0


def test_every_state_and_every_fate_of_a_frame_is_there_from_the_start() -> None:
    with watched(Clock()) as (metrics, _):
        samples = sample(metrics)
    states = {dict(labels)["state"] for name, labels in samples if name == "vestibule_camera_state"}
    assert states == {state for words in get_args(CameraState) for state in get_args(words)}
    assert len(states) == 8
    reasons = {dict(labels)["reason"] for name, labels in samples if name == "vestibule_frames_dropped_total"}
    counted = {name[17:-6] for name, _ in samples if name.startswith("vestibule_frames_")}
    assert reasons | counted - {"dropped"} == set(get_args(Fate))


def test_what_main_streams_give_is_there() -> None:
    with watched(Clock()) as (metrics, health):
        for fate in ("detailed", "undetailed", "undetailed", "main_decoded", "main_decoded", "main_decoded"):
            health.frame("door", fate)
        health.main_stream("attic", "no answer")
        samples = sample(metrics)
    assert value(samples, "vestibule_frames_detailed_total", camera="door") == 1
    assert value(samples, "vestibule_frames_undetailed_total", camera="door") == 2
    assert value(samples, "vestibule_frames_main_decoded_total", camera="door") == 3
    assert value(samples, "vestibule_main_stream_lost", camera="door") == 0
    assert value(samples, "vestibule_main_stream_lost", camera="attic") == 1


def test_the_cameras_are_read_as_they_are() -> None:
    with watched(Clock()) as (metrics, health):
        for fate in ("captured", "captured", "captured", "analysed", "overtaken"):
            health.frame("door", fate)
        health.connected("door")
        health.connected("door")
        health.picture("door")
        health.camera("attic", "offline", "no answer from 192.0.2.10")
        text = page(metrics, "/metrics")[1]
    samples = parse(text)
    assert value(samples, "vestibule_frames_captured_total", camera="door") == 3
    assert value(samples, "vestibule_frames_analysed_total", camera="door") == 1
    assert value(samples, "vestibule_frames_dropped_total", camera="door", reason="overtaken") == 1
    assert value(samples, "vestibule_frames_dropped_total", camera="attic", reason="overtaken") == 0
    assert value(samples, "vestibule_camera_connects_total", camera="door") == 2
    assert value(samples, "vestibule_camera_state", camera="door", state="online") == 1
    assert value(samples, "vestibule_camera_state", camera="attic", state="online") == 0
    assert value(samples, "vestibule_camera_state", camera="attic", state="offline") == 1
    assert "192.0.2.10" not in text


def test_visits_and_alerts_are_shown_before_the_first() -> None:
    with watched(Clock()) as (metrics, _):
        samples = sample(metrics)
    alerts = {tuple(sorted(labels)): v for (name, labels), v in samples.items() if name == "vestibule_alerts_total"}
    assert alerts == {
        (("camera", camera), ("rule", rule)): 0
        for camera, rule in (("door", "suit"), ("door", "dress"), ("attic", "suit"))
    }
    assert value(samples, "vestibule_visit_events_total", camera="attic", type="new") == 0


def test_a_file_that_cannot_be_written_is_shown_until_it_can(tmp_path: Path) -> None:
    clock = Clock()
    with small_disk(tmp_path / "disk") as disk:
        file = JsonlSink(disk.folder / "events.jsonl", append=True, patient=True, clock=clock)
        with watched(clock, files={"jsonl": file}) as (metrics, _):
            shown = [value(sample(metrics), "vestibule_file_written", file="jsonl")]
            disk.fill()
            for number in range(20):  # the last block of the file has some room
                file.publish(make_message(number))
            shown.append(value(sample(metrics), "vestibule_file_written", file="jsonl"))
            disk.empty()
            clock.now_s += 60
            file.tend()
            shown.append(value(sample(metrics), "vestibule_file_written", file="jsonl"))
        file.close()
    assert shown == [1, 0, 1]


def test_crops_are_told_by_who_classified_them_where_there_is_a_server() -> None:
    with watched(Clock()) as (metrics, _):
        assert "vestibule_classified_crops" not in page(metrics, "/metrics")[1]
    crops = Counter[Ran]({"server": 0, "box": 0})
    with watched(Clock(), crops=crops) as (metrics, _):
        crops["server"] += 16
        samples = sample(metrics)
    assert value(samples, "vestibule_classified_crops_total", by="server") == 16
    assert value(samples, "vestibule_classified_crops_total", by="box") == 0


def test_two_do_not_know_of_each_other() -> None:
    one, other = Metrics(), Metrics()
    one.batch(3)
    assert value(sample(one), "vestibule_batch_size_crops_sum") == 3
    assert value(sample(other), "vestibule_batch_size_crops_sum") == 0


def test_an_alert_is_counted_by_its_rule_with_its_delay() -> None:
    metrics = Metrics()
    metrics.published(make_message(1), 0.3)
    metrics.published(make_message(2), None)
    metrics.published(make_message(3), -0.01)  # the clock's pace is not the camera's
    samples = sample(metrics)
    assert value(samples, "vestibule_alerts_total", camera="door", rule="suit") == 3
    assert value(samples, "vestibule_capture_to_publish_seconds_count", kind="alert") == 2
    assert value(samples, "vestibule_capture_to_publish_seconds_sum", kind="alert") == pytest.approx(0.3)
    assert value(samples, "vestibule_capture_to_publish_seconds_count", kind="visit") == 0


def test_claims_are_counted_by_what_became_of_them() -> None:
    metrics = Metrics()
    assert value(sample(metrics), "vestibule_claims_total", outcome="accepted") == 0
    metrics.claimed(ClaimDecision(outcome="accepted", waited_s=12.0))
    metrics.claimed(ClaimDecision(outcome="taken"))
    metrics.published(Message(topic="vestibule/store/alerts/a/claim/state", at_s=0, payload=b"", retain=True), 0.3)
    samples = sample(metrics)
    assert value(samples, "vestibule_claims_total", outcome="accepted") == 1
    assert value(samples, "vestibule_claims_total", outcome="taken") == 1
    assert value(samples, "vestibule_alert_to_claim_seconds_count") == 1
    assert value(samples, "vestibule_alert_to_claim_seconds_sum") == 12.0
    assert value(samples, "vestibule_capture_to_publish_seconds_count", kind="visit") == 0


def test_the_outbox_is_read_as_it_is() -> None:
    clock = Clock()
    outbox = Outbox(clock=clock)
    with watched(clock, outbox) as (metrics, _):
        outbox.add(make_message(1))
        clock.now_s += 40
        outbox.add(make_message(2), ttl_s=30)
        clock.now_s += 31
        samples = sample(metrics)
    assert value(samples, "vestibule_outbox_events") == 1
    assert value(samples, "vestibule_outbox_oldest_event_age_seconds") == 71
    assert value(samples, "vestibule_outbox_on_disk") == 0
    assert value(samples, "vestibule_outbox_settled_events_total", outcome="expired") == 1
    assert value(samples, "vestibule_outbox_settled_events_total", outcome="acknowledged") == 0
    assert value(samples, "vestibule_broker_connected") == 0


def test_an_event_that_the_broker_took_tells_how_long_it_waited() -> None:
    clock, metrics = Clock(), Metrics()
    outbox = Outbox(clock=clock, acknowledged=metrics.acknowledged)
    outbox.add(make_message(1))
    outbox.add(make_message(2))
    outbox.offer()
    outbox.offer()
    clock.now_s += 1.5
    outbox.settle("acknowledged")
    outbox.settle("refused")
    samples = sample(metrics)
    assert value(samples, "vestibule_publish_duration_seconds_count") == 1
    assert value(samples, "vestibule_publish_duration_seconds_sum") == 1.5


def test_a_closed_outbox_can_be_asked_and_leaves_its_file_alone(tmp_path: Path) -> None:
    clock = Clock()
    outbox = Outbox(tmp_path / "outbox.sqlite3", clock=clock)
    outbox.add(make_message(1), ttl_s=10)
    outbox.close()
    clock.now_s += 20
    outbox.status()
    following = Outbox(tmp_path / "outbox.sqlite3", clock=clock)  # it would be refused if the first held the file
    assert following.status().on_disk
    following.close()


def test_a_worker_that_stands_still_is_told() -> None:
    clock = Clock()
    with watched(clock) as (metrics, health):
        health.beat("look")
        assert page(metrics, "/healthz") == (200, "alive\n")
        clock.now_s += STUCK_AFTER_S + 1
        assert page(metrics, "/healthz") == (503, "not alive: stuck: look\n")
        assert page(metrics, "/readyz")[1].startswith("not ready: stuck: look; no frame analysed for 31 s; broker ")
        assert value(sample(metrics), "vestibule_workers_stuck") == 1


def test_without_analysed_frames_it_is_not_ready() -> None:
    clock = Clock()
    with watched(clock) as (metrics, health):
        clock.now_s += 12
        assert "no frame analysed for 12 s" in page(metrics, "/readyz")[1]
        health.frame("door", "captured")
        assert "no frame analysed for 12 s" in page(metrics, "/readyz")[1]
        health.frame("door", "analysed")
        assert "no frame" not in page(metrics, "/readyz")[1]


def configure(folder: Path, source: Path, broker: int, more: str = "") -> Path:
    path = folder / "vestibule.toml"
    (folder / "door-password").write_text(SECRET, encoding="utf-8")
    path.write_text(
        f"config_version = 1\n[mqtt]\nport = {broker}\n"
        "[visits]\nreentry_window_s = 1.0\n"
        f"[[cameras]]\nid = 'door'\nsource = '{source}'\n"
        "[[cameras]]\nid = 'attic'\nsource = 'rtsp://127.0.0.1:9/cam'\nusername = 'viewer'\n"
        f"password_file = '{folder}/door-password'\n"
        f"[jsonl]\npath = '{folder}/events.jsonl'\n[ledger]\npath = '{folder}/ledger.sqlite3'\n{more}",
        encoding="utf-8",
    )
    return path


def metrics_of(running: Daemon) -> Samples:
    status, text = running.scrape("/metrics")
    assert status == 200, text
    return parse(text)


def told(samples: Samples) -> bool:
    alerts = value(samples, "vestibule_alerts_total", camera="door", rule="dress-or-suit")
    return alerts > 0 and value(samples, "vestibule_outbox_settled_events_total", outcome="acknowledged") >= 3


@needs_mosquitto
def test_a_daemon_shows_what_it_does(tmp_path: Path) -> None:
    walks = [crossing("Dress", 1.0 + 10 * number) for number in range(3)]
    video = clip(tmp_path / "walk.mp4", 60, *walks)
    with Mosquitto() as broker, daemon(configure(tmp_path, video, broker.port)) as running:
        running.wait_told("READY=1")
        wait_until(lambda: told(metrics_of(running)), "an alert, and all that goes before it, at the broker")
        text = running.scrape("/metrics")[1]
        assert running.scrape("/healthz") == (200, "alive\n")
        wait_until(lambda: running.scrape("/readyz") == (200, "ready\n"), "readiness")
        broker.kill()
        wait_until(lambda: running.scrape("/readyz") == (503, "not ready: broker not connected\n"), "the broker's end")
        running.signal(signal.SIGTERM)
        assert running.ended() == 0, running.printed
    samples = parse(text)
    assert value(samples, "vestibule_alerts_total", camera="door", rule="dress-or-suit") >= 1
    assert value(samples, "vestibule_visit_events_total", camera="door", type="new") >= 1
    assert value(samples, "vestibule_camera_state", camera="door", state="online") == 1
    assert value(samples, "vestibule_camera_state", camera="attic", state="offline") == 1
    assert value(samples, "vestibule_broker_connected") == 1
    assert value(samples, "vestibule_publish_duration_seconds_count") >= 3
    assert value(samples, "vestibule_capture_to_publish_seconds_count", kind="alert") >= 1
    assert value(samples, "vestibule_batch_size_crops_count") >= 3
    analysed = value(samples, "vestibule_frames_analysed_total", camera="door")
    timed = value(samples, "vestibule_stage_duration_seconds_count", stage="look")
    assert 0 < analysed <= timed  # read in this order, written in the other
    for stage in ("classify", "decide", "publish"):
        assert value(samples, "vestibule_stage_duration_seconds_count", stage=stage) >= 1
    assert value(samples, "process_resident_memory_bytes") > 0
    delay_s = value(samples, "vestibule_capture_to_publish_seconds_sum", kind="alert")
    assert 0 < delay_s < 1e6  # of one clock, not the difference of two
    for word in (SECRET, "127.0.0.1", "viewer", str(tmp_path)):
        assert word not in text
    documented = set(re.findall(r"^\| `(vestibule_\w+)", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE))
    shown = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name, _ in samples if name.startswith("vestibule_")}
    shown = {name for name in shown if f"{name}_total" not in shown}  # left of a counter's _created
    assert documented == shown | {"vestibule_classified_crops_total"}  # which only those with a server have
    assert value(samples, "vestibule_file_written", file="jsonl") == 1
    assert value(samples, "vestibule_file_written", file="ledger") == 1


@needs_mosquitto
def test_clients_that_mean_no_good_do_not_disturb_the_daemon(tmp_path: Path) -> None:
    video = clip(tmp_path / "walk.mp4", 60, crossing("Dress", 1.0))
    with ExitStack() as held, Mosquitto() as broker, daemon(configure(tmp_path, video, broker.port)) as running:
        running.wait_told("READY=1")
        before = value(metrics_of(running), "vestibule_frames_analysed_total", camera="door")
        host, _, port = running.events("metrics served")[0]["address"].rpartition(":")
        for number in range(40):
            client = held.enter_context(socket.create_connection((host, int(port)), timeout=10))
            with suppress(ConnectionError):  # the seventeenth is turned away
                client.sendall((b"GET /metrics HTTP/1.1\r\nX: y", b"\0" * 5000, b"GET /" + b"a" * 90_000)[number % 3])
        wait_until(lambda: answers(running), "an answer, once those who say nothing are cut off")
        wait_until(
            lambda: value(metrics_of(running), "vestibule_frames_analysed_total", camera="door") > before, "new frames"
        )
        running.signal(signal.SIGTERM)
        assert running.ended() == 0, running.printed
    assert not running.events("page failed")


def answers(running: Daemon) -> bool:
    try:
        return running.scrape("/healthz") == (200, "alive\n")
    except OSError:
        return False


@needs_mosquitto
def test_a_reload_moves_the_pages_and_keeps_them_where_it_cannot(tmp_path: Path) -> None:
    video = clip(tmp_path / "walk.mp4", 60, crossing("Dress", 1.0))
    with Mosquitto() as broker:
        path = configure(tmp_path, video, broker.port, "[metrics]\nport = 0\n")
        with daemon(path) as running:
            running.wait_told("READY=1")
            assert running.scrape("/healthz")[0] == 200
            path.write_text(path.read_text().replace("port = 0", f"port = {broker.port}"), encoding="utf-8")
            running.signal(signal.SIGHUP)
            wait_until(lambda: bool(running.events("reload refused, the old configuration stays")), "the refusal")
            problem = running.events("reload refused, the old configuration stays")[0]["problem"]
            assert problem.startswith(
                f"metrics: cannot listen on 127.0.0.1:{broker.port} (Address already in use); set"
            )
            assert len(running.events("metrics served")) == 2  # it is open again
            assert running.scrape("/healthz")[0] == 200
            path.write_text(
                path.read_text().replace(f"[metrics]\nport = {broker.port}", "[metrics]\nhost = '127.0.0.2'\nport = 0"),
                encoding="utf-8",
            )
            running.signal(signal.SIGHUP)
            wait_until(lambda: len(running.events("metrics served")) == 3, "the new address")
            assert running.events("metrics served")[2]["address"].startswith("127.0.0.2:")
            running.wait_told("READY=1", times=3)
            wait_until(
                lambda: value(metrics_of(running), "vestibule_frames_analysed_total", camera="door") > 0, "new frames"
            )
            running.signal(signal.SIGTERM)
            assert running.ended() == 0, running.printed


def test_a_port_in_use_at_the_start_is_told_and_the_daemon_runs(tmp_path: Path) -> None:
    video = clip(tmp_path / "walk.mp4", 20, crossing("Dress", 1.0))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with daemon(configure(tmp_path, video, 9, f"[metrics]\nport = {port}\n"), patch=TOY_MODELS) as running:
            running.wait_told("READY=1")
            running.signal(signal.SIGTERM)
            assert running.ended() == 0, running.printed
    (told,) = running.events("metrics not served")
    assert f"127.0.0.1:{port} (Address already in use); set another metrics.port" in told["problem"]
    assert json.dumps(told).count("\\n") == 0
