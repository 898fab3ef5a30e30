"""How many crops a second a classifier reads."""

import os
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vestibule_models.litert_runner import LiteRTRunner

BATCHES = (1, 8, 16)
_CROPS, _ROUNDS = 48, 3
"""Timed at each size of batch in each round, after one batch to warm up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Of one size of batch.

    Attributes:
        batch: crops read together.
        crops_per_s: by the clock, from the median batch of the fastest round; other work on the machine lowers it.
        cpu_ms_per_crop: time of all threads together in the median batch of the thriftiest round.
    """

    batch: int
    crops_per_s: float
    cpu_ms_per_crop: float


def time_batches(runner: LiteRTRunner) -> tuple[Speed, ...]:
    """Time noise of the network's input size; letterboxing is not counted."""
    spec = runner.manifest.input
    crops = np.random.default_rng(0).integers(0, 256, (max(BATCHES), spec.height, spec.width, 3)).astype(np.uint8)
    rounds = [{batch: _median(runner, crops[:batch]) for batch in BATCHES} for _ in range(_ROUNDS)]
    return tuple(
        Speed(
            batch=batch,
            crops_per_s=batch / min(one[batch][0] for one in rounds),
            cpu_ms_per_crop=1000 * min(one[batch][1] for one in rounds) / batch,
        )
        for batch in BATCHES
    )


def _median(runner: LiteRTRunner, crops: NDArray[np.uint8]) -> tuple[float, float]:
    """Return the seconds by the clock and of the CPU that one batch takes."""
    runner.run(crops)
    spent_s, cpu_s = [], []
    for _ in range(max(1, _CROPS // len(crops))):
        start_s, cpu_start_s = time.perf_counter(), time.process_time()
        runner.run(crops)
        spent_s.append(time.perf_counter() - start_s)
        cpu_s.append(time.process_time() - cpu_start_s)
    return float(np.median(spent_s)), float(np.median(cpu_s))


def load_average() -> float:
    """Return how many programs wanted to run over the last minute."""
    return os.getloadavg()[0]
