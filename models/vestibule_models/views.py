"""Changed pictures of an epoch, made by several processes and kept in one array."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import InputSpec
from vestibule_models.augment import augment, chance, cover_of
from vestibule_models.dataset import Example
from vestibule_models.pictures import read_picture

REPLACED = 0.5
"""Share of the photos with a known outline, or on white, that are put before another background."""
CHUNK = 32
"""Pictures that a process makes before it asks for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """How the pictures of an epoch are made, and where they are kept.

    Attributes:
        spec: the network's input.
        seed: with the epoch's number and a picture's place it decides every change.
        folder: kept there as `views-NNN.npy`, to be read by several trainings of the same seed; None keeps nothing.
        pool: processes that make them; None makes them in this one.
    """

    spec: InputSpec
    seed: int
    folder: Path | None = None
    pool: ProcessPoolExecutor | None = None

    def epoch(self, number: int, examples: Sequence[Example]) -> NDArray[np.uint8]:
        """Return a view of each example, uint8 (N, height, width, 3) RGB; the same each time it is asked for."""
        shape = (len(examples), self.spec.height, self.spec.width, 3)
        if self.folder is None:
            views = np.empty(shape, np.uint8)
            for start, part in self._parts(number, examples):
                views[start : start + len(part)] = part
            return views
        path = self.folder / f"views-{number:03d}.npy"
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".part")
            kept = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape)
            for start, part in self._parts(number, examples):
                kept[start : start + len(part)] = part
            kept.flush()
            unfinished.replace(path)
        return np.asarray(np.load(path, mmap_mode="r"))

    def _parts(self, number: int, examples: Sequence[Example]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        starts = range(0, len(examples), CHUNK)
        tasks = [(self.spec, self.seed, number, start, examples[start : start + CHUNK]) for start in starts]
        made = map(_make, tasks) if self.pool is None else self.pool.map(_make, tasks)
        return zip(starts, made, strict=True)


def processes(count: int) -> ProcessPoolExecutor | None:
    """Return a pool to make views with, or None where one process has nobody to share with."""
    # Forking a process that holds a GPU or threads is not safe.
    return ProcessPoolExecutor(count, mp_context=get_context("spawn")) if count > 1 else None


def _make(task: tuple[InputSpec, int, int, int, Sequence[Example]]) -> NDArray[np.uint8]:
    spec, seed, number, start, examples = task
    cv2.setNumThreads(1)
    return np.stack(
        [_view(example, np.random.default_rng((seed, number, start + i)), spec) for i, example in enumerate(examples)]
    )


def _view(example: Example, rng: np.random.Generator, spec: InputSpec) -> NDArray[np.uint8]:
    image = read_picture(example.path, keep_cover=True)
    if image.shape[2] == 3 and chance(rng, REPLACED):  # noqa: PLR2004 - it has no cover of its own
        outline = None if example.outline is None else read_picture(example.outline)[:, :, 0]
        image = cover_of(image, outline)
    return augment(image, rng, spec)
