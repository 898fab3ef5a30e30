from pathlib import Path

import cv2
import numpy as np
import pytest

from vestibule_models.__main__ import main
from vestibule_models.artifact import Thresholds
from vestibule_models.predict import word


def test_words_follow_the_thresholds() -> None:
    thresholds = Thresholds(positives=50, likely=0.4, certain=0.8)
    assert [word(prob, thresholds) for prob in (0.39, 0.4, 0.8)] == ["", " likely", " certain"]
    assert word(0.99, Thresholds(positives=5, likely=None, certain=None)) == ""


def test_a_photo_gets_its_ranked_garments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.random.default_rng(0).integers(0, 256, (90, 40, 3)))
    assert main(["predict", str(tmp_path / "a.png"), "--top", "15"]) == 0
    name, _, garments = capsys.readouterr().out.strip().partition(": ")
    scores = [float(words.split()[1]) for words in garments.split(", ")]
    assert name.endswith("a.png")
    assert len(scores) == 15
    assert scores == sorted(scores, reverse=True)


def test_a_missing_photo_and_a_missing_model_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(tmp_path / "none.jpg")]) == 1
    assert "none.jpg: no such file" in capsys.readouterr().err
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((9, 4, 3), np.uint8))
    assert main(["predict", str(tmp_path / "a.png"), "--model", str(tmp_path)]) == 1
    assert "cannot read manifest.json" in capsys.readouterr().err
