"""RTSP and HTTP cameras through PyAV; no message, repr or log line ever holds the address's secrets."""

import ssl
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote, unquote, urlsplit

import av
import structlog
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from vestibule.errors import SourceError, SourceProblem
from vestibule.log import mask_too
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources import hardware
from vestibule.sources.arrival import ArrivalClock
from vestibule.sources.decoding import Count, Thinning, is_blank, silence_ffmpeg, to_bgr, use_one_thread
from vestibule.sources.framing import Framing
from vestibule.types import Frame

log = structlog.get_logger()

_LONGEST_LOGIN = 127
"""FFmpeg keeps the escaped user name and password of an RTSP address in 128 bytes."""

_ENDED = "the camera ended the stream; check that it is running and not out of connections"


class NetworkSource:
    """One camera of the network, connected.

    Of a camera whose pictures stand alone (MJPEG) only those to analyse are decoded; of others (H.264) all are, since
    each builds on the one before, and only those to analyse are converted to BGR.

    Args:
        camera: address, transport, authority, user name and password.
        capture: time-outs, how often a frame is analysed and how old it may be.
        clock: Unix seconds, UTC.
        count: told what becomes of each frame that is not given out.

    Raises:
        ConfigError: the password cannot be read.
        SourceError: the camera refuses, does not answer in time or sends no video.
    """

    def __init__(self, camera: CameraConfig, capture: CaptureConfig, clock: Callable[[], float], count: Count) -> None:
        silence_ffmpeg()
        self._name = f"camera {camera.id} ({redacted(camera.source)})"
        self._camera_id = camera.id
        self._framing, self._reformatter = Framing(camera), VideoReformatter()
        self._capture = capture
        self._thinning = Thinning(capture.analysed_fps)
        self._arrivals = ArrivalClock(capture.max_frame_age_s)
        self._clock, self._count = clock, count
        self._reading = self._closing = False
        self._seq = 0
        self._size: tuple[int, int] | None = None
        self._undecoded_since_s: float | None = None
        self._container, self._stream = self._connect(camera, capture)
        # Where FFmpeg makes up the stamps (HTTP), they say nothing of when a picture was taken.
        self._has_stamps = urlsplit(camera.source).scheme.lower() in ("rtsp", "rtsps")
        codec = self._stream.codec_context.codec
        self._each_alone = bool(codec.intra_only)

    def frames(self) -> Iterator[Frame]:
        """Yield the frames to analyse as they arrive, until `close`; once.

        Raises:
            SourceError: the stream ended, stalled or broke.
        """
        self._reading = True
        try:
            for packet in self._packets():
                arrived_s = self._clock()
                if self._each_alone and not self._thinning.due(arrived_s):
                    self._seq += 1
                    self._count("captured")
                    self._count("thinned")
                    continue
                for picture in self._decoded(packet):
                    if frame := self._frame(picture, arrived_s):
                        yield frame
        finally:
            self._container.close()

    def close(self) -> None:
        """Stop; idempotent. From another thread, the reading one hangs up within the read time-out.

        Closing a connection on which FFmpeg is reading would crash the process, so the reader does it.
        """
        self._closing = True
        if not self._reading:
            self._container.close()

    def _packets(self) -> "Iterator[av.Packet[VideoStream]]":
        timeout_s = self._capture.read_timeout_s
        packets = self._container.demux(self._stream)
        while not self._closing:
            packet, trouble = None, None
            asked_s = time.monotonic()
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                trouble = _broken(error, timeout_s)
            now_s = time.monotonic()
            if trouble is None and now_s - asked_s >= timeout_s:  # FFmpeg hands out its last packet first
                trouble = _stalled(timeout_s)
            if trouble is not None:
                raise SourceError(
                    f"{self._name}: {trouble[0]}", trouble[1]
                )  # outside `except`: PyAV's has the password
            if packet is None:
                raise SourceError(f"{self._name}: {_ENDED}")
            yield packet
            if self._undecoded_since_s is not None and now_s - self._undecoded_since_s > timeout_s:
                found = f"data arrives but no picture could be decoded for {timeout_s:g} s"
                raise SourceError(
                    f"{self._name}: {found}; set the camera to H.264 with a key frame every second or two", "frozen"
                )

    def _decoded(self, packet: "av.Packet[VideoStream]") -> list[av.VideoFrame]:
        """Decode; a damaged packet gives nothing, the next key frame mends it."""
        try:
            pictures = packet.decode()
        except av.FFmpegError:
            pictures = []
            self._count("corrupt")
        whole = [picture for picture in pictures if not picture.is_corrupt]
        for _ in range(len(pictures) - len(whole)):
            self._count("corrupt")
        if whole:
            self._undecoded_since_s = None
        elif self._undecoded_since_s is None:
            self._undecoded_since_s = time.monotonic()
        return whole

    def _frame(self, picture: av.VideoFrame, arrived_s: float) -> Frame | None:
        """Return the picture as a frame, or None, counted, if it is not to be analysed."""
        stamped = self._has_stamps and picture.pts is not None and picture.time_base is not None
        captured_at_s = self._arrivals.captured_at_s(arrived_s, picture.time if stamped else None)
        seq, self._seq = self._seq, self._seq + 1
        self._count("captured")
        if not picture.width or not picture.height:
            self._count("empty")
            return None
        self._note_size((picture.width, picture.height))
        if arrived_s - captured_at_s > self._capture.max_frame_age_s:
            self._count("too_old")
            return None
        if not self._each_alone and not self._thinning.due(captured_at_s):
            self._count("thinned")
            return None
        image = to_bgr(picture, self._reformatter)
        if is_blank(image):
            self._count("blank")
            return None
        return self._framing.frame(seq=seq, captured_at_s=captured_at_s, image=image)

    def _note_size(self, size: tuple[int, int]) -> None:
        if self._size not in (None, size):
            self._count("resized")
            log.info("frame size changed", camera=self._camera_id, width=size[0], height=size[1])
        self._size = size

    def _connect(self, camera: CameraConfig, capture: CaptureConfig) -> tuple[InputContainer, VideoStream]:
        problem: tuple[str, SourceProblem] = "the stream holds no video; check the path of the address", "offline"
        started_s = time.monotonic()
        try:
            container = av.open(
                _with_login(camera),
                options=_options(camera),
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
        raise SourceError(f"{self._name}: {problem[0]}", problem[1])


def _options(camera: CameraConfig) -> dict[str, str]:
    """Return FFmpeg's options for the camera's address."""
    options = {"probesize": "50000"}
    scheme = urlsplit(camera.source).scheme.lower()
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
