"""How a person detector is fed and how its answer is read: tensor layout, decoders, suppression.

Shared by what trains and measures detectors and by the daemon that runs them, so that both see the same boxes.
Sources: the `yolox` head is that of Ge et al. 2021, "YOLOX: Exceeding YOLO Series in 2021" (arXiv:2107.08430,
section 2.1, decoupled and anchor-free); `yolov8` is the layout in which Ultralytics exports its detectors.
"""

from typing import assert_never

import cv2
import numpy as np
import numpy.typing as npt

from vestibule_models.artifact import DetectorManifest, InputSpec
from vestibule_models.letterbox import Bytes, Floats, Placement, as_input, letterbox

__all__ = [
    "MOST_CANDIDATES",
    "Bytes",
    "Floats",
    "Placement",
    "cells",
    "decode",
    "letterbox",
    "output_fault",
    "overlaps",
    "read_people",
    "suppress",
    "to_tensor",
]

MOST_CANDIDATES = 300
"""Suppression looks at this many of the best boxes; no frame of a shop holds more people."""
_LONGEST_LOG = 10.0
"""Of a side in cells (e^10 = 22,026): keeps a broken network from overflowing."""


def to_tensor(canvas: Bytes, spec: InputSpec) -> Bytes | Floats:
    """Turn a letterboxed BGR picture into the (1, ...) array that the network takes: colour, scaling, layout."""
    image = canvas if spec.colour == "bgr" else np.asarray(cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB), np.uint8)
    return as_input(image[np.newaxis], spec)


def cells(spec: InputSpec, strides: tuple[int, ...]) -> Floats:
    """Return float32 (N, 3): column, row and stride of every cell, grids in the order of `strides`, row-major."""
    grids = []
    for stride in strides:
        rows, columns = np.mgrid[0 : spec.height // stride, 0 : spec.width // stride]
        grids.append(np.stack([columns.ravel(), rows.ravel(), np.full(rows.size, stride)], axis=1))
    return np.concatenate(grids).astype(np.float32)


def output_fault(shape: tuple[int, ...], manifest: DetectorManifest) -> str | None:
    """Say what is wrong with the shape of a network's output, or None if it is as its manifest says."""
    match manifest.decoder:
        case "yolox":
            wanted = (1, len(cells(manifest.input, manifest.strides)), 5 + manifest.classes)
            right = shape == wanted
            said = f"{wanted} (strides {list(manifest.strides)}, {manifest.classes} classes)"
        case "yolov8":
            rows = 4 + manifest.classes
            right = len(shape) == 3 and shape[:2] == (1, rows)  # noqa: PLR2004 - batch, rows, candidates
            said = f"(1, {rows}, N) ({manifest.classes} classes)"
        case _:
            assert_never(manifest.decoder)
    return None if right else f"output is {shape}, decoder {manifest.decoder!r} wants {said}"


def decode(
    output: Floats, manifest: DetectorManifest, grid: Floats, *, score_threshold: float
) -> tuple[Floats, Floats]:
    """Read the person boxes at or above a score out of a network's output.

    Args:
        output: float32, of the shape that `output_fault` accepts.
        manifest: says how to read it.
        grid: `cells(manifest.input, manifest.strides)`.
        score_threshold: 0 to 1.

    Returns:
        Boxes float32 (N, 4) xyxy in input pixels and scores float32 (N,), in no order.
    """
    match manifest.decoder:
        case "yolox":
            return _decode_yolox(output[0], manifest.person_class, grid, score_threshold)
        case "yolov8":
            return _decode_yolov8(output[0], manifest.person_class, score_threshold)
        case _:
            assert_never(manifest.decoder)


def _decode_yolox(rows: Floats, person_class: int, grid: Floats, score_threshold: float) -> tuple[Floats, Floats]:
    scores = rows[:, 4] * rows[:, 5 + person_class]
    kept = np.flatnonzero(scores >= score_threshold)
    rows, where = rows[kept], grid[kept]
    centres = (rows[:, :2] + where[:, :2]) * where[:, 2:]
    sides = np.exp(np.minimum(rows[:, 2:4], _LONGEST_LOG)) * where[:, 2:]
    return np.concatenate([centres - sides / 2, centres + sides / 2], axis=1), scores[kept]


def _decode_yolov8(columns: Floats, person_class: int, score_threshold: float) -> tuple[Floats, Floats]:
    scores = columns[4 + person_class]
    kept = np.flatnonzero(scores >= score_threshold)
    chosen = columns[:, kept]
    centres, sides = chosen[:2].T, chosen[2:4].T
    return np.concatenate([centres - sides / 2, centres + sides / 2], axis=1), scores[kept]


def suppress(boxes_xyxy: Floats, scores: Floats, *, iou: float) -> npt.NDArray[np.intp]:
    """Choose boxes greedily by score; drop those that overlap a chosen one by more than `iou`.

    Args:
        boxes_xyxy: float32 (N, 4).
        scores: float32 (N,).
        iou: 0 to 1.

    Returns:
        Indices of the chosen boxes, best score first (the lower index first where scores are equal).
    """
    order = np.argsort(-scores, kind="stable")[:MOST_CANDIDATES]
    chosen = []
    while order.size:
        best, order = order[0], order[1:]
        chosen.append(best)
        order = order[overlaps(boxes_xyxy[best], boxes_xyxy[order]) <= iou]
    return np.array(chosen, np.intp)


def overlaps(box_xyxy: Floats, boxes_xyxy: Floats) -> Floats:
    """Return the intersection over union of one box (4,) with each of boxes (N, 4), float32 (N,)."""
    low = np.maximum(box_xyxy[:2], boxes_xyxy[:, :2])
    high = np.minimum(box_xyxy[2:], boxes_xyxy[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    area = np.prod(box_xyxy[2:] - box_xyxy[:2])
    areas = np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1)
    return np.asarray(shared / np.maximum(area + areas - shared, 1e-9), np.float32)


def read_people(
    output: Floats,
    manifest: DetectorManifest,
    grid: Floats,
    placement: Placement,
    *,
    score_threshold: float,
    nms_iou: float,
) -> tuple[Floats, Floats]:
    """Turn a network's output into people in a frame.

    Returns:
        Boxes float32 (N, 4) in frame pixels, clipped to the frame and not empty, and scores float32 (N,), best first.
    """
    boxes, scores = decode(output, manifest, grid, score_threshold=score_threshold)
    boxes = placement.to_frame(boxes)
    inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    boxes, scores = boxes[inside], scores[inside]
    chosen = suppress(boxes, scores, iou=nms_iou)
    return boxes[chosen].astype(np.float32), scores[chosen].astype(np.float32)
