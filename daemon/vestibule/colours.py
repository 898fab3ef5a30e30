"""The colours of somebody's clothes, as a cheap cue to who is who between frames and readings.

A joint histogram of the three Lab channels (the authors of DeepSORT, Wojke et al. 2017, arXiv:1703.07402, use a
network here), for head, middle and legs apart, as in histograms by body part of person re-identification; compared
by the Hellinger distance of Comaniciu et al. 2003, "Kernel-Based Object Tracking", equation 17, squared.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

PARTS = 3
_BINS = 6
_RANGES = ((0, 256), (96, 160), (96, 160))
"""Of L, a and b in OpenCV's uint8 Lab; clothes are seldom more vivid, and what is so is left out."""
_LEAST_SHARE = 0.25
"""Of the pixels: if fewer than this are counted, nothing is known."""
_SAMPLED_HW = (48, 12)
_WIDTH_SHARE = 0.6
"""The middle of the box: its sides show the background."""
SIZE = PARTS * _BINS**3

_CHEST, _LEGS = (0.2, 0.45), (0.55, 0.85)
"""From where to where the upper and lower clothes are in the height of a box."""
_MEDIAN_HW = (48, 24)
"""Pixels, up to twice as many each way, that a median is taken of: of all of a large person it would be the same."""
_TRUNK_SHARE = 0.3
"""Of a box's width, in its middle: no arms, no background."""


def _steps(channel: int) -> npt.NDArray[np.int16]:
    """Return what each value of a channel adds to the number of a bin, int16 (256,); all below zero if out of range."""
    (low, high), values = _RANGES[channel], np.arange(256)
    steps = (values - low) * _BINS // (high - low) * _BINS ** (2 - channel)
    return np.where((values >= low) & (values < high), steps, -SIZE).astype(np.int16)


_STEPS = [_steps(channel) for channel in range(3)]


def signatures(image: npt.NDArray[np.uint8], boxes_xyxy: npt.NDArray[np.float32]) -> Floats:
    """Return the colours of boxes: float32 (N, SIZE), each of length 1; zeros where too little is within the bins.

    Args:
        image: uint8 (H, W, 3) BGR.
        boxes_xyxy: (N, 4) pixels; parts outside the frame are left out, a box wholly outside is taken to be its edge.
    """
    number, (rows, columns) = len(boxes_xyxy), _SAMPLED_HW
    if not number:
        return np.zeros((0, SIZE), np.float32)
    small = np.empty((number, rows, columns, 3), np.uint8)
    for box, sample in zip(boxes_xyxy.tolist(), small, strict=True):
        _sample(image, box, sample)
    # All boxes in one go: for pixels as few as these, a call costs more than what it does.
    lab = np.asarray(cv2.cvtColor(small.reshape(-1, columns, 3), cv2.COLOR_BGR2LAB), np.uint8)
    lab = lab.reshape(number * PARTS, -1, 3)
    bins = _STEPS[0].take(lab[..., 0]) + _STEPS[1].take(lab[..., 1]) + _STEPS[2].take(lab[..., 2])
    of_part = np.arange(number * PARTS)[:, np.newaxis] * _BINS**3
    counts = np.bincount((bins + of_part)[bins >= 0], minlength=number * SIZE).reshape(number, SIZE)
    counted = counts.sum(axis=1, keepdims=True)
    counts[counted[:, 0] < _LEAST_SHARE * rows * columns] = 0
    result: Floats = np.sqrt(counts.astype(np.float32) / np.maximum(counted, 1).astype(np.float32))
    return result


def _sample(image: npt.NDArray[np.uint8], box_xyxy: Sequence[float], out: npt.NDArray[np.uint8]) -> None:
    """Write a small picture of the middle of a box."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box_xyxy
    middle, half = (x0 + x1) / 2, (x1 - x0) * _WIDTH_SHARE / 2
    left, right = _span(middle - half, middle + half, width)
    top, bottom = _span(y0, y1, height)
    rows, columns = _SAMPLED_HW
    every = _thinned(image[top:bottom, left:right], 2 * rows, 2 * columns)
    cv2.resize(every, (columns, rows), dst=out, interpolation=cv2.INTER_AREA)


def _thinned(image: npt.NDArray[np.uint8], rows: int, columns: int) -> npt.NDArray[np.uint8]:
    """Return every n-th pixel, so many to twice as many each way: all of a large box would cost more than the rest."""
    height, width = image.shape[:2]
    return image[:: max(1, height // rows), :: max(1, width // columns)]


def clothes_lab(image: npt.NDArray[np.uint8], box_xyxy: npt.NDArray[np.float32]) -> Floats:
    """Return the median colour of the upper and of the lower clothes, to be compared between cameras.

    Args:
        image: uint8 (H, W, 3) BGR.
        box_xyxy: (4,) pixels, of a whole person.

    Returns:
        float32 (6,): L (0 to 255), a and b (about 0) of the chest, then of the legs, in OpenCV's scale.
    """
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (float(value) for value in box_xyxy)
    middle, half = (x0 + x1) / 2, (x1 - x0) * _TRUNK_SHARE / 2
    left, right = _span(middle - half, middle + half, width)
    medians = []
    for begin, end in (_CHEST, _LEGS):
        top, bottom = _span(y0 + begin * (y1 - y0), y0 + end * (y1 - y0), height)
        every = _thinned(image[top:bottom, left:right], *_MEDIAN_HW)
        lab = np.asarray(cv2.cvtColor(np.ascontiguousarray(every), cv2.COLOR_BGR2LAB), np.uint8)
        medians.append(_medians(lab) - (0, 128, 128))
    return np.concatenate(medians).astype(np.float32)


def _medians(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return the median of each channel of uint8 (H, W, 3) by counting, which unlike `np.median` copies nothing."""
    pixels = image.shape[0] * image.shape[1]
    counts = np.hstack([cv2.calcHist([image], [channel], None, [256], [0, 256]) for channel in range(3)])
    up_to = counts.cumsum(axis=0)  # float32 counts to 16 million exactly
    below, above = ((up_to <= middle).sum(axis=0) for middle in ((pixels - 1) // 2, pixels // 2))
    result: npt.NDArray[np.float64] = (below + above) / 2
    return result


def distance(a: Floats, b: Floats) -> Floats:
    """Return 1 - the Bhattacharyya coefficient of signatures, 0 (the same) to 1: of (A, D) and (B, D) the (A, B)."""
    result: Floats = 1 - a @ b.T
    return result


def _span(low: float, high: float, size: int) -> tuple[int, int]:
    start = min(max(0, int(low)), size - 1)
    return start, min(max(start + 1, int(high + 1)), size)
