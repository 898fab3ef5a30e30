from pathlib import Path

import numpy as np

from vestibule_models.artifact import Thresholds
from vestibule_models.dataset import Example
from vestibule_models.evaluate_garments import measure, table
from vestibule_models.labels import LABELS

NO_THRESHOLDS = {label: Thresholds(positives=0, likely=None, certain=None) for label in LABELS}


def photo(number: int, *worn: str) -> Example:
    targets = np.array([label in worn for label in LABELS], np.float32)
    return Example(
        path=Path(f"{number}.jpg"),
        source="ccp",
        split="test",
        group=str(number),
        targets=targets,
        known=np.ones(len(LABELS), np.float32),
    )


def test_a_perfect_ranking_of_enough_photos() -> None:
    photos = [photo(i, "Dress" if i < 12 else "Jeans") for i in range(24)]
    probs = np.stack([example.targets for example in photos]) * 0.9
    thresholds = NO_THRESHOLDS | {LABELS[3]: Thresholds(positives=30, likely=0.5, certain=0.95)}
    figures = measure(photos, probs, thresholds)
    assert figures["counted"] == ["Dress", "Jeans"]
    assert figures["mean_ap"]["value"] == 1
    assert figures["top1"]["value"] == 1
    dress = figures["categories"]["Dress"]
    assert (dress["likely_precision"]["value"], dress["likely_recall"]["value"]) == (1, 1)
    assert dress["certain_precision"] is None  # nothing reached it, which is not a precision of nought
    assert dress["certain_recall"]["value"] == 0
    assert figures["categories"]["Jeans"]["likely_recall"] is None


def test_categories_with_few_positives_stay_out_of_the_mean() -> None:
    photos = [photo(i, "Dress" if i < 9 else "Jeans") for i in range(24)]
    probs = np.full((24, len(LABELS)), 0.5, np.float32)
    figures = measure(photos, probs, NO_THRESHOLDS)
    assert figures["counted"] == ["Jeans"]
    assert figures["categories"]["Dress"]["ap"]["value"] == 9 / 24


def test_the_table_names_what_cannot_be_told() -> None:
    photos = [photo(i, "Dress") for i in range(12)]
    text = table("ccp", measure(photos, np.full((12, len(LABELS)), 0.5, np.float32), NO_THRESHOLDS))
    assert "| Dress | 12 | 1.00 (1.00-1.00) | - | - | - | - |" in text
    assert "Jeans" not in text
