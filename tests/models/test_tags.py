from pathlib import Path

import numpy as np
import pytest

from vestibule_models.labels import LABELS
from vestibule_models.tags import ATTRIBUTES, NINE_GROUPS, attributes_of, nine_groups_of, read_tags


def garments(**worn: float) -> np.ndarray:
    told = {str(label): 0.0 for label in LABELS} | worn
    return np.array([told[str(label)] for label in LABELS], np.float32)


def groups(tags: str, **worn: float) -> dict[str, float]:
    found = nine_groups_of(garments(**worn), frozenset(tags.split()))
    return dict(zip(NINE_GROUPS, found.tolist(), strict=True))


def test_attributes_come_from_the_street_photos_tags_only() -> None:
    told = attributes_of(frozenset({"purse", "hat"}), "ccp")
    assert [name for name, value in zip(ATTRIBUTES, told, strict=True) if value] == ["bag", "hat"]
    assert (attributes_of(frozenset({"hat"}), "shop") == -1).all()


def test_seven_groups_are_categories() -> None:
    told = groups("", Cardigan=1, Jacket=1, Tee=1, Sweater=1, Jeans=1, Shorts=-1, Skirt=0)
    assert [name for name, value in told.items() if value == 1] == [
        "cardigan",
        "jacket",
        "t-shirt",
        "knitwear",
        "jeans",
    ]
    assert (told["shorts"], told["skirt"]) == (-1, 0)


@pytest.mark.parametrize(
    ("tags", "blouse", "shirt"), [("shirts", -1, 1), ("", 1, 1), ("", -1, -1), ("", 0, 0), ("t-shirt", 0, 0)]
)
def test_a_shirt_is_a_blouse_or_tagged(tags: str, blouse: float, shirt: float) -> None:
    assert groups(tags, Blouse=blouse)["shirt"] == shirt


@pytest.mark.parametrize(
    ("tags", "worn", "trousers"),
    [
        ("pants", {}, 1),
        ("trousers", {"Jeans": 1}, 0),
        ("pants", {"Sweatpants": 1}, 0),
        ("pants", {"Jeans": -1}, -1),
        ("", {}, 0),
        ("", {"Jeans": -1}, -1),
        ("", {"Jeans": -1, "Skirt": 1}, 0),
    ],
)
def test_cotton_trousers_are_what_is_neither_denim_nor_sport(
    tags: str, worn: dict[str, float], trousers: float
) -> None:
    assert groups(tags, **worn)["cotton trousers"] == trousers


def test_tags_are_read_by_file_and_may_be_missing(tmp_path: Path) -> None:
    assert read_tags(tmp_path) == {}
    (tmp_path / "manifest.csv").write_text("file,tags\na.jpg,Hat belt\n", encoding="utf-8")
    assert read_tags(tmp_path) == {"a.jpg": frozenset({"hat", "belt"})}
    (tmp_path / "manifest.csv").write_text("file,source\na.jpg,x\n", encoding="utf-8")
    assert read_tags(tmp_path) == {}
