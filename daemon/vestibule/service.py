"""`vestibule run`: the daemon, until a signal ends it; SIGHUP has it read its configuration again."""

import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog
from pydantic import SecretStr

from vestibule import config
from vestibule.changeover import Changeover, Passwords, changeover
from vestibule.classifiers import SharedClassifier
from vestibule.clock import SteadyClock
from vestibule.config import Settings
from vestibule.endpoint import Endpoint
from vestibule.errors import ConfigError, VestibuleError
from vestibule.health import Health, cameras_message, summary
from vestibule.installer import Installer
from vestibule.log import configure
from vestibule.metrics import Metrics
from vestibule.notify import Notifier
from vestibule.outputs import Outputs, open_outputs, output_sections
from vestibule.pipeline import LivePipeline
from vestibule.rules import Rules
from vestibule.snapshots import Album, open_album
from vestibule.sources import LiveSources
from vestibule.stages import Models, build_stages, load_models

log = structlog.get_logger()

_TELL_EVERY_S = 30.0


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What to run: a configuration that was found good, with its networks, the cameras' passwords and all secrets."""

    settings: Settings
    models: Models
    passwords: Passwords
    secrets: tuple[SecretStr, ...]

    @property
    def shared_classifier(self) -> SharedClassifier | None:
        """The classifier, if it asks a server."""
        classifier = self.models.classifier
        return classifier if isinstance(classifier, SharedClassifier) else None


@dataclass(kw_only=True)
class _Monitoring:
    """What others can ask of the daemon over HTTP; lives as long as the process."""

    metrics: Metrics
    endpoint: Endpoint
    installer: Installer

    def serve(self, settings: Settings) -> None:
        """Serve it; an address that cannot be used is no reason to leave the staff without alerts."""
        try:
            self.endpoint.serve(settings.metrics)
        except ConfigError as error:
            log.error("metrics not served", problem=str(error))  # noqa: TRY400 - one line says it
        self.serve_installer(settings)

    def serve_installer(self, settings: Settings) -> None:
        """Serve the installer's page as configured; without it the daemon does all else."""
        try:
            self.installer.serve(settings.installer)
        except ConfigError as error:
            log.error("installer's page not served", problem=str(error))  # noqa: TRY400 - one line says it

    def close(self) -> None:
        self.endpoint.close()
        self.installer.close()


@dataclass(kw_only=True)
class _Wishes:
    """What signals have asked for and nobody has seen to yet."""

    stop: bool = False
    reload: bool = False

    def ask_for_reload(self) -> None:
        self.reload = True

    def hear(self) -> None:
        def note_stop(*_: object) -> None:
            self.stop = True

        def note_reload(*_: object) -> None:
            self.ask_for_reload()

        signal.signal(signal.SIGTERM, note_stop)
        signal.signal(signal.SIGINT, note_stop)
        signal.signal(signal.SIGHUP, note_reload)


def run(settings: Settings, path: Path) -> int:
    """Run until SIGTERM or SIGINT, or until all sources are files and over.

    Args:
        settings: the configuration as it was read from `path`.
        path: where SIGHUP reads it again.

    Raises:
        ConfigError: no camera is configured.
        ModelError: a model cannot be loaded.
        SinkError: the events file cannot be written, or another process uses the outbox.
    """
    notifier, wishes, clock = Notifier(), _Wishes(), SteadyClock()
    plan: _Plan | None = _plan(settings)
    wishes.hear()
    metrics = Metrics()
    monitoring = _Monitoring(
        metrics=metrics, endpoint=Endpoint(metrics.pages), installer=Installer(path, wishes.ask_for_reload)
    )
    outputs, seq = open_outputs(settings, clock=clock, acknowledged=metrics.acknowledged), 0
    monitoring.serve(settings)
    try:
        while plan is not None:
            watch = _Watch(
                plan=plan,
                path=path,
                outputs=outputs,
                notifier=notifier,
                wishes=wishes,
                clock=clock,
                monitoring=monitoring,
            )
            seq = _run_plan(plan, watch, clock, seq)
            following = None if watch.next_plan is None else watch.next_plan.settings
            if following is not None and output_sections(following) != output_sections(plan.settings):
                outputs.close()
                outputs = open_outputs(following, clock=clock, acknowledged=metrics.acknowledged)
            plan = watch.next_plan
    finally:
        notifier.stopping()
        monitoring.close()
        outputs.close()
    return 0


def _plan(settings: Settings) -> _Plan:
    if not settings.cameras:
        raise ConfigError("no cameras configured; add [[cameras]] with an id and a source, see config.example.toml")
    if settings.config_version < config.VERSION:
        log.warning("configuration of an earlier version; `vestibule check --migrate` rewrites it")
    passwords = {camera.id: camera.password() for camera in settings.cameras}
    return _Plan(settings=settings, models=load_models(settings), passwords=passwords, secrets=settings.secrets())


def _changeover(before: _Plan, after: _Plan) -> Changeover | None:
    """What can go on where two plans follow each other; None if nothing can, as with other networks."""
    old, new = before.models, after.models
    if (old.detector.manifest, old.classifier.manifest) != (new.detector.manifest, new.classifier.manifest):
        return None
    return changeover(before.settings, after.settings, before.passwords, after.passwords)


def _warn_of_silent_rules(plan: _Plan) -> None:
    rules = Rules(
        rules=plan.settings.alerts,
        thresholds=plan.models.classifier.manifest.all_thresholds,
        zone_info=plan.settings.site.zone_info,
    )
    for rule, label, floor in rules.unalertable():
        log.warning(
            "garment can never alert: its precision could not be established", rule=rule, garment=label, floor=floor
        )


def _run_plan(plan: _Plan, watch: "_Watch", clock: SteadyClock, seq: int) -> int:
    """Run one configuration until it ends; return the number of the last event published."""
    settings = plan.settings
    stages = build_stages(settings, settings.cameras, plan.models, seq=seq)
    _warn_of_silent_rules(plan)
    album = _open_album(settings, clock)
    sources = LiveSources(settings.capture, settings.detail, clock, watch.health.frame)
    pipeline = LivePipeline(
        stages=stages,
        cameras=settings.cameras,
        capture=settings.capture,
        open_camera=sources.open,
        open_main=sources.open_main,
        sinks=watch.outputs.all,
        health=watch.health,
        clock=clock,
        meter=watch.monitoring.metrics,
        onlookers=[watch.monitoring.installer.view, *([] if album is None else [album])],
        claims=watch.outputs.claims,
    )
    watch.show()
    watch.outputs.counters.watch([camera.id for camera in settings.cameras])
    watch.monitoring.installer.watch(settings, watch.health)
    runtimes = {"runtime": plan.models.classifier.runtime, "detector_runtime": plan.models.detector.runtime}
    log.info("running", site=settings.site.id, cameras=len(settings.cameras), **runtimes)
    try:
        pipeline.run(lambda: watch.tick(pipeline))
    finally:
        if album is not None:
            album.close()
    return stages.desk.seq


def _open_album(settings: Settings, clock: SteadyClock) -> Album | None:
    """Open it; a disk that cannot be used is no reason to leave the staff without alerts."""
    try:
        return open_album(settings.snapshots, clock)
    except ConfigError as error:
        log.error("snapshots not kept", problem=str(error))  # noqa: TRY400 - one line says it
        return None


@dataclass(kw_only=True)
class _Watch:
    """What the main thread does a few times a second while one configuration runs.

    Attributes:
        next_plan: what to run once this one has ended; None to end.
    """

    plan: _Plan
    path: Path
    outputs: Outputs
    notifier: Notifier
    wishes: _Wishes
    clock: Callable[[], float]
    monitoring: _Monitoring
    health: Health = field(init=False)
    next_plan: _Plan | None = None
    _ready: bool = False
    _told: tuple[str, float] = ("", 0.0)

    def __post_init__(self) -> None:
        self.health = Health([camera.id for camera in self.plan.settings.cameras], self.clock)

    def show(self) -> None:
        """Have the metrics tell of what runs now."""
        shared = self.plan.shared_classifier
        self.monitoring.metrics.watch(
            self.health,
            self.outputs.mqtt,
            self.plan.settings,
            files=self.outputs.files,
            crops=None if shared is None else shared.crops,
        )

    def tick(self, pipeline: LivePipeline) -> None:
        """Obey signals, feed the watchdog, tell how things are."""
        if self.wishes.stop:
            self.notifier.stopping()
            pipeline.stop.set()
        elif self.wishes.reload:
            self.wishes.reload = False
            self._reload(pipeline)
        shared = self.plan.shared_classifier
        problem = None if shared is None else shared.problem
        self.outputs.tend(self.clock(), [] if problem is None else [problem])
        self.monitoring.installer.view.forget_unwatched()
        if stuck := self.health.stuck():
            self.notifier.status(f"stuck: {', '.join(stuck)}")  # and the watchdog is left to go hungry
        else:
            self.notifier.alive()
            self._tell()

    def _tell(self) -> None:
        broker = self.outputs.mqtt.state
        cameras = self.health.cameras()
        if not self._ready and broker != "connecting" and all(camera.state != "connecting" for camera in cameras):
            self._ready = True
            self.notifier.ready()
        text = f"{summary(cameras)}; broker {broker}"
        self.notifier.status(text)
        now_s = self.clock()
        if text != self._told[0] or now_s - self._told[1] >= _TELL_EVERY_S:
            self._told = (text, now_s)
            settings = self.plan.settings
            self.outputs.mqtt.tell(
                cameras_message(self.health, site=settings.site.id, prefix=settings.mqtt.prefix, at_s=now_s)
            )

    def _reload(self, pipeline: LivePipeline) -> None:
        """Read the configuration again and load its networks; only if all of it is good, change over."""
        self.notifier.reloading()
        try:
            settings = config.load(self.path)
            plan = _plan(settings)
            if settings.metrics != self.plan.settings.metrics:
                self.monitoring.endpoint.serve(settings.metrics)
        except VestibuleError as error:
            log.error("reload refused, the old configuration stays", problem=str(error))  # noqa: TRY400 - one line says it
            self.monitoring.installer.reloaded(problem=str(error))
            self.notifier.ready()
            return
        configure(settings.log, [*plan.secrets, *self.plan.secrets])
        if settings.metrics.enabled and not self.monitoring.endpoint.open:
            self.monitoring.serve(settings)
        self.monitoring.serve_installer(settings)
        self.monitoring.installer.reloaded()
        concerns = _changeover(self.plan, plan)
        if concerns is None:
            log.info("configuration read again", cameras=len(settings.cameras), anew="everything")
            self.next_plan = plan
            pipeline.stop.set()
            return
        log.info("configuration read again", cameras=len(settings.cameras), anew=sorted(concerns.anew))
        self.outputs.counters.watch([camera.id for camera in settings.cameras])
        pipeline.change(settings, anew=concerns.anew, reopened=concerns.reopened)
        self.plan = replace(plan, models=self.plan.models)
        self.show()
        self.monitoring.installer.watch(settings, self.health)
        _warn_of_silent_rules(self.plan)
        self._ready = False  # it is told once the cameras that were opened anew have been tried
