"""The clips that the benchmarks run on, made from the rendered ones that the repository holds."""

import itertools
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from vestibule import demo

Image = npt.NDArray[np.uint8]

BUSY = demo.HERE / "demo.mp4"
"""41 s at 12 frames/s, 640x360; an assistant and a mannequin in view all the time, two to seven people with them."""
AISLE = Path(__file__).parents[1] / "tests" / "footage" / "hidden.mp4"
"""9 s at 10 frames/s, 640x360: an aisle, two people one after the other; nobody in between."""
_EMPTY_FRAME = 32
"""Of the aisle: nobody is in it."""
SIZES = ((640, 360), (1280, 720), (1920, 1080))
_GRAIN = 2.0
"""Standard deviation of the grain that is added to pictures which stand still, grey levels."""
_EMPTY_S = 26.0


def pictures(clip: Path, most: int | None = None) -> Iterator[Image]:
    """Yield a clip's frames, uint8 (H, W, 3) BGR."""
    with av.open(str(clip)) as container:
        for picture in itertools.islice(container.decode(video=0), most):
            yield np.asarray(picture.to_ndarray(format="bgr24"), np.uint8)


def write(path: Path, images: Iterable[Image], fps: int, crf: int = 23) -> Path:
    """Encode BGR pictures as a camera does: H.264 without B-frames, a key frame every two seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": str(crf), "bf": "0", "preset": "ultrafast"})
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = 2 * fps
        for number, image in enumerate(images):
            if not number:
                stream.height, stream.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def scaled(folder: Path, size_wh: tuple[int, int], most: int) -> Path:
    """Return the busy clip at another size."""
    target = folder / f"busy-{size_wh[1]}.mp4"
    if not target.exists():
        write(target, (resized(image, size_wh) for image in pictures(BUSY, most)), 12)
    return target


def resized(image: Image, size_wh: tuple[int, int]) -> Image:
    """Return a picture at another size."""
    return np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_CUBIC), np.uint8)


class Grain:
    """A sensor's grain, the same on all three channels: one field of noise, shifted anew for each picture."""

    def __init__(self, size_wh: tuple[int, int], seed: int, deviation: float = _GRAIN) -> None:
        self._random = np.random.default_rng(seed)
        noise = self._random.standard_normal((size_wh[1], size_wh[0], 1), np.float32) * deviation
        self._field = np.rint(noise).astype(np.int16)

    def on(self, image: Image) -> Image:
        """Return the picture with grain."""
        down, across = (int(self._random.integers(0, side)) for side in self._field.shape[:2])
        shifted = np.roll(self._field, (down, across), (0, 1))
        return np.asarray(np.clip(image + shifted, 0, 255), np.uint8)


def quiet(folder: Path, size_wh: tuple[int, int] = (640, 360)) -> Path:
    """Return a store clip in which next to nothing happens: nobody for 26 s, two people within 9 s, nobody for 26 s.

    The empty store is a frame of the clip with people, with grain that differs from frame to frame.
    """
    target = folder / f"quiet-{size_wh[1]}.mp4"
    if target.exists():
        return target
    people = [resized(image, size_wh) for image in pictures(AISLE)]
    grain = Grain(size_wh, 7)
    empty = [people[_EMPTY_FRAME]] * round(10 * _EMPTY_S)
    return write(target, (grain.on(image) for image in [*empty, *people, *empty]), 10)


def sub_stream(folder: Path, main: Path) -> Path:
    """Return the small stream that a camera sends beside a main one: 640x360, the same pictures."""
    target = folder / f"sub-{main.stem}.mp4"
    if not target.exists():
        small = (
            np.asarray(cv2.resize(image, (640, 360), interpolation=cv2.INTER_AREA), np.uint8)
            for image in pictures(main)
        )
        write(target, small, 25)
    return target


def camera(folder: Path, kind: str) -> Path:
    """Return ten seconds of 1080p25 as a camera sends it; `busy` from the demo's scene, `quiet` the empty one.

    The scenes have fewer frames a second: each is shown twice or three times, under grain of its own.
    """
    target = folder / f"camera-{kind}.mp4"
    if target.exists():
        return target
    scene = list(pictures(BUSY, 300))[180:300] if kind == "busy" else list(pictures(AISLE, _EMPTY_FRAME + 1))[-1:]
    grain = Grain((1920, 1080), 8)
    wide = [resized(image, (1920, 1080)) for image in scene]
    steps = (wide[min(len(wide) - 1, number * 12 // 25)] for number in range(250))
    return write(target, (grain.on(image) for image in steps), 25)
