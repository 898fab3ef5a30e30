import re
from pathlib import Path

import cv2
import numpy as np

from vestibule_models.dataset import Example
from vestibule_models.evaluate_garments import Answered
from vestibule_models.garment_page import worst
from vestibule_models.labels import LABELS


def answered(folder: Path, rows: list[tuple[str, dict[str, float]]], *, unknown: str = "") -> Answered:
    examples = []
    for number, (worn, _) in enumerate(rows):
        path = folder / f"photo{number}.png"
        cv2.imwrite(str(path), np.zeros((20, 10, 3), np.uint8))
        examples.append(
            Example(
                path=path,
                source="ccp",
                split="test",
                group=str(number),
                targets=np.array([label == worn for label in LABELS], np.float32),
                known=np.array([label != unknown for label in LABELS], np.float32),
            )
        )
    probs = np.array([[scores.get(label, 0) for label in LABELS] for _, scores in rows], np.float32)
    return Answered(examples=tuple(examples), probs=probs, skipped=())


def named(figures: list[str]) -> list[tuple[str, str]]:
    return [(re.findall(r"<b[^>]*>(.*?)</b>", figure)[0], re.findall(r"photo\d", figure)[0]) for figure in figures]


def test_mistakes_come_worst_first_by_kind(tmp_path: Path) -> None:
    photos = answered(
        tmp_path,
        [("Dress", {"Dress": 0.9, "Skirt": 0.6}), ("Tee", {"Tee": 0.2, "Top": 0.8}), ("Jeans", {"Jeans": 1.0})],
    )
    assert named(worst(photos, missed=False)) == [("Top 0.80", "photo1"), ("Skirt 0.60", "photo0")]
    assert named(worst(photos, missed=True)) == [("Tee 0.20", "photo1"), ("Dress 0.90", "photo0")]
    assert len(worst(photos, missed=True, most=1)) == 1


def test_a_garment_in_doubt_is_no_mistake(tmp_path: Path) -> None:
    photos = answered(tmp_path, [("Tee", {"Tee": 1.0, "Top": 0.8})], unknown="Top")
    assert worst(photos, missed=False) == []
