"""`vestibule replay`: recorded video through the daemon's own stages, on a virtual clock."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vestibule.annotate import Annotator
from vestibule.config import Settings
from vestibule.errors import ConfigError, SinkError, SourceError
from vestibule.pipeline import run_inline
from vestibule.sections import CameraConfig
from vestibule.sinks import JsonlSink, LedgerSink, MqttSink, Sink
from vestibule.sources.replay import ReplaySource
from vestibule.stages import Models, Stages, build_stages, load_models
from vestibule.types import Frame, Message, Tracks

_DRAIN_S = 30.0


@dataclass(kw_only=True)
class Summary:
    """What a replay did.

    Attributes:
        frames: frames that went through.
        wall_s: seconds that took.
        media_s: seconds of video.
        visits: visits that began.
        entered: of these, those that entered.
        garments: label -> visits that were settled with it.
        alerts: the published payloads.
    """

    frames: int = 0
    wall_s: float = 0.0
    media_s: float = 0.0
    visits: int = 0
    entered: int = 0
    garments: Counter[str] = field(default_factory=Counter)
    alerts: list[dict[str, Any]] = field(default_factory=list)

    def count(self, message: Message) -> None:
        """Take in one published message."""
        payload = json.loads(message.payload)
        if "rule" in payload:
            self.alerts.append(payload)
        elif payload["type"] == "new":
            self.visits += 1
        elif payload["type"] == "end":
            self.entered += payload["entered"]
            self.garments.update(garment["label"] for garment in payload["garments"])


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """What the command line asked for; `out` of None with nothing else means standard output."""

    files: tuple[Path, ...]
    camera_id: str | None = None
    start_s: float = 0.0
    out: Path | None = None
    ledger: Path | None = None
    publish: bool = False
    realtime: bool = False
    annotate: Path | None = None


def choose_camera(settings: Settings, camera_id: str | None) -> CameraConfig:
    """Return the camera whose line and zones apply: the named one, else the first, else a plain one.

    Raises:
        ConfigError: no camera of that name.
    """
    if camera_id is None:
        return settings.cameras[0] if settings.cameras else CameraConfig(id="camera", source="replay")
    for camera in settings.cameras:
        if camera.id == camera_id:
            return camera
    raise ConfigError(f"--camera {camera_id}: no such camera; configured are {[c.id for c in settings.cameras]}")


def replay(
    settings: Settings,
    options: ReplayOptions,
    *,
    sinks: Sequence[Sink] = (),
    models: Models | None = None,
    console: Console | None = None,
) -> Summary:
    """Run every file through fresh stages, one after the other; publish to `sinks` and those of the options.

    Every file is opened before the first is run, so that a misspelt name costs no time. A file that turns out
    damaged is used as far as it goes, the others follow, and then its error is raised.

    Raises:
        ConfigError: no such camera.
        SourceError: a file is missing, no video, or damaged.
        ModelError: a model cannot be loaded.
        SinkError: the events or the video cannot be written, or the broker does not take them.
    """
    camera = choose_camera(settings, options.camera_id)
    _spare_recordings(options)
    for file in options.files:
        ReplaySource(file, camera, options.start_s).close()
    summary, faults = Summary(), []
    with ExitStack() as stack:
        targets = [*sinks, *_open_sinks(settings, options, stack)]
        loaded = models or load_models(settings)
        progress = stack.enter_context(_progress(console))
        annotator = None
        if options.annotate is not None:
            annotator = stack.enter_context(Annotator(options.annotate, camera))
        run = _Run(
            settings=settings,
            options=options,
            camera=camera,
            models=loaded,
            sinks=targets,
            summary=summary,
            progress=progress,
            annotator=annotator,
            clock_s=options.start_s,
        )
        for file in options.files:
            try:
                run.one(file)
            except SourceError as error:
                faults.append(error)
    if faults:
        raise SourceError("; ".join(str(fault) for fault in faults))
    return summary


@dataclass(kw_only=True)
class _Run:
    """One replay under way: clock, frame numbers and sequence go on from file to file."""

    settings: Settings
    options: ReplayOptions
    camera: CameraConfig
    models: Models
    sinks: Sequence[Sink]
    summary: Summary
    progress: Progress
    annotator: Annotator | None
    clock_s: float
    next_frame: int = 0
    seq: int = 0

    def one(self, file: Path) -> None:
        """Replay one file."""
        source = ReplaySource(file, self.camera, self.clock_s, self.next_frame)
        stages = build_stages(self.settings, (self.camera,), self.models, seq=self.seq)
        task = self.progress.add_task(file.name, total=source.frames_expected)
        started_s = time.monotonic()
        frames = _paced(source, self.clock_s) if self.options.realtime else source.frames()
        try:
            run_inline(frames, stages, self._publish, self._observer(stages, lambda: self.progress.advance(task)))
        finally:
            source.close()
            self.seq = stages.desk.seq
            self.summary.wall_s += time.monotonic() - started_s
            self.summary.media_s += source.end_s - self.clock_s
            self.clock_s, self.next_frame = source.end_s, source.next_seq

    def _publish(self, message: Message) -> None:
        for sink in self.sinks:
            sink.publish(message)
        self.summary.count(message)

    def _observer(self, stages: Stages, tick: Callable[[], None]) -> Callable[[Frame, Tracks, Sequence[Message]], None]:
        def observe(frame: Frame, tracks: Tracks, messages: Sequence[Message]) -> None:
            self.summary.frames += 1
            if self.annotator is not None:
                visits = [stages.desk.visit_of(self.camera.id, track_id) for track_id in tracks.ids.tolist()]
                payloads = [json.loads(message.payload) for message in messages]
                alerts = [(p["visit_id"], p["summary"]) for p in payloads if "rule" in p]
                self.annotator.draw(frame, tracks, visits, alerts)
            tick()

        return observe


def _spare_recordings(options: ReplayOptions) -> None:
    recordings = {file.resolve() for file in options.files}
    for name, path in (("--out", options.out), ("--ledger", options.ledger), ("--annotate", options.annotate)):
        if path is not None and path.resolve() in recordings:
            raise SinkError(f"{name} {path}: is the recording itself and would be overwritten; name another file")


def _open_sinks(settings: Settings, options: ReplayOptions, stack: ExitStack) -> list[Sink]:
    sinks: list[Sink] = []
    if options.out is not None:
        sinks.append(JsonlSink(options.out, start_s=options.start_s))
        stack.callback(sinks[-1].close)
    if options.ledger is not None:
        sinks.append(
            LedgerSink(
                options.ledger, site=settings.site, prefix=settings.mqtt.prefix, min_cell=settings.ledger.min_cell
            )
        )
        stack.callback(sinks[-1].close)
    if options.publish:
        mqtt = replay_publisher(settings)
        stack.callback(mqtt.close)
        stack.push(lambda kind, *_: None if kind else drain(mqtt))
        sinks.append(mqtt)
    return sinks


def replay_publisher(settings: Settings) -> MqttSink:
    """Connect to the broker beside the store's daemon, which may be connected too; waits instead of dropping.

    Raises:
        SinkError: the broker cannot be reached or refuses.
    """
    # An id of its own: two clients of one id throw each other out.
    client_id = f"vestibule-{settings.site.id}-replay-{os.getpid()}"
    mqtt = MqttSink(settings.mqtt, site=settings.site.id, announce=False, client_id=client_id, lossless=True)
    try:
        mqtt.wait_connected(settings.mqtt.connect_timeout_s + 1.0)
    except SinkError:
        mqtt.close()
        raise
    return mqtt


def drain(mqtt: MqttSink) -> None:
    """Wait for the broker to acknowledge everything.

    Raises:
        SinkError: it did not, or it refused something.
    """
    missing = mqtt.drain(_DRAIN_S)
    if missing or mqtt.refused:
        raise SinkError(
            f"broker: {missing} events not acknowledged within {_DRAIN_S:.0f} s, {mqtt.refused} refused; "
            "check that it still runs and its access list"
        )


def _paced(source: ReplaySource, start_s: float) -> Iterator[Frame]:
    """Yield frames no earlier than they were captured."""
    began_s = time.monotonic()
    for frame in source.frames():
        time.sleep(max(0.0, frame.captured_at_s - start_s - (time.monotonic() - began_s)))
        yield frame


def _progress(console: Console | None) -> Progress:
    """A bar on a terminal, nothing in a pipe."""
    console = console or Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)
