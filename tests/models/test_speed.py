from typing import cast

import numpy as np
import pytest

from vestibule_models.artifact import load_manifest
from vestibule_models.litert_runner import Answers, LiteRTRunner
from vestibule_models.predict import shipped_classifier
from vestibule_models.speed import time_batches


class Slow:
    """Takes a millisecond a batch and a tenth of one a crop, on a clock of its own."""

    def __init__(self) -> None:
        self.manifest = load_manifest(shipped_classifier())
        self.now_s = 0.0

    def run(self, crops: np.ndarray) -> Answers:
        spec = self.manifest.input
        assert crops.shape[1:] == (spec.height, spec.width, 3)
        self.now_s += 0.001 + 0.0001 * len(crops)
        return Answers(probs=np.zeros((len(crops), 15), np.float32), embeddings=np.zeros((len(crops), 1), np.float32))


def test_speed_is_that_of_the_median_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    monkeypatch.setattr("vestibule_models.speed.time.perf_counter", lambda: slow.now_s)
    monkeypatch.setattr("vestibule_models.speed.time.process_time", lambda: 2 * slow.now_s)
    found = {each.batch: each for each in time_batches(cast("LiteRTRunner", slow))}
    assert list(found) == [1, 8, 16]
    for batch, speed in found.items():
        spent_s = 0.001 + 0.0001 * batch
        assert speed.crops_per_s == pytest.approx(batch / spent_s)
        assert speed.cpu_ms_per_crop == pytest.approx(2000 * spent_s / batch)
