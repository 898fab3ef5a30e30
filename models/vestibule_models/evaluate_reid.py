"""Measure the garment network where it will work: people of a clip with known truth, and rendered people."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError
from vestibule_models.calibration import wilson
from vestibule_models.dataset import Example
from vestibule_models.embedding import distances
from vestibule_models.labels import LABELS
from vestibule_models.litert_runner import LiteRTRunner
from vestibule_models.pictures import read_picture

BACKDROP = 150
"""Grey behind a rendered person."""


def read_people(clip: Path, *, every: int, least_height: int = 60) -> tuple[list[NDArray[np.uint8]], list[str]]:
    """Cut people out of a clip by the boxes of `NAME.truth.json` beside it, but no mannequins.

    Args:
        clip: the video.
        every: frames between two looks.
        least_height: px; smaller boxes are left out.

    Returns:
        Pictures uint8 (h, w, 3) RGB, and the name of the person on each.

    Raises:
        ArtifactError: the clip cannot be read.
    """
    truth = json.loads(clip.with_suffix(".truth.json").read_text(encoding="utf-8"))
    wanted: dict[int, list[tuple[str, list[int]]]] = {}
    for person in truth["people"]:
        if person["role"] == "mannequin":
            continue  # forty pictures of one who never moves would flatter
        for frame, *box in person["boxes"]:
            if frame % every == 0 and box[3] - box[1] >= least_height:
                wanted.setdefault(frame, []).append((person["name"], [round(edge) for edge in box]))
    video, images, names = cv2.VideoCapture(str(clip)), [], []
    for number in range(max(wanted, default=-1) + 1):
        found, frame = video.read()
        if not found:
            raise ArtifactError(f"clip {clip}: frame {number} cannot be read, its truth goes on to {max(wanted)}")
        for name, (x0, y0, x1, y1) in wanted.get(number, []):
            images.append(np.ascontiguousarray(frame[y0:y1, x0:x1, ::-1], np.uint8))
            names.append(name)
    return images, names


def measure_reid(runner: LiteRTRunner, clip: Path, *, every: int = 15) -> dict[str, float]:
    """Return how well the embedding tells a clip's people apart at the manifest's distance."""
    images, names = read_people(clip, every=every)
    _, people = np.unique(names, return_inverse=True)
    same, different = distances(runner.run_all(images).embeddings, people)
    limit = runner.manifest.same_person_distance
    return {
        "pictures": len(images),
        "people": len(set(names)),
        "same_below": float(np.mean(same < limit)),
        "different_below": float(np.mean(different < limit)),
        "same_median": float(np.median(same)),
        "different_median": float(np.median(different)),
    }


def before_backdrop(sprite: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put a rendered person uint8 (H, W, 4) RGBA before plain grey; returns uint8 (H, W, 3) RGB."""
    cover = sprite[:, :, 3:].astype(np.float32) / 255
    return np.asarray(sprite[:, :, :3] * cover + BACKDROP * (1 - cover), np.uint8)


def read_rendered(runner: LiteRTRunner, examples: Sequence[Example]) -> dict[str, Any]:
    """Return how each category is read on rendered people that the network has not seen: no figure of quality."""
    images = [before_backdrop(read_picture(example.path, keep_cover=True)) for example in examples]
    probs = runner.run_all(images).probs
    figures: dict[str, Any] = {}
    for column, label in enumerate(LABELS):
        worn = np.array([example.targets[column] > 0 for example in examples])
        absent = np.array([example.targets[column] == 0 and example.known[column] > 0 for example in examples])
        likely = runner.manifest.thresholds[label].likely
        if not worn.any():
            continue
        told = probs[:, column] >= (likely if likely is not None else 2)
        figures[str(label)] = {
            "worn": int(worn.sum()),
            "mean_worn": float(probs[worn, column].mean()),
            "mean_absent": float(probs[absent, column].mean()),
            "likely": likely,
            "told_of_worn": wilson(int(told[worn].sum()), int(worn.sum())).value,
            "told_of_absent": wilson(int(told[absent].sum()), int(absent.sum())).value,
        }
    return figures
