"""Cameras and files -> Frames."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, Protocol, assert_never
from urllib.parse import urlsplit

from vestibule.errors import SourceError
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources.decoding import Count, Fate
from vestibule.sources.network import NetworkSource, redacted
from vestibule.sources.replay import PacedSource, ReplaySource
from vestibule.sources.usb import UsbSource
from vestibule.types import Frame

__all__ = ["Count", "Fate", "ReplaySource", "Source", "is_file", "open_source"]


class Source(Protocol):
    """Gives frames. Opened by its constructor, iterated once, by one thread."""

    def frames(self) -> Iterator[Frame]:
        """Yield frames, blocking in between; return when a file is over.

        Raises:
            SourceError: the camera or the file gives no more.
        """
        ...

    def close(self) -> None:
        """Stop and let go; idempotent, may be called from another thread."""
        ...


def _ignore(_fate: Fate) -> None:
    """Count nothing."""


def open_source(
    camera: CameraConfig, capture: CaptureConfig, clock: Callable[[], float], count: Count = _ignore
) -> Source:
    """Open one camera for the daemon: frames are stamped by `clock` and thinned to `capture.analysed_fps`.

    Args:
        camera: `rtsp://`, `rtsps://`, `http://` or `https://` (MJPEG); an index or a path under /dev; else a
            video file, played once at its own pace.
        capture: time-outs and rate.
        clock: Unix seconds, UTC.
        count: told of every frame that arrives, and what becomes of those that are not given out; also a sign of life.

    Raises:
        ConfigError: the password file cannot be read.
        SourceError: the source cannot be opened.
    """
    kind = _kind(camera)
    match kind:
        case "network":
            return NetworkSource(camera, capture, clock, count)
        case "usb":
            return UsbSource(camera, capture, clock, count)
        case "file":
            return PacedSource(camera, capture, clock, count)
        case _:
            assert_never(kind)


def is_file(camera: CameraConfig) -> bool:
    """Whether the source is recorded video, which ends, and which trying again would only play again."""
    return _kind(camera) == "file"


def _kind(camera: CameraConfig) -> Literal["network", "usb", "file"]:
    source = camera.source
    if "://" in source:
        if urlsplit(source).scheme.lower() in ("rtsp", "rtsps", "http", "https"):
            return "network"
        remedy = "use rtsp://, rtsps://, http://, https://, a USB camera's index or /dev/video*, or a video file"
        raise SourceError(f"camera {camera.id} ({redacted(source)}): this kind of address is not supported; {remedy}")
    if source.isdecimal() or Path(source).is_relative_to("/dev"):
        return "usb"
    return "file"
