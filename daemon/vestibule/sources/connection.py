"""One stream of a camera over RTSP or HTTP, through PyAV; no message, repr or log line ever holds its secrets."""

import ssl
import time
from collections.abc import Generator
from urllib.parse import quote, unquote, urlsplit

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from vestibule.errors import SourceError, SourceProblem
from vestibule.log import mask_too
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources import hardware
from vestibule.sources.decoding import Count, silence_ffmpeg, use_one_thread

_LONGEST_LOGIN = 127
"""FFmpeg keeps the escaped user name and password of an RTSP address in 128 bytes."""

_ENDED = "the camera ended the stream; check that it is running and not out of connections"


class Connection:
    """One stream, connected: packets, and pictures of those that are to be decoded.

    Args:
        camera: transport, authority, user name and password.
        address: of the stream.
        capture: time-outs, and what to decode with.
        count: told of what arrives damaged.

    Attributes:
        name: camera and address, without secrets.
        has_stamps: where FFmpeg makes up the stamps (HTTP), they say nothing of when a picture was taken.
        each_alone: the pictures do not build on each other (MJPEG).

    Raises:
        ConfigError: the password cannot be read.
        SourceError: the camera refuses, does not answer in time or sends no video.
    """

    def __init__(self, camera: CameraConfig, address: str, capture: CaptureConfig, count: Count) -> None:
        silence_ffmpeg()
        self.name = f"camera {camera.id} ({redacted(address)})"
        self._timeout_s, self._count = capture.read_timeout_s, count
        self._reading = self._closing = False
        self._undecoded_since_s: float | None = None
        self._container, self._stream = self._connect(camera, address, capture)
        self._stream.codec_context.copy_opaque = True  # what is noted of a packet is then found at its picture
        self.has_stamps = urlsplit(address).scheme.lower() in ("rtsp", "rtsps")
        self.each_alone = bool(self._stream.codec_context.codec.intra_only)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures, as far as they are known before one is decoded; else zeros."""
        return self._stream.codec_context.width, self._stream.codec_context.height

    def packets(self) -> "Generator[av.Packet[VideoStream]]":
        """Yield what arrives, until `close`; once.

        Raises:
            SourceError: the stream ended, stalled or broke.
        """
        self._reading = True
        try:
            packets = self._container.demux(self._stream)
            while not self._closing:
                packet, trouble = None, None
                asked_s = time.monotonic()
                try:
                    packet = next(packets, None)
                except av.FFmpegError as error:
                    trouble = _broken(error, self._timeout_s)
                if trouble is None and time.monotonic() - asked_s >= self._timeout_s:
                    trouble = _stalled(self._timeout_s)  # FFmpeg hands out its last packet first
                if trouble is not None:  # raised outside `except`: PyAV's error has the password
                    raise SourceError(f"{self.name}: {trouble[0]}", trouble[1])
                if packet is None:
                    raise SourceError(f"{self.name}: {_ENDED}")
                yield packet
        finally:
            self._container.close()

    def decode(self, packet: "av.Packet[VideoStream]") -> list[av.VideoFrame]:
        """Decode; a damaged packet gives nothing, the next key frame mends it.

        Raises:
            SourceError: none could be decoded for as long as the camera may send nothing.
        """
        try:
            pictures = packet.decode()
        except av.FFmpegError:
            pictures = []
            self._count("corrupt")
        whole = [picture for picture in pictures if not picture.is_corrupt]
        for _ in range(len(pictures) - len(whole)):
            self._count("corrupt")
        if whole:
            self.pause()
            return whole
        now_s = time.monotonic()
        if self._undecoded_since_s is None:
            self._undecoded_since_s = now_s
        if now_s - self._undecoded_since_s > self._timeout_s:
            found = f"data arrives but no picture could be decoded for {self._timeout_s:g} s"
            raise SourceError(
                f"{self.name}: {found}; set the camera to H.264 with a key frame every second or two", "frozen"
            )
        return []

    def pause(self) -> None:
        """Note that all is well or that nothing is to be decoded for a while, which is no fault of the stream's."""
        self._undecoded_since_s = None

    def close(self) -> None:
        """Stop; idempotent. From another thread, the reading one hangs up within the read time-out.

        Closing a connection on which FFmpeg is reading would crash the process, so the reader does it.
        """
        self._closing = True
        if not self._reading:
            self._container.close()

    def _connect(
        self, camera: CameraConfig, address: str, capture: CaptureConfig
    ) -> tuple[InputContainer, VideoStream]:
        problem: tuple[str, SourceProblem] = "the stream holds no video; check the path of the address", "offline"
        started_s = time.monotonic()
        try:
            container = av.open(
                _with_login(camera, address),
                options=_options(camera, address),
                timeout=(capture.open_timeout_s, capture.read_timeout_s),
                hwaccel=hardware.decoder(capture.hardware),
            )
        except av.FFmpegError as error:
            timed_out = time.monotonic() - started_s >= capture.open_timeout_s  # FFmpeg may call that "invalid data"
            problem = _no_connection(error, capture.open_timeout_s, timed_out=timed_out)
        else:
            if container.streams.video:
                use_one_thread(container.streams.video[0])
                return container, container.streams.video[0]
            container.close()
        raise SourceError(f"{self.name}: {problem[0]}", problem[1])


def _options(camera: CameraConfig, address: str) -> dict[str, str]:
    """Return FFmpeg's options for one of the camera's addresses."""
    options = {"probesize": "50000"}
    scheme = urlsplit(address).scheme.lower()
    if scheme in ("rtsp", "rtsps"):
        # Sound would keep the read time-out from firing.
        options |= {"rtsp_transport": camera.transport, "allowed_media_types": "video", "fpsprobesize": "0"}
    if scheme in ("rtsps", "https") and camera.verify_tls:
        authority = camera.ca_file or ssl.get_default_verify_paths().cafile  # FFmpeg's build knows no system's own
        options |= {"tls_verify": "1", **({"ca_file": str(authority)} if authority else {})}
    return options


def redacted(address: str) -> str:
    """Return scheme, host, port and path of an address; user, password and query, where secrets are, stay out."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    path = "/..." if "=" in parts.path else parts.path  # some cameras want user=...&password=... in the path
    return f"{parts.scheme}://{host}{path}"


def _with_login(camera: CameraConfig, address: str) -> str:
    """Return the address with user name and password, percent-encoded.

    Raises:
        ConfigError: the password file cannot be read.
        SourceError: they are longer than FFmpeg can hold.
    """
    parts = urlsplit(address)
    secret = camera.password()
    user = camera.username if camera.username is not None else unquote(parts.username or "")
    if not user and secret is None:
        return address
    if secret is not None:
        mask_too(secret)
    password = "" if secret is None else secret.get_secret_value()
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    if parts.scheme.lower() in ("rtsp", "rtsps") and len(login) > _LONGEST_LOGIN:
        found = f"user name and password take {len(login)} bytes percent-encoded, FFmpeg holds {_LONGEST_LOGIN}"
        raise SourceError(f"camera {camera.id}: {found}; choose a shorter password")
    return parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}").geturl()


def _no_connection(error: av.FFmpegError, timeout_s: float, *, timed_out: bool) -> tuple[str, SourceProblem]:
    """Say why there is no connection, without FFmpeg's own text, which holds the password."""
    match error:
        case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
            return (
                "wrong user name or password (401); check `username` and `password_file` or `password_env`",
                "unauthorised",
            )
        case av.error.HTTPNotFoundError():
            return (
                "the camera has no such stream (404); check the path of the address in the camera's manual",
                "offline",
            )
        case av.error.ConnectionRefusedError():
            return "connection refused; check host and port, and that streaming is switched on in the camera", "offline"
        case _ if timed_out or isinstance(error, av.error.ExitError | av.error.TimeoutError):
            return (
                f"no answer within {timeout_s:g} s; check host, network and firewall, or raise open_timeout_s",
                "offline",
            )
        case _:
            hint = "; with rtsps or https also its certificate (`ca_file`)"
            return f"cannot be opened ({error.strerror}); check host, port, path and network{hint}", "offline"


def _broken(error: av.FFmpegError, timeout_s: float) -> tuple[str, SourceProblem]:
    match error:
        case av.error.ExitError() | av.error.TimeoutError():
            return _stalled(timeout_s)
        case _:
            return f"the connection broke ({error.strerror}); check camera and network", "offline"


def _stalled(timeout_s: float) -> tuple[str, SourceProblem]:
    return f"the camera sent nothing for {timeout_s:g} s; check camera and network, or raise read_timeout_s", "frozen"
