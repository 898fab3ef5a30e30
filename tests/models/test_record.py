from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs TensorFlow (the extra `tensorflow`), to count parameters")

from vestibule_models import records
from vestibule_models.__main__ import main
from vestibule_models.artifact import ZOO

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3 on NumPy 2


def test_the_shipped_classifier_is_recorded_like_a_run(tmp_path: Path) -> None:
    model = next(path for path in sorted(ZOO.iterdir()) if path.name.startswith("garments"))
    for label in ("Dress", "Jeans"):
        (tmp_path / "shop" / "Test" / label).mkdir(parents=True)
        for number in range(3):
            image = np.random.default_rng(number).integers(0, 256, (60, 30, 3))
            cv2.imwrite(str(tmp_path / "shop" / "Test" / label / f"{number}.png"), image)
    (tmp_path / "shop" / "Test" / "Jeans" / "bad.jpg").write_bytes(b"no picture")
    assert main(["record", str(model), "--data", str(tmp_path / "shop"), "--out", str(tmp_path / "run")]) == 0
    record = records.read(tmp_path / "run")
    assert record["method"] == "shipped"
    assert record["parameters"] > 1_000_000
    assert record["test"]["shop"]["photos"] == 6
    assert record["data"]["skipped"] == 1
    assert main(["compare", str(tmp_path / "run")]) == 0
