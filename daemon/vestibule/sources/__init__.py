"""Cameras and files -> Frames."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, Protocol, assert_never
from urllib.parse import urlsplit

from vestibule.errors import SourceError
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources.replay import PacedSource, ReplaySource
from vestibule.sources.rtsp import RtspSource, redacted
from vestibule.sources.usb import UsbSource
from vestibule.types import Frame

__all__ = ["ReplaySource", "Source", "is_file", "open_source"]


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


def open_source(camera: CameraConfig, capture: CaptureConfig, clock: Callable[[], float]) -> Source:
    """Open one camera for the daemon: frames are stamped by `clock` and thinned to `capture.analysed_fps`.

    Args:
        camera: `rtsp://` or `rtsps://`; an index or a path under /dev; else a video file, played once at its own pace.
        capture: time-outs and rate.
        clock: Unix seconds, UTC.

    Raises:
        ConfigError: the password file cannot be read.
        SourceError: the source cannot be opened.
    """
    kind = _kind(camera)
    match kind:
        case "rtsp":
            return RtspSource(camera, capture, clock)
        case "usb":
            return UsbSource(camera, capture, clock)
        case "file":
            return PacedSource(camera, capture, clock)
        case _:
            assert_never(kind)


def is_file(camera: CameraConfig) -> bool:
    """Whether the source is recorded video, which ends, and which trying again would only play again."""
    return _kind(camera) == "file"


def _kind(camera: CameraConfig) -> Literal["rtsp", "usb", "file"]:
    source = camera.source
    if "://" in source:
        if urlsplit(source).scheme.lower() in ("rtsp", "rtsps"):
            return "rtsp"
        remedy = "use rtsp://, rtsps://, a USB camera's index or /dev/video*, or a video file"
        raise SourceError(f"camera {camera.id} ({redacted(source)}): this kind of address is not supported; {remedy}")
    if source.isdecimal() or Path(source).is_relative_to("/dev"):
        return "usb"
    return "file"
