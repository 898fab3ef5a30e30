"""How many crops a second a classifier reads."""

import os
import time
from dataclasses import dataclass

import numpy as np

from vestibule_models.litert_runner import LiteRTRunner

BATCHES = (1, 8, 16)
_CROPS = 96
"""Timed at each size of batch, after one batch to warm up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Of one size of batch.

    Attributes:
        batch: crops read together.
        crops_per_s: by the clock, from the median batch; other work on the machine lowers it.
        cpu_ms_per_crop: time of all threads together; other work hardly changes it.
    """

    batch: int
    crops_per_s: float
    cpu_ms_per_crop: float


def time_batches(runner: LiteRTRunner) -> tuple[Speed, ...]:
    """Time noise of the network's input size; letterboxing is not counted."""
    spec = runner.manifest.input
    crops = np.random.default_rng(0).integers(0, 256, (max(BATCHES), spec.height, spec.width, 3)).astype(np.uint8)
    found = []
    for batch in BATCHES:
        runner.run(crops[:batch])
        spent_s, cpu_s = [], []
        for _ in range(_CROPS // batch):
            start_s, cpu_start_s = time.perf_counter(), time.process_time()
            runner.run(crops[:batch])
            spent_s.append(time.perf_counter() - start_s)
            cpu_s.append(time.process_time() - cpu_start_s)
        speed = Speed(
            batch=batch,
            crops_per_s=batch / float(np.median(spent_s)),
            cpu_ms_per_crop=1000 * float(np.median(cpu_s)) / batch,
        )
        found.append(speed)
    return tuple(found)


def load_average() -> float:
    """Return how many programs wanted to run over the last minute."""
    return os.getloadavg()[0]
