"""Cameras and files -> Frames."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal, Protocol, assert_never
from urllib.parse import urlsplit

from vestibule.detail_section import DetailConfig
from vestibule.errors import SourceError
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources.connection import redacted
from vestibule.sources.decoding import Count, Fate
from vestibule.sources.main_stream import MainPictures, MainStream, check_shape
from vestibule.sources.network import NetworkSource
from vestibule.sources.replay import PacedSource, ReplaySource
from vestibule.sources.usb import UsbSource
from vestibule.types import Frame

__all__ = ["Count", "Fate", "LiveSources", "ReplaySource", "Source", "check_shape", "is_file", "open_source"]


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
    camera: CameraConfig,
    capture: CaptureConfig,
    clock: Callable[[], float],
    count: Count = _ignore,
    main: MainPictures | None = None,
) -> Source:
    """Open one camera for the daemon: frames are stamped by `clock` and thinned to `capture.analysed_fps`.

    Args:
        camera: `rtsp://`, `rtsps://`, `http://` or `https://` (MJPEG); an index or a path under /dev; else a
            video file, played once at its own pace.
        capture: time-outs and rate.
        clock: Unix seconds, UTC.
        count: told of every frame that arrives, and what becomes of those that are not given out; also a sign of life.
        main: of a camera with `detect_source`, where frames find what its main stream shows.

    Raises:
        ConfigError: the password file cannot be read.
        SourceError: the source cannot be opened.
    """
    kind = _kind(camera)
    match kind:
        case "network":
            return NetworkSource(camera, capture, clock, count, main)
        case "usb":
            return UsbSource(camera, capture, clock, count)
        case "file":
            return PacedSource(camera, capture, clock, count)
        case _:
            assert_never(kind)


class LiveSources:
    """Opens the cameras of one pipeline, those that offer two streams by each of them.

    Args:
        capture: as of `open_source`.
        detail: what is done with main streams.
        clock: Unix seconds, UTC.
        note: told, by the camera's id, what becomes of pictures of its main stream.
    """

    def __init__(
        self,
        capture: CaptureConfig,
        detail: DetailConfig,
        clock: Callable[[], float],
        note: Callable[[str, Fate], None],
    ) -> None:
        self._capture, self._detail, self._clock, self._note = capture, detail, clock, note
        self._mains: dict[str, MainPictures] = {}

    def open(self, camera: CameraConfig, count: Count) -> Source:
        """Open what is detected on, as `open_source`."""
        main = None if camera.detect_source is None else self._pictures(camera)
        return open_source(camera, self._capture, self._clock, count, main)

    def open_main(self, camera: CameraConfig, count: Count) -> Source:
        """Open the main stream of a camera with `detect_source`; it gives no frames, those of `open` find it.

        Raises:
            ConfigError: the password file cannot be read.
            SourceError: the stream cannot be opened, or is of another shape than the sub-stream.
        """
        return MainStream(
            camera,
            capture=self._capture,
            config=self._detail,
            clock=self._clock,
            count=count,
            pictures=self._pictures(camera),
        )

    def _pictures(self, camera: CameraConfig) -> MainPictures:
        # One step, since a camera's two threads come for it at once.
        return self._mains.setdefault(camera.id, MainPictures(self._detail, partial(self._note, camera.id)))


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
