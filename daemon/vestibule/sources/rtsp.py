"""RTSP cameras over TCP through PyAV; no message, repr or log line ever holds the address's secrets."""

import time
from collections.abc import Callable, Iterator
from urllib.parse import quote, unquote, urlsplit

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from vestibule.errors import SourceError
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources.decoding import Thinning, silence_ffmpeg, to_bgr, use_one_thread
from vestibule.types import Frame

_OPTIONS = {
    "rtsp_transport": "tcp",
    "allowed_media_types": "video",  # sound would keep the read time-out from firing
    "probesize": "50000",
    "fpsprobesize": "0",
}
_LONGEST_LOGIN = 127
"""FFmpeg keeps the escaped user name and password of an address in 128 bytes."""

_ENDED = "the camera ended the stream; check that it is running and not out of connections"


class RtspSource:
    """One RTSP camera, connected.

    Args:
        camera: address, user name and password file.
        capture: time-outs, and how often a frame is analysed.
        clock: Unix seconds, UTC.

    Raises:
        ConfigError: the password file cannot be read.
        SourceError: the camera refuses, does not answer in time or sends no video.
    """

    def __init__(self, camera: CameraConfig, capture: CaptureConfig, clock: Callable[[], float]) -> None:
        silence_ffmpeg()
        self._name = f"camera {camera.id} ({redacted(camera.source)})"
        self._camera_id = camera.id
        self._read_timeout_s = capture.read_timeout_s
        self._thinning = Thinning(capture.analysed_fps)
        self._clock = clock
        self._reading = self._closing = False
        self._container, self._stream = self._connect(camera, capture)

    def frames(self) -> Iterator[Frame]:
        """Yield the frames to analyse as they arrive, until `close`; once.

        Raises:
            SourceError: the stream ended, stalled, broke or changed its frame size.
        """
        self._reading = True
        seq, size = 0, None
        try:
            for picture in self._pictures():
                now_s = self._clock()
                size = size or (picture.width, picture.height)
                if size != (picture.width, picture.height):
                    found = f"the frame size changed from {size[0]}x{size[1]} to {picture.width}x{picture.height}"
                    raise SourceError(f"{self._name}: {found} at frame {seq}; it is opened anew at the new size")
                if self._thinning.due(now_s):
                    yield Frame(camera_id=self._camera_id, seq=seq, captured_at_s=now_s, image=to_bgr(picture))
                seq += 1
        finally:
            self._container.close()

    def close(self) -> None:
        """Stop; idempotent. From another thread, the reading one hangs up within the read time-out.

        Closing a connection on which FFmpeg is reading would crash the process, so the reader does it.
        """
        self._closing = True
        if not self._reading:
            self._container.close()

    def _pictures(self) -> Iterator[av.VideoFrame]:
        packets = self._container.demux(self._stream)
        picture_s = time.monotonic()
        while not self._closing:
            pictures: list[av.VideoFrame] = []
            problem: str | None
            asked_s = time.monotonic()
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                problem = _broken(error, self._read_timeout_s)
            else:
                problem = _ENDED if packet is None else None
                pictures = [] if packet is None else _whole(packet)
            now_s = time.monotonic()
            picture_s = now_s if pictures else picture_s
            if problem is None and now_s - asked_s >= self._read_timeout_s:  # FFmpeg hands out its last packet first
                problem = _stalled(self._read_timeout_s)
            elif problem is None and now_s - picture_s > self._read_timeout_s:
                found = f"data arrives but no picture could be decoded for {self._read_timeout_s:g} s"
                problem = f"{found}; set the camera to H.264 with a key frame every second or two"
            if problem:
                raise SourceError(f"{self._name}: {problem}")  # outside `except`: PyAV's error holds the password
            yield from pictures

    def _connect(self, camera: CameraConfig, capture: CaptureConfig) -> tuple[InputContainer, VideoStream]:
        problem = "the stream holds no video; check the path of the address"
        started_s = time.monotonic()
        try:
            container = av.open(
                _with_login(camera), options=_OPTIONS, timeout=(capture.open_timeout_s, capture.read_timeout_s)
            )
        except av.FFmpegError as error:
            timed_out = time.monotonic() - started_s >= capture.open_timeout_s  # FFmpeg may call that "invalid data"
            problem = _no_connection(error, capture.open_timeout_s, timed_out=timed_out)
        else:
            if container.streams.video:
                use_one_thread(container.streams.video[0])
                return container, container.streams.video[0]
            container.close()
        raise SourceError(f"{self._name}: {problem}")


def redacted(address: str) -> str:
    """Return scheme, host, port and path of an address; user, password and query, where secrets are, stay out."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    path = "/..." if "=" in parts.path else parts.path  # some cameras want user=...&password=... in the path
    return f"{parts.scheme}://{host}{path}"


def _with_login(camera: CameraConfig) -> str:
    """Return the address with user name and password, percent-encoded.

    Raises:
        ConfigError: the password file cannot be read.
        SourceError: they are longer than FFmpeg can hold.
    """
    parts = urlsplit(camera.source)
    secret = camera.password()
    user = camera.username if camera.username is not None else unquote(parts.username or "")
    if not user and secret is None:
        return camera.source
    password = "" if secret is None else secret.get_secret_value()
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    if len(login) > _LONGEST_LOGIN:
        found = f"user name and password take {len(login)} bytes percent-encoded, FFmpeg holds {_LONGEST_LOGIN}"
        raise SourceError(f"camera {camera.id}: {found}; choose a shorter password")
    return parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}").geturl()


def _whole(packet: "av.Packet[VideoStream]") -> list[av.VideoFrame]:
    """Decode; a damaged packet gives nothing, the next key frame mends it."""
    try:
        return [picture for picture in packet.decode() if not picture.is_corrupt]
    except av.FFmpegError:
        return []


def _no_connection(error: av.FFmpegError, timeout_s: float, *, timed_out: bool) -> str:
    """Say why there is no connection, without FFmpeg's own text, which holds the password."""
    match error:
        case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
            return "wrong user name or password (401); check `username` and `password_file`"
        case av.error.HTTPNotFoundError():
            return "the camera has no such stream (404); check the path of the address in the camera's manual"
        case av.error.ConnectionRefusedError():
            return "connection refused; check host and port, and that RTSP is switched on in the camera"
        case _ if timed_out or isinstance(error, av.error.ExitError | av.error.TimeoutError):
            return f"no answer within {timeout_s:g} s; check host, network and firewall, or raise open_timeout_s"
        case _:
            return f"cannot be opened ({error.strerror}); check host, port, path and network"


def _broken(error: av.FFmpegError, timeout_s: float) -> str:
    match error:
        case av.error.ExitError() | av.error.TimeoutError():
            return _stalled(timeout_s)
        case _:
            return f"the connection broke ({error.strerror}); check camera and network"


def _stalled(timeout_s: float) -> str:
    return f"the camera sent nothing for {timeout_s:g} s; check camera and network, or raise read_timeout_s"
