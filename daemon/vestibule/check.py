"""`vestibule check`: try everything that the daemon needs, one line each."""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TextIO

from vestibule import config
from vestibule.classifiers import build_classifier
from vestibule.detectors import build_detector
from vestibule.endpoint import host_and_port
from vestibule.errors import ConfigError, SinkError, VestibuleError
from vestibule.ledger_reading import summary
from vestibule.ledger_section import LedgerConfig
from vestibule.privacy_sections import InstallerConfig, SnapshotsConfig
from vestibule.rules import Rules
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sinks import check_broker
from vestibule.sources import check_shape, open_source
from vestibule.sources.connection import redacted
from vestibule.web_sections import WebConfig

OLD_VERSION = "its form is of an earlier version; it still works, `vestibule check --migrate` rewrites it"


def check(path: Path, out: TextIO) -> int:
    """Print one line per thing, `ok` or `FAILED` with the remedy; return 0 if all are well, else 1."""
    try:
        settings = config.load(path)
    except ConfigError as error:
        print(f"FAILED {error}", file=out)
        return 1
    if settings.config_version < config.VERSION:
        print(f"old    configuration {path}: {OLD_VERSION}", file=out)
    print(f"ok     configuration {path}: site {settings.site.id}, {len(settings.cameras)} cameras", file=out)
    trials: list[tuple[str, Callable[[], str]]] = [
        ("detector", lambda: _detector(settings)),
        ("classifier", lambda: _classifier(settings)),
        *([] if settings.classifier.remote is None else [("inference server", lambda: _server(settings))]),
        *((f"camera {c.id}", partial(_camera, c, settings.capture)) for c in settings.cameras),
        ("broker", lambda: check_broker(settings.mqtt, site=settings.site.id)),
        ("ledger", lambda: _ledger(settings.ledger)),
    ]
    if settings.snapshots.mode != "off":
        trials.append(("snapshots", lambda: _snapshots(settings.snapshots)))
    if settings.installer.enabled:
        trials.append(("installer", lambda: _installer(settings.installer)))
    if settings.web != WebConfig():
        trials.append(("staff page", lambda: _staff_page(settings.web)))
    if not settings.cameras:
        trials.append(("cameras", _no_camera))
    failed = 0
    for name, trial in trials:
        try:
            print(f"ok     {_named(name, trial())}", file=out, flush=True)
        except VestibuleError as error:
            failed += 1
            print(f"FAILED {_named(name, str(error))}", file=out, flush=True)
    return 1 if failed else 0


def _named(name: str, text: str) -> str:
    """Put the name before a text that does not begin with it."""
    return text if text.startswith(f"{name} ") else f"{name}: {text}"


def _detector(settings: config.Settings) -> str:
    detector = build_detector(settings.detector)
    manifest = detector.manifest
    return f"{manifest.name}@{manifest.version}, {manifest.input.width}x{manifest.input.height} on {detector.runtime}"


def _classifier(settings: config.Settings) -> str:
    classifier = build_classifier(settings.classifier)
    manifest = classifier.manifest
    rules = Rules(rules=settings.alerts, thresholds=manifest.all_thresholds, zone_info=settings.site.zone_info)
    never = "; ".join(f"alert {rule} can never name {label} ({floor})" for rule, label, floor in rules.unalertable())
    return f"{manifest.name}@{manifest.version} on {classifier.runtime}" + (f"; {never}" if never else "")


def _server(settings: config.Settings) -> str:
    from vestibule.classifiers.kserve import KserveClassifier, try_server  # noqa: PLC0415 - loads gRPC

    classifier = build_classifier(settings.classifier)
    assert isinstance(classifier, KserveClassifier) and settings.classifier.remote  # noqa: S101, PT018 - for the types
    return try_server(settings.classifier.remote, classifier.manifest)


def _staff_page(config: WebConfig) -> str:
    from vestibule.web.commands import check_page  # noqa: PLC0415 - loads a web server

    return check_page(config)


def _camera(camera: CameraConfig, capture: CaptureConfig) -> str:
    masks = len(camera.masks)
    masked = f", {masks} privacy mask{'s' if masks > 1 else ''}" if masks else ""
    small = _size(camera, capture)
    if camera.detect_source is None:
        return f"{small[0]}x{small[1]}{masked}"
    main = _size(camera.model_copy(update={"detect_source": None}), capture)
    check_shape(f"camera {camera.id} ({redacted(camera.source)})", main, small)
    return f"{small[0]}x{small[1]} to detect on, people cut out of {main[0]}x{main[1]}{masked}"


def _size(camera: CameraConfig, capture: CaptureConfig) -> tuple[int, int]:
    """Return width and height of the first picture of the stream that is detected on."""
    source = open_source(camera, capture, time.time)
    try:
        height, width = next(source.frames()).image.shape[:2]
        return width, height
    finally:
        source.close()


def _ledger(config: LedgerConfig) -> str:
    path = config.file()
    if path is None:
        return "none is kept; set ledger.path if reports are wanted"
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise SinkError(
            f"ledger {path}: cannot be written by this user; is there a folder {path.parent}, and whose is it?"
        )
    known = summary(path) if path.exists() else "a new one"
    return f"ledger {path}: {known}, kept for {config.retention_days} days"


def _installer(installer: InstallerConfig) -> str:
    installer.password()
    return f"its page is at {host_and_port(str(installer.host), installer.port)}; switch it off when you are done"


def _snapshots(snapshots: SnapshotsConfig) -> str:
    where = snapshots.path() or "the service's state directory"  # which there is only inside of the service
    return f"{snapshots.mode}, in {where} for {snapshots.keep_s / 3600:g} h"


def _no_camera() -> str:
    raise ConfigError("none configured; add [[cameras]] with an id and a source, see config.example.toml")
