"""`vestibule replay`: recorded video through the daemon's own stages, on a virtual clock."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vestibule import archive
from vestibule.annotate import Annotator
from vestibule.claims import ClaimInbox
from vestibule.config import Settings
from vestibule.errors import ConfigError, SinkError, SourceError
from vestibule.inline import run_inline
from vestibule.sections import CameraConfig
from vestibule.sinks import JsonlSink, LedgerSink, MqttSink, Sink
from vestibule.sources.replay import ReplaySource, in_step
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
        """Take in one published message; what is retained is no event."""
        if message.retain:
            return
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
    """What the command line asked for; `out` of None with nothing else means standard output.

    Attributes:
        files: recordings of one camera that follow each other.
        camera_id: that camera.
        beside: camera and recording of others that begin when the only file does.
        jobs: files looked at side by side, a process each.
        ray: on a Ray cluster instead.
    """

    files: tuple[Path, ...]
    camera_id: str | None = None
    beside: tuple[tuple[str, Path], ...] = ()
    start_s: float = 0.0
    out: Path | None = None
    ledger: Path | None = None
    publish: bool = False
    realtime: bool = False
    annotate: Path | None = None
    jobs: int = 1
    ray: bool = False

    @property
    def side_by_side(self) -> bool:
        """Whether several files are looked at at once."""
        return self.jobs > 1 or self.ray


def choose_camera(settings: Settings, camera_id: str | None) -> CameraConfig:
    """Return the camera whose line and zones apply: the named one, else the first, else a plain one.

    Raises:
        ConfigError: no camera of that name.
    """
    if camera_id is None:
        return settings.cameras[0] if settings.cameras else CameraConfig(id="camera", source="replay")
    return _camera(settings, "--camera", camera_id)


def _camera(settings: Settings, option: str, camera_id: str) -> CameraConfig:
    for camera in settings.cameras:
        if camera.id == camera_id:
            return camera
    raise ConfigError(f"{option} {camera_id}: no such camera; configured are {[c.id for c in settings.cameras]}")


def _others(settings: Settings, options: ReplayOptions, camera: CameraConfig) -> tuple[tuple[CameraConfig, Path], ...]:
    """Return the cameras beside `camera` with their recordings.

    Raises:
        ConfigError: no such camera, one that is there already, or several files for the first.
    """
    others = tuple((_camera(settings, "--with", camera_id), path) for camera_id, path in options.beside)
    ids = [camera.id, *(other.id for other, _ in others)]
    if len(set(ids)) < len(ids):
        raise ConfigError(f"--with: the recordings are of the cameras {ids}; give each camera one")
    if others and len(options.files) > 1:
        raise ConfigError(f"--with: {len(options.files)} files are given for camera {camera.id}; give one")
    return others


def replay(
    settings: Settings,
    options: ReplayOptions,
    *,
    sinks: Sequence[Sink] = (),
    models: Models | None = None,
    console: Console | None = None,
    claims: ClaimInbox | None = None,
    linger: Callable[[], float | None] | None = None,
) -> Summary:
    """Run every file through fresh stages, one after the other; publish to `sinks` and those of the options.

    With `claims`, what staff claim meanwhile is decided; without, the same files give the same bytes. Visits that are
    open when a file ends stay so while `linger` returns the time, Unix seconds; None ends them.

    Every file is opened before the first is run, so that a misspelt name costs no time. A file that turns out
    damaged is used as far as it goes, the others follow, and then its error is raised.

    Raises:
        ConfigError: no such camera, or `beside` does not fit.
        SourceError: a file is missing, no video, or damaged.
        ModelError: a model cannot be loaded.
        SinkError: the events or the video cannot be written, or the broker does not take them.
    """
    camera = choose_camera(settings, options.camera_id)
    others = _others(settings, options, camera)
    _spare_recordings(options)
    _possible_together(options)
    for each, file in (*((camera, file) for file in options.files), *others):
        ReplaySource(file, each, options.start_s).close()
    summary, faults = Summary(), []
    with ExitStack() as stack:
        targets = [*sinks, *_open_sinks(settings, options, stack)]
        if options.side_by_side:
            return _side_by_side(settings, options, camera, targets, stack)
        loaded = models or load_models(settings)
        progress = stack.enter_context(_progress(console))
        annotator = None
        if options.annotate is not None:
            annotator = stack.enter_context(Annotator(options.annotate, camera))
        run = _Run(
            settings=settings,
            options=options,
            camera=camera,
            others=others,
            models=loaded,
            sinks=targets,
            summary=summary,
            progress=progress,
            annotator=annotator,
            clock_s=options.start_s,
            claims=claims,
            linger=linger,
        )
        for file in options.files:
            try:
                run.one(file)
            except SourceError as error:
                faults.append(error)
    if faults:
        raise SourceError("; ".join(str(fault) for fault in faults))
    return summary


def _side_by_side(
    settings: Settings, options: ReplayOptions, camera: CameraConfig, sinks: Sequence[Sink], stack: ExitStack
) -> Summary:
    """Look at several files at once; what is published is what one after the other would be."""
    each = archive.on_ray(stack) if options.ray else archive.on_cores(options.jobs)
    summary, faults, began_s = Summary(), [], time.monotonic()
    for played in archive.play_all(settings, camera, options.files, options.start_s, each):
        for message in played.messages:
            for sink in sinks:
                sink.publish(message)
            summary.count(message)
        summary.frames += played.frames
        summary.media_s += played.media_s
        faults += [] if played.fault is None else [played.fault]
    summary.wall_s = time.monotonic() - began_s
    if faults:
        raise SourceError("; ".join(faults))
    return summary


@dataclass(kw_only=True)
class _Run:
    """One replay under way: clock, frame numbers and sequence go on from file to file."""

    settings: Settings
    options: ReplayOptions
    camera: CameraConfig
    others: tuple[tuple[CameraConfig, Path], ...]
    models: Models
    sinks: Sequence[Sink]
    summary: Summary
    progress: Progress
    annotator: Annotator | None
    clock_s: float
    claims: ClaimInbox | None
    linger: Callable[[], float | None] | None
    next_frame: int = 0
    seq: int = 0

    def one(self, file: Path) -> None:
        """Replay one file, in step with those beside it."""
        source = ReplaySource(file, self.camera, self.clock_s, self.next_frame)
        sources = [source, *(ReplaySource(path, camera, self.clock_s) for camera, path in self.others)]
        cameras = (self.camera, *(camera for camera, _ in self.others))
        stages = build_stages(self.settings, cameras, self.models, seq=self.seq)
        counts = [each.frames_expected for each in sources]
        task = self.progress.add_task(file.name, total=None if None in counts else sum(filter(None, counts)))
        started_s = time.monotonic()
        frames = in_step(sources)
        if self.options.realtime:
            frames = _paced(frames, self.clock_s)
        try:
            observe = self._observer(stages, lambda: self.progress.advance(task))
            run_inline(frames, stages, self._publish, observe, self.claims, linger=self.linger)
        finally:
            for each in sources:
                each.close()
            self.seq = stages.desk.seq
            self.summary.wall_s += time.monotonic() - started_s
            self.summary.media_s += source.end_s - self.clock_s
            self.clock_s, self.next_frame = source.end_s, source.next_seq

    def _publish(self, message: Message) -> None:
        for sink in self.sinks:
            sink.publish(message)
        self.summary.count(message)

    def _observer(self, stages: Stages, tick: Callable[[], None]) -> Callable[[Frame, Tracks, Sequence[Message]], None]:
        alerts: list[tuple[str, str]] = []  # since the last picture of the camera that is drawn

        def observe(frame: Frame, tracks: Tracks, messages: Sequence[Message]) -> None:
            self.summary.frames += 1
            if self.annotator is not None:
                payloads = [json.loads(message.payload) for message in messages if not message.retain]
                alerts.extend(
                    (p["visit_id"], p["summary"]) for p in payloads if "rule" in p and p["camera"] == self.camera.id
                )
                if frame.camera_id == self.camera.id:
                    visits = [stages.desk.visit_of(self.camera.id, track_id) for track_id in tracks.ids.tolist()]
                    self.annotator.draw(frame, tracks, visits, alerts)
                    alerts.clear()
            tick()

        return observe


def _spare_recordings(options: ReplayOptions) -> None:
    recordings = {file.resolve() for file in (*options.files, *(file for _, file in options.beside))}
    for name, path in (("--out", options.out), ("--ledger", options.ledger), ("--annotate", options.annotate)):
        if path is not None and path.resolve() in recordings:
            raise SinkError(f"{name} {path}: is the recording itself and would be overwritten; name another file")


def _possible_together(options: ReplayOptions) -> None:
    for name, given in (("--annotate", options.annotate is not None), ("--realtime", options.realtime)):
        if given and options.side_by_side:
            raise ConfigError(f"{name} shows one file after the other; leave out {name}, or --jobs and --ray")
    if options.beside and options.side_by_side:
        raise ConfigError("--with: cameras that are looked at together are one job; leave out --jobs and --ray")
    if options.jobs > 1 and options.ray:
        raise ConfigError("--jobs and --ray: the cluster knows its own size; leave out one of them")


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


def replay_publisher(settings: Settings, claims: ClaimInbox | None = None) -> MqttSink:
    """Connect to the broker beside the store's daemon, which may be connected too; waits instead of dropping.

    Args:
        settings: the configuration.
        claims: takes what staff claim; nobody listens to them if absent.

    Raises:
        SinkError: the broker cannot be reached or refuses.
    """
    # An id of its own: two clients of one id throw each other out.
    client_id = f"vestibule-{settings.site.id}-replay-{os.getpid()}"
    mqtt = MqttSink(
        settings.mqtt,
        site=settings.site.id,
        announce=False,
        client_id=client_id,
        lossless=True,
        claims=None if claims is None else claims.put,
    )
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


def _paced(frames: Iterable[Frame], start_s: float) -> Iterator[Frame]:
    """Yield frames no earlier than they were captured."""
    began_s = time.monotonic()
    for frame in frames:
        time.sleep(max(0.0, frame.captured_at_s - start_s - (time.monotonic() - began_s)))
        yield frame


def _progress(console: Console | None) -> Progress:
    """A bar on a terminal, nothing in a pipe."""
    console = console or Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)
