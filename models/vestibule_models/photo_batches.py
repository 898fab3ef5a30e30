"""Photos in memory, and batches of them for Keras. Import it only where a network is trained: it imports Keras."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError, InputSpec
from vestibule_models.dataset import Example
from vestibule_models.letterbox import letterbox
from vestibule_models.pictures import Skipped, read_picture

Images = NDArray[np.uint8]
Targets = dict[str, NDArray[np.floating]]
"""By the name of the network's output, each (N, ...): 0 to 1, and -1 where not known."""
UNKNOWN = -1
_THREADS = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Photos:
    """Photos fitted into a network's input.

    Attributes:
        images: uint8 (N, size, size, 3) RGB or (N, size, size, 1) grey.
        examples: what is known of each.
        skipped: those that could not be read, which are not among them.
    """

    images: Images
    examples: list[Example]
    skipped: list[Skipped]


def load_photos(examples: Sequence[Example], *, size: int, grey: bool = False) -> Photos:
    """Read photos, each letterboxed into a square; what cannot be read is skipped and listed."""
    spec = InputSpec(height=size, width=size, colour="rgb", dtype="uint8", resize="letterbox-centre")

    def read(example: Example) -> Images | Skipped:
        try:
            image, _ = letterbox(read_picture(example.path), spec)
        except ArtifactError as error:
            return Skipped(path=example.path, reason=str(error))
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)[:, :, None] if grey else image

    images = np.empty((len(examples), size, size, 1 if grey else 3), np.uint8)
    kept: list[Example] = []
    skipped: list[Skipped] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for example, got in zip(examples, pool.map(read, examples), strict=True):
            if isinstance(got, Skipped):
                skipped.append(got)
            else:
                images[len(kept)] = got
                kept.append(example)
    return Photos(images=images[: len(kept)], examples=kept, skipped=skipped)


class Batches(keras.utils.PyDataset):  # type: ignore[misc] # Keras ships no types
    """Batches of photos and targets, shuffled anew each epoch; the same for the same seed, epoch and place.

    Args:
        images: uint8 (N, H, W, C).
        targets: of each output (N, ...).
        size: photos a batch; the last one is smaller where photos are left over.
        seed: of order and changes.
        epoch: to begin with, counted from 0.
        changed: whether photos are flipped, moved, scaled and lit anew each time (`change`).
        unlabelled: uint8 (M, H, W, C), or none; as many of them as labelled ones are put behind in each batch, with
            unknown targets, and a second view of every photo is given beside the first.
    """

    def __init__(
        self,
        images: Images,
        targets: Targets,
        *,
        size: int,
        seed: int,
        epoch: int = 0,
        changed: bool = False,
        unlabelled: Images | None = None,
    ) -> None:
        super().__init__(workers=8, max_queue_size=16)
        self._images, self._targets, self._unlabelled = images, targets, unlabelled
        self._size, self._seed, self._epoch, self._changed = size, seed, epoch, changed

    def __len__(self) -> int:
        return math.ceil(len(self._images) / self._size)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        order = np.random.default_rng((self._seed, self._epoch)).permutation(len(self._images))
        rng = np.random.default_rng((self._seed, self._epoch, index))
        rows = order[index * self._size : (index + 1) * self._size]
        images = self._images[rows]
        targets = {name: np.asarray(values[rows], np.float32) for name, values in self._targets.items()}
        if self._unlabelled is None:
            return self._view(images, rng), _alone(targets)
        more = self._unlabelled[rng.integers(0, len(self._unlabelled), len(rows))]
        images = np.concatenate([images, more])
        hidden = {name: np.full_like(values, UNKNOWN) for name, values in targets.items()}
        both = {name: np.concatenate([values, hidden[name]]) for name, values in targets.items()}
        return (self._view(images, rng), self._view(images, rng)), _alone(both)

    def start_at(self, epoch: int) -> None:
        """Go to an epoch, counted from 0; Keras calls `on_epoch_end` more often than epochs end."""
        self._epoch = epoch

    def _view(self, images: Images, rng: np.random.Generator) -> Images:
        return np.stack([change(image, rng) for image in images]) if self._changed else images


def _alone(targets: dict[str, NDArray[np.float32]]) -> Any:  # noqa: ANN401 - an array or several by name
    """Return the only target, as Keras wants it for a network of one output, else all by name."""
    return next(iter(targets.values())) if len(targets) == 1 else targets


def change(image: Images, rng: np.random.Generator) -> Images:
    """Return a copy flipped or not, scaled by up to 15 %, moved by up to 8 %, and darker or brighter.

    Args:
        image: uint8 (H, W, C).
        rng: where all chances come from.
    """
    height, width, channels = image.shape
    scale, flip = rng.uniform(0.85, 1.15), rng.choice((-1.0, 1.0))
    centre_x = width / 2 + rng.uniform(-0.08, 0.08) * width
    centre_y = height / 2 + rng.uniform(-0.08, 0.08) * height
    matrix = np.array(
        [[scale * flip, 0, centre_x - scale * flip * width / 2], [0, scale, centre_y - scale * height / 2]]
    )
    moved = cv2.warpAffine(image, matrix, (width, height), borderValue=(114, 114, 114))
    lit = moved.astype(np.float32) * np.float32(rng.uniform(0.75, 1.25)) + np.float32(rng.uniform(-15, 15))
    return np.asarray(np.clip(lit, 0, 255), np.uint8).reshape(height, width, channels)
