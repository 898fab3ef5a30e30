"""What Prometheus is told of the daemon: what others count is read when it asks, durations are measured here.

No picture, no secret and no camera's address gets in: labels are the configuration's ids and words of our own.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from vestibule.camera_payloads import CameraState
from vestibule.claims import ClaimDecision, ClaimOutcome
from vestibule.classifiers import Ran
from vestibule.config import Settings
from vestibule.endpoint import Page
from vestibule.health import CameraHealth, Health
from vestibule.observers import Stage
from vestibule.outbox import OutboxStatus
from vestibule.outbox_file import Outcome
from vestibule.sinks import MqttSink
from vestibule.sources import Fate
from vestibule.types import Message

_STAGE_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_LATENCY_S = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120)
_CLAIM_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800)
_CROPS = (1, 2, 4, 8, 16, 32, 64)
_QUIET_S = 10.0
"""Without an analysed frame for so long the daemon sees nothing."""
_DROPPED: tuple[Fate, ...] = ("thinned", "too_old", "overtaken", "empty", "blank")
_STATES: tuple[CameraState, ...] = tuple(state for words in get_args(CameraState) for state in get_args(words))


class File(Protocol):
    """A file that events are written into."""

    @property
    def problem(self) -> str | None:
        """Why it does not take what it should; None if it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    """Who is asked at a scrape; replaced whole by a reload."""

    health: Health
    mqtt: MqttSink
    files: Mapping[str, File]
    crops: Mapping[Ran, int] | None
    quiet_s: float


class Metrics:
    """All metrics of one process, and the pages that show them. Safe to use from any thread."""

    def __init__(self) -> None:
        self._watched: _Watched | None = None
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_AtScrape(lambda: self._watched))
        self._stages = Histogram(
            "vestibule_stage_duration_seconds",
            "How long a stage takes for one frame, batch or decision.",
            ["stage"],
            buckets=_STAGE_S,
            registry=registry,
        )
        for stage in get_args(Stage):
            self._stages.labels(stage)
        self._batches = Histogram("vestibule_batch_size_crops", "Crops in a batch.", buckets=_CROPS, registry=registry)
        self._visits = Counter(
            "vestibule_visit_events", "Changes of visits published.", ["camera", "type"], registry=registry
        )
        self._alerts = Counter("vestibule_alerts", "Alerts published.", ["camera", "rule"], registry=registry)
        self._delay = Histogram(
            "vestibule_capture_to_publish_seconds",
            "From the picture that led to an event until the event is in the outbox.",
            ["kind"],
            buckets=_LATENCY_S,
            registry=registry,
        )
        for kind in ("alert", "visit"):
            self._delay.labels(kind)
        self._publish = Histogram(
            "vestibule_publish_duration_seconds",
            "From an event's arrival in the outbox until the broker has acknowledged it.",
            buckets=_LATENCY_S,
            registry=registry,
        )
        self._claims = Counter("vestibule_claims", "Claims of alerts.", ["outcome"], registry=registry)
        for outcome in get_args(ClaimOutcome):
            self._claims.labels(outcome)
        self._claim_delay = Histogram(
            "vestibule_alert_to_claim_seconds",
            "From an alert until somebody on the staff claimed it.",
            buckets=_CLAIM_S,
            registry=registry,
        )
        self.pages: dict[str, Callable[[], Page]] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": self._metrics,
        }

    def watch(
        self,
        health: Health,
        mqtt: MqttSink,
        settings: Settings,
        *,
        files: Mapping[str, File] = MappingProxyType({}),
        crops: Mapping[Ran, int] | None = None,
    ) -> None:
        """Ask these from now on; the cameras' counts begin anew. What can be counted is shown as 0 until it is.

        Args:
            health: cameras and workers.
            mqtt: the broker and the outbox.
            settings: cameras and rules.
            files: those that are written beside the outbox, by the section that names them.
            crops: how many were classified where, if there is a server for it.
        """
        quiet_s = max(_QUIET_S, 3 / settings.capture.analysed_fps)
        for camera in settings.cameras:
            for kind in ("new", "update", "end"):
                self._visits.labels(camera.id, kind)
            for rule in settings.alerts:
                if not rule.cameras or camera.id in rule.cameras:
                    self._alerts.labels(camera.id, rule.name)
        self._watched = _Watched(health=health, mqtt=mqtt, files=files, crops=crops, quiet_s=quiet_s)

    def took(self, stage: Stage, seconds: float) -> None:
        """Note how long a stage took."""
        self._stages.labels(stage).observe(seconds)

    def batch(self, crops: int) -> None:
        """Note a batch's size."""
        self._batches.observe(crops)

    def published(self, message: Message, since_capture_s: float | None) -> None:
        """Count an alert or a change of a visit, and note how old the picture was that led to it."""
        if message.retain:
            return
        payload = json.loads(message.payload)
        kind = "alert" if "rule" in payload else "visit"
        if kind == "alert":
            self._alerts.labels(payload["camera"], payload["rule"]).inc()
        else:
            self._visits.labels(payload["camera"], payload["type"]).inc()
        if since_capture_s is not None:
            self._delay.labels(kind).observe(max(0.0, since_capture_s))

    def claimed(self, decision: ClaimDecision) -> None:
        """Count a claim, and note how long its alert had waited for the first one."""
        self._claims.labels(decision.outcome).inc()
        if decision.waited_s is not None:
            self._claim_delay.observe(decision.waited_s)

    def acknowledged(self, waited_s: float) -> None:
        """Note how long an event was in the outbox until the broker had it."""
        self._publish.observe(waited_s)

    def _healthz(self) -> Page:
        watched = self._watched
        stuck = watched.health.stuck() if watched is not None else []
        return _verdict("alive", [f"stuck: {', '.join(stuck)}"] if stuck else [])

    def _readyz(self) -> Page:
        watched = self._watched
        if watched is None:
            return _verdict("ready", ["starting"])
        problems = []
        if stuck := watched.health.stuck():
            problems.append(f"stuck: {', '.join(stuck)}")
        if (idle_s := watched.health.idle_s) > watched.quiet_s:
            problems.append(f"no frame analysed for {idle_s:.0f} s")
        if (state := watched.mqtt.state) != "connected":
            problems.append(f"broker {state}")
        return _verdict("ready", problems)

    def _metrics(self) -> Page:
        return Page(status=200, body=generate_latest(self._registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _verdict(good: str, problems: Sequence[str]) -> Page:
    text = f"not {good}: {'; '.join(problems)}" if problems else good
    return Page(status=503 if problems else 200, body=f"{text}\n".encode())


class _AtScrape(Collector):
    """Reads what health and outbox know anyway, when Prometheus asks."""

    def __init__(self, watched: Callable[[], _Watched | None]) -> None:
        self._watched = watched

    def collect(self) -> Iterator[Metric]:
        """Yield everything as it is now; nothing before the first configuration runs."""
        watched = self._watched()
        if watched is None:
            return
        cameras = watched.health.cameras()
        yield from _cameras(cameras)
        yield from _main_streams(cameras)
        failed = watched.health.counts.get("batches_dropped", 0)
        yield CounterMetricFamily("vestibule_batches_dropped", "Batches that the classifier failed on.", failed)
        yield GaugeMetricFamily(
            "vestibule_workers_stuck", "Workers that do not go round any more.", value=len(watched.health.stuck())
        )
        yield GaugeMetricFamily(
            "vestibule_broker_connected", "1 while connected to the broker.", value=watched.mqtt.state == "connected"
        )
        yield CounterMetricFamily(
            "vestibule_messages_ignored", "Received messages that say nothing to us.", watched.mqtt.ignored
        )
        yield from _outbox(watched.mqtt.status())
        written = GaugeMetricFamily("vestibule_file_written", "1 while it takes what it should.", labels=["file"])
        for name, file in watched.files.items():
            written.add_metric([name], file.problem is None)
        yield written
        if watched.crops is not None:
            classified = CounterMetricFamily("vestibule_classified_crops", "Crops, by who classified.", labels=["by"])
            for ran, count in watched.crops.items():
                classified.add_metric([ran], count)
            yield classified


def _cameras(cameras: Sequence[CameraHealth]) -> Iterator[Metric]:
    captured = CounterMetricFamily("vestibule_frames_captured", "Frames that arrived whole.", labels=["camera"])
    analysed = CounterMetricFamily(
        "vestibule_frames_analysed", "Frames looked at, or found unchanged.", labels=["camera"]
    )
    dropped = CounterMetricFamily(
        "vestibule_frames_dropped", "Captured frames not analysed.", labels=["camera", "reason"]
    )
    corrupt = CounterMetricFamily("vestibule_frames_corrupt", "Frames that arrived damaged.", labels=["camera"])
    resized = CounterMetricFamily("vestibule_frames_resized", "Changes of a camera's frame size.", labels=["camera"])
    still = CounterMetricFamily("vestibule_frames_still", "Frames that repeat the one before.", labels=["camera"])
    state = GaugeMetricFamily("vestibule_camera_state", "1 for the state that it is in.", labels=["camera", "state"])
    connects = CounterMetricFamily("vestibule_camera_connects", "Times a camera was opened.", labels=["camera"])
    for camera in cameras:
        own = [camera.camera_id]
        captured.add_metric(own, camera.frames.get("captured", 0))
        analysed.add_metric(own, camera.frames.get("analysed", 0))
        corrupt.add_metric(own, camera.frames.get("corrupt", 0))
        resized.add_metric(own, camera.frames.get("resized", 0))
        still.add_metric(own, camera.frames.get("still", 0))
        connects.add_metric(own, camera.connects)
        for reason in _DROPPED:
            dropped.add_metric([*own, reason], camera.frames.get(reason, 0))
        for name in _STATES:
            state.add_metric([*own, name], camera.state == name)
    yield from (captured, analysed, dropped, corrupt, resized, still, state, connects)


def _main_streams(cameras: Sequence[CameraHealth]) -> Iterator[Metric]:
    detailed = CounterMetricFamily(
        "vestibule_frames_detailed", "Frames whose people were cut out of the main stream.", labels=["camera"]
    )
    undetailed = CounterMetricFamily(
        "vestibule_frames_undetailed", "Frames whose people should have been, and were not.", labels=["camera"]
    )
    decoded = CounterMetricFamily(
        "vestibule_frames_main_decoded", "Pictures of the main stream that were decoded.", labels=["camera"]
    )
    lost = GaugeMetricFamily("vestibule_main_stream_lost", "1 while it cannot be used.", labels=["camera"])
    for camera in cameras:
        own = [camera.camera_id]
        detailed.add_metric(own, camera.frames.get("detailed", 0))
        undetailed.add_metric(own, camera.frames.get("undetailed", 0))
        decoded.add_metric(own, camera.frames.get("main_decoded", 0))
        lost.add_metric(own, bool(camera.main_problem))
    yield from (detailed, undetailed, decoded, lost)


def _outbox(status: OutboxStatus) -> Iterator[Metric]:
    yield GaugeMetricFamily("vestibule_outbox_events", "Events that the broker has not acknowledged.", status.waiting)
    yield GaugeMetricFamily(
        "vestibule_outbox_oldest_event_age_seconds", "How long the oldest of them has waited.", status.oldest_age_s
    )
    safe = status.on_disk and status.problem is None
    yield GaugeMetricFamily("vestibule_outbox_on_disk", "1 if they would survive the process.", safe)
    settled = CounterMetricFamily("vestibule_outbox_settled_events", "What became of events.", labels=["outcome"])
    for outcome in get_args(Outcome):
        settled.add_metric([outcome], status.outcomes[outcome])
    yield settled
