"""Small clips made to order: pictures that are known, in every container and in every way broken."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

MILLISECOND = Fraction(1, 1000)


def moving_square(count: int, width: int = 160, height: int = 120) -> Iterator[Image]:
    """A white square that steps 2 px to the right each frame, on dark noise that does not compress away. BGR."""
    noise = np.random.default_rng(0).integers(0, 60, (height, width, 3), dtype=np.uint8)
    for number in range(count):
        image = np.roll(noise, 7 * number, axis=0)
        left = 2 * number % (width - 32)
        image[40:72, left : left + 32] = 255
        yield image


def square_left(image: Image) -> float:
    """Where the square's left edge is, pixels; what a decoder made of `moving_square`."""
    columns = np.flatnonzero(image[44:68].mean(axis=(0, 2)) > 128)
    return float(columns[0]) if columns.size else float("nan")


def grey(count: int, width: int = 160, height: int = 120) -> Iterator[Image]:
    """Pictures of one grey, BGR."""
    for _ in range(count):
        yield np.full((height, width, 3), 128, dtype=np.uint8)


def write_clip(
    path: Path,
    images: Iterable[Image],
    *,
    fps: int = 10,
    codec: str = "libx264",
    times_ms: Iterable[int] | None = None,
    rotation: int = 0,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Encode BGR images; the container is taken from the path's suffix.

    Args:
        path: the file to write.
        images: uint8 (H, W, 3) BGR, all of one size.
        fps: the frame rate; also spaces the frames where `times_ms` is None.
        codec: FFmpeg's name of the encoder.
        times_ms: presentation time of each image.
        rotation: degrees counter-clockwise that a player must turn the picture.
        options: of the encoder.
        container_options: of the container, such as movflags.
    """
    defaults = {"crf": "10", "g": "10", "bf": "0", "preset": "ultrafast"} if codec == "libx264" else {}
    pixels = {"gif": "rgb8", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=fps, options={**defaults, **(options or {})})
        assert isinstance(stream, av.VideoStream)
        if times_ms is not None:
            stream.codec_context.time_base = MILLISECOND
        stream.codec_context.thread_count = 1  # the same bytes however many cores there are
        stream.pix_fmt = pixels
        stream.width, stream.height = 160, 120
        times = iter(times_ms) if times_ms is not None else None
        for number, image in enumerate(images):
            if number == 0:
                stream.height, stream.width = image.shape[:2]
                if rotation:
                    stream.set_display_rotation(rotation)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts = number if times is None else next(times)
            frame.time_base = Fraction(1, fps) if times is None else MILLISECOND
            container.mux(stream.encode(frame))
        container.start_encoding()
        container.mux(stream.encode(None))
    return path


def write_size_change(path: Path, sizes: Iterable[tuple[int, int]], frames_each: int = 10, fps: int = 10) -> Path:
    """An MPEG-TS whose (width, height) changes after every `frames_each` frames, as when a camera is set anew."""
    number = 0
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=fps)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        container.start_encoding()
        for width, height in sizes:
            encoder = av.CodecContext.create("libx264", "w")
            assert isinstance(encoder, av.VideoCodecContext)
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
            encoder.framerate, encoder.time_base, encoder.thread_count = Fraction(fps), Fraction(1, fps), 1
            encoder.options = {"crf": "10", "bf": "0", "preset": "ultrafast"}
            packets = []
            for image in moving_square(frames_each, width, height):
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts, frame.time_base = number, Fraction(1, fps)
                packets += encoder.encode(frame)
                number += 1
            for packet in [*packets, *encoder.encode(None)]:
                packet.stream = stream
                container.mux(packet)
    return path


def cut(source: Path, target: Path, share: float) -> Path:
    """The first `share` (0 to 1) of a file's bytes."""
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def write_tone(path: Path, seconds: float = 0.5) -> Path:
    """A file with sound and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        for start in range(0, int(8000 * seconds), 1024):
            wave = np.sin(np.arange(start, start + 1024, dtype=np.float32) / 5)[None]
            frame = av.AudioFrame.from_ndarray(wave.astype(np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 8000, start, Fraction(1, 8000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
