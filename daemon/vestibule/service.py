"""`vestibule run`: the daemon, until a signal ends it."""

import signal
import time

import structlog

from vestibule.config import Settings
from vestibule.errors import ConfigError
from vestibule.outbox import Outbox
from vestibule.pipeline import LivePipeline
from vestibule.sinks import JsonlSink, MqttSink, Sink
from vestibule.sources import open_source
from vestibule.stages import build_stages, load_models

log = structlog.get_logger()


def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT, or until all sources are files and over.

    Raises:
        ConfigError: no camera is configured.
        ModelError: a model cannot be loaded.
        SinkError: the events file cannot be written, or another process uses the outbox.
    """
    if not settings.cameras:
        raise ConfigError("no cameras configured; add [[cameras]] with an id and a source, see config.example.toml")
    models = load_models(settings)
    stages = build_stages(settings, settings.cameras, models)
    for rule, label, floor in stages.desk.rules.unalertable():
        log.warning(
            "garment can never alert: its precision could not be established", rule=rule, garment=label, floor=floor
        )
    sinks: list[Sink] = [_publisher(settings)]
    if settings.jsonl.path is not None:
        sinks.append(JsonlSink(settings.jsonl.path, append=True, patient=True))
    pipeline = LivePipeline(
        stages=stages,
        cameras=settings.cameras,
        capture=settings.capture,
        open_camera=lambda camera: open_source(camera, settings.capture, time.time),
        sinks=sinks,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: pipeline.stop.set())
    log.info("running", site=settings.site.id, cameras=len(settings.cameras), runtime=models.classifier.runtime)
    try:
        pipeline.run()
    finally:
        for sink in sinks:
            sink.close()
    return 0


def _publisher(settings: Settings) -> MqttSink:
    path = settings.mqtt.outbox_path()
    if path is None:
        log.warning("events that wait for the broker are lost if this process ends; set mqtt.outbox_file")
    outbox = Outbox(path, max_events=settings.mqtt.outbox_max_events)
    return MqttSink(settings.mqtt, site=settings.site.id, outbox=outbox)
