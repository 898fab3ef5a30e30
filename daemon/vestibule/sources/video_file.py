"""One recorded video file, decoded in order by FFmpeg; what is wrong with it is said in one line."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from vestibule.errors import SourceError
from vestibule.sources.decoding import MediaClock, picture_size, silence_ffmpeg, use_one_thread

_DEFAULT_PERIOD_S = 1 / 25
_NO_FRAMES = "the video holds no frames; record it again or name another file"
_NOT_VIDEO = re.compile(r"_pipe$|^(image2|tty|lrc)")
"""Demuxers that read a still picture, or any text file, as if it were a video."""


class VideoFile:
    """A video file, opened; its first picture is decoded already.

    Attributes:
        path: the file.
        width: pixels, as seen (after the rotation that the container asks for).
        height: pixels, likewise.
        period_s: time between frames by the container's average rate.
        frames_expected: frames by the container's header or duration; None if it says nothing.
        duration_s: by the container; None if it says nothing.

    Raises:
        SourceError: the file is missing, empty, no video, or not one picture of it can be decoded.
    """

    def __init__(self, path: Path) -> None:
        silence_ffmpeg()
        self.path = path
        self._container = _open(path)
        self._reading = self._closing = False
        self._damaged = 0
        try:
            self._stream = _video_stream(path, self._container)
        except SourceError:
            self._container.close()
            raise
        self.period_s = float(1 / self._stream.average_rate) if self._stream.average_rate else _DEFAULT_PERIOD_S
        self._decoded = self._decode()
        first = next(self._decoded, None)
        if first is None:
            problem = self._no_picture()
            self._container.close()
            raise SourceError(problem)
        self._first = first
        self._damaged = 0  # a recording may start between two key frames; what cannot be decoded before is no damage
        self.width, self.height = picture_size(first)
        self.duration_s = _duration_s(self._container, self._stream, self._stamp_s(first) or 0.0)
        self.frames_expected = self._stream.frames or (
            None if self.duration_s is None else max(1, round(self.duration_s / self.period_s))
        )

    def pictures(self) -> Iterator[tuple[float, av.VideoFrame]]:
        """Yield (seconds since the first frame, picture), in order, once; then let go of the file.

        Raises:
            SourceError: after all readable pictures: the file is cut short or damaged, or its frame size changes.
        """
        self._reading = True
        clock = MediaClock(self.period_s)
        count, end_s = 0, 0.0
        try:
            for picture in itertools.chain([self._first], self._decoded):
                if self._closing:
                    return
                if picture_size(picture) != (self.width, self.height):
                    raise SourceError(self._size_changed(count, picture))
                time_s = clock.time_s(self._stamp_s(picture))
                yield time_s, picture
                lasts_s = float(picture.duration * picture.time_base) if picture.duration and picture.time_base else 0.0
                count, end_s = count + 1, time_s + max(lasts_s, self.period_s)
            if problem := self._incomplete(count, end_s):
                raise SourceError(problem)
        finally:
            self._container.close()

    def close(self) -> None:
        """Stop; may be called from another thread, in which case the reading one lets go of the file."""
        self._closing = True
        if not self._reading:
            self._container.close()

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Yield the whole pictures; count the packets and pictures that are not."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                self._damaged += 1
                return
            if packet is None:
                return
            if packet.is_corrupt:  # a part of a picture; some decoders make half a picture of it
                self._damaged += 1
                continue
            try:
                pictures = packet.decode()
            except av.FFmpegError:
                self._damaged += 1
                continue
            for picture in pictures:
                if picture.is_corrupt:
                    self._damaged += 1
                else:
                    yield picture

    def _stamp_s(self, picture: av.VideoFrame) -> float | None:
        """Return the container's time in seconds; AVI has decoding times only, FFmpeg's guesses at the other jump."""
        stamp = picture.dts if self._container.format.name == "avi" else picture.pts
        return None if stamp is None or picture.time_base is None else float(stamp * picture.time_base)

    def _no_picture(self) -> str:
        if self._damaged or self._stream.frames:
            found = f"0 of {self._stream.frames or 'its'} frames can be decoded"
            return f"{self.path}: {found}; the file is cut short or damaged, copy or record it again"
        return f"{self.path}: {_NO_FRAMES}"

    def _size_changed(self, number: int, picture: av.VideoFrame) -> str:
        width, height = picture_size(picture)
        return (
            f"{self.path}: frame {number} is {width}x{height}, those before it are {self.width}x{self.height} and were "
            f"processed; make it one size first: ffmpeg -i IN -vf scale={self.width}:{self.height} OUT"
        )

    def _incomplete(self, count: int, end_s: float) -> str | None:
        """Say what is missing at the end, by what the container itself declares; None if nothing is."""
        missing, slack_s = False, max(0.1, 2 * self.period_s)
        match self._container.format.name.split(",")[0]:
            case "mov":  # the index says where each frame lies; counts may differ for good reason (edit lists)
                size = self.path.stat().st_size
                missing = any(entry.pos + entry.size > size for entry in self._stream.index_entries)
            case "avi":
                missing = end_s < self._stream.frames * self.period_s - slack_s
            case "gif":
                missing = not _ends_with(self.path, b";")
            case "matroska":
                missing = self.duration_s is not None and end_s < self.duration_s - slack_s
        expected = self.frames_expected or 0
        of = f"{count} of {expected} frames" if expected > count else f"{count} frames"
        if missing:
            return f"{self.path}: the video is cut short: {of} were readable and processed; copy or record it again"
        if self._damaged:
            found = f"parts of it are damaged ({self._damaged} skipped), {of} were readable and processed"
            return f"{self.path}: {found}; copy or record the file again"
        return None


def _open(path: Path) -> InputContainer:
    if problem := _unreadable(path):
        raise SourceError(problem)
    # A raw stream of JPEGs looks like one JPEG; its name tells. Only files: a playlist must not fetch from elsewhere.
    form = "mjpeg" if path.suffix.lower() in (".mjpeg", ".mjpg") else None
    try:
        container = av.open(
            str(path.absolute()), format=form, options={"protocol_whitelist": "file"}, metadata_errors="replace"
        )
    except av.FFmpegError as error:
        with path.open("rb") as file:
            is_mp4 = file.read(8)[4:] == b"ftyp"
        if isinstance(error, av.error.EOFError):
            problem = _NO_FRAMES
        elif is_mp4:
            problem = "is an MP4 without a readable index: it was cut short when recorded or copied; do that again"
        else:
            problem = f"is not a video ({error.strerror}); name a video file such as MP4, MKV or AVI"
        raise SourceError(f"{path}: {problem}") from error
    if _NOT_VIDEO.search(container.format.name):
        container.close()
        raise SourceError(
            f"{path}: is a still picture or a text, not a video; name a video file such as MP4, MKV or AVI"
        )
    return container


def _ends_with(path: Path, end: bytes) -> bool:
    with path.open("rb") as file:
        file.seek(-min(len(end) + 16, path.stat().st_size), 2)
        return file.read().rstrip(b"\0").endswith(end)


def _unreadable(path: Path) -> str | None:
    if path.exists() and not path.is_file():
        return f"{path}: is {'a directory' if path.is_dir() else 'no regular file'}; name a video file"
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        return f"{path}: no such video file; check the path (it counts from {Path.cwd()})"
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror}); check its permissions"
    return f"{path}: is empty (0 bytes); record or copy it again" if empty else None


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    attached = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & attached]
    if not streams:
        others = ", ".join(sorted({stream.type for stream in container.streams}))
        if not others:
            raise SourceError(f"{path}: {_NO_FRAMES}")
        raise SourceError(f"{path}: holds no video, only {others}; name a file with a video stream")
    if getattr(streams[0], "codec_context", None) is None:
        raise SourceError(
            f"{path}: this FFmpeg has no decoder for its video; convert it: ffmpeg -i IN -c:v libx264 OUT.mp4"
        )
    use_one_thread(streams[0])
    return streams[0]


def _duration_s(container: InputContainer, stream: VideoStream, start_s: float) -> float | None:
    """Return how long the pictures last by the container, whose clock shows `start_s` at the first."""
    if tag := re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", "")):
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]) - start_s  # Matroska says when it ends
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None and len(container.streams) == 1:  # else it may be the sound that is this long
        return container.duration / av.time_base - start_s
    return None
