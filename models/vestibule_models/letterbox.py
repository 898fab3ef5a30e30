"""Fitting a picture into a network's input without changing its aspect, and finding the way back.

Shared by what trains and measures networks and by the daemon that runs them, so that both see the same pixels.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vestibule_models.artifact import InputSpec

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

_AREA_BELOW_SCALE = 0.6
"""Bilinear sampling skips pixels when it shrinks by more than about this; averaging areas does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a picture lies in the network's input.

    Attributes:
        scale_x: input pixels per frame pixel.
        scale_y: input pixels per frame pixel.
        left: input pixels left of the frame.
        top: input pixels above the frame.
        frame_width: pixels.
        frame_height: pixels.
    """

    scale_x: float
    scale_y: float
    left: int
    top: int
    frame_width: int
    frame_height: int

    def to_frame(self, boxes_xyxy: Floats) -> Floats:
        """Turn boxes (N, 4) in input pixels into frame pixels, clipped to the frame."""
        offset = np.array([self.left, self.top] * 2, np.float32)
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float32)
        limit = np.array([self.frame_width, self.frame_height] * 2, np.float32)
        return np.asarray(np.clip((boxes_xyxy - offset) / scale, np.float32(0), limit), np.float32)


def letterbox(
    image: Bytes, spec: InputSpec, *, by_halves: bool = False, out: Bytes | None = None, memory: Bytes | None = None
) -> tuple[Bytes, Placement]:
    """Fit a picture into the network's input without changing its aspect.

    Args:
        image: uint8 (H, W, 3), any size from 1x1; the order of its channels is kept.
        spec: the network's input.
        by_halves: halve a large picture first, for as long as it stays larger than its place: half a grey level from
            the mean of each area, and of a 1920x1080 frame in a sixth of the time.
        out: uint8 (height, width, 3), C-contiguous, to write into; a new array if absent.
        memory: for the halves, as `halved` takes it.

    Returns:
        uint8 (height, width, 3), which is `out` if given, and where the picture lies in it.
    """
    height, width = image.shape[:2]
    inner_width, inner_height = inner_wh(image, spec)
    small = halved(image, (inner_width, inner_height), memory) if by_halves else image
    left_scale = _scale(image, spec) * (height / small.shape[0])
    how = cv2.INTER_AREA if left_scale < _AREA_BELOW_SCALE else cv2.INTER_LINEAR
    centred = spec.resize == "letterbox-centre"
    left = (spec.width - inner_width) // 2 if centred else 0
    top = (spec.height - inner_height) // 2 if centred else 0
    canvas = np.empty((spec.height, spec.width, 3), np.uint8) if out is None else out
    canvas.fill(spec.pad_value)
    # Straight into its place: no picture in between, and no copy of it.
    place = canvas[top : top + inner_height, left : left + inner_width]
    cv2.resize(small, (inner_width, inner_height), dst=place, interpolation=how)
    placement = Placement(
        scale_x=inner_width / width,
        scale_y=inner_height / height,
        left=left,
        top=top,
        frame_width=width,
        frame_height=height,
    )
    return canvas, placement


def inner_wh(image: Bytes, spec: InputSpec) -> tuple[int, int]:
    """Return width and height of a picture, uint8 (H, W, 3), once it is fitted into the network's input; pixels."""
    height, width = image.shape[:2]
    scale = _scale(image, spec)
    return min(spec.width, max(1, round(width * scale))), min(spec.height, max(1, round(height * scale)))


def _scale(image: Bytes, spec: InputSpec) -> float:
    height, width = image.shape[:2]
    return min(spec.height / float(height), spec.width / float(width))


class Fitter:
    """Writes BGR pictures into their rows of a batch as a network wants them: by halves, and in its order of colours.

    Keeps the memory that it needs in between, so that a picture takes none; for one thread.

    Args:
        spec: the network's input.
    """

    def __init__(self, spec: InputSpec) -> None:
        self._spec = spec
        self._bgr = np.empty((spec.height, spec.width, 3), np.uint8)  # OpenCV would copy what it is to turn in place
        self._halves = np.empty(0, np.uint8)

    def fit(self, image: Bytes, out: Bytes, *, by_halves: bool = True) -> Placement:
        """Write one picture.

        Args:
            image: uint8 (H, W, 3) BGR, any size from 1x1.
            out: uint8 (height, width, 3), C-contiguous.
            by_halves: false for a picture that `halved` has returned.
        """
        canvas = self._bgr if self._spec.colour == "rgb" else out
        self._make_room(image)
        _, placement = letterbox(image, self._spec, by_halves=by_halves, out=canvas, memory=self._halves)
        if canvas is not out:
            cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB, dst=out)
        return placement

    def halved(self, image: Bytes) -> Bytes:
        """Return a picture as far halved as `fit` would, for who wants to look at it before; until the next picture.

        Args:
            image: uint8 (H, W, 3) BGR, any size from 1x1.
        """
        self._make_room(image)
        return halved(image, inner_wh(image, self._spec), self._halves)

    def _make_room(self, image: Bytes) -> None:
        if self._halves.size < image.size // 3:
            self._halves = np.empty(image.size // 3, np.uint8)


def as_input(pictures: Bytes, spec: InputSpec) -> Bytes | Floats:
    """Turn a batch of fitted pictures into what the network takes: scaling and layout.

    Args:
        pictures: uint8 (B, height, width, 3) in the network's order of colours.
        spec: the network's input.

    Returns:
        `pictures` itself where the network scales by itself and wants this layout, else a new array.
    """
    batch = pictures if spec.layout == "nhwc" else pictures.transpose(0, 3, 1, 2)
    if spec.dtype == "uint8":
        return np.ascontiguousarray(batch)
    mean = np.asarray(spec.mean, np.float32)
    scaled = np.empty(batch.shape, np.float32)
    np.subtract(batch, mean if spec.layout == "nhwc" else mean[:, np.newaxis, np.newaxis], out=scaled)
    return np.multiply(scaled, np.float32(spec.scale), out=scaled)


def halved(image: Bytes, least_wh: tuple[int, int], memory: Bytes | None = None) -> Bytes:
    """Halve a picture for as long as it is at least twice a size each way; a row or column too many is averaged in.

    Args:
        image: uint8 (H, W, 3).
        least_wh: the size.
        memory: uint8 (N,), N at least a third of the picture's numbers, to write into; new arrays if absent.
    """
    used = 0
    while image.shape[1] >= 2 * least_wh[0] and image.shape[0] >= 2 * least_wh[1]:
        width, height = half_wh = (image.shape[1] // 2, image.shape[0] // 2)
        size = 3 * width * height
        half = None if memory is None else memory[used : used + size].reshape(height, width, 3)
        image = np.asarray(cv2.resize(image, half_wh, dst=half, interpolation=cv2.INTER_AREA), np.uint8)
        used += size
    return image
