"""What the sources' own tags tell beside the 15 categories: attributes, and the nine groups of Son 2020."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vestibule_models.labels import LABELS

Floats = NDArray[np.float32]

ATTRIBUTES: dict[str, frozenset[str]] = {
    "bag": frozenset({"bag", "purse", "wallet"}),
    "belt": frozenset({"belt"}),
    "boots": frozenset({"boots"}),
    "coat": frozenset({"coat"}),
    "hat": frozenset({"hat"}),
    "heels": frozenset({"heels", "pumps", "wedges"}),
    "leggings": frozenset({"leggings"}),
    "scarf": frozenset({"scarf"}),
    "shirt": frozenset({"shirt"}),
    "stockings": frozenset({"stockings", "tights"}),
    "sunglasses": frozenset({"sunglasses"}),
    "trousers": frozenset({"pants"}),
}
"""Attributes, each with the tags of the street photos (`ccp`) that mean it. Of other sources they are not known."""

NINE_GROUPS = ("cardigan", "jacket", "shirt", "t-shirt", "knitwear", "jeans", "cotton trousers", "shorts", "skirt")
"""The groups of Son 2020. The tags do not tell the cloth of trousers: those neither of denim nor for sport count."""

CLEAN_SOURCES = frozenset({"myntra-small", "clothing-dataset"})
"""One garment on a plain ground; the others are people in front of whatever was there."""

_CATEGORY_OF = {
    "cardigan": "Cardigan",
    "jacket": "Jacket",
    "t-shirt": "Tee",
    "knitwear": "Sweater",
    "jeans": "Jeans",
    "shorts": "Shorts",
    "skirt": "Skirt",
}
_SHIRT_TAGS = frozenset({"shirt", "shirts"})
_TROUSER_TAGS = frozenset({"pants", "trousers"})


def read_tags(folder: Path) -> dict[str, frozenset[str]]:
    """Return the tags of each photo, in small letters, by its file's name; nothing without manifest or column."""
    path = folder / "manifest.csv"
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if "tags" not in (reader.fieldnames or []):
            return {}
        return {row["file"]: frozenset(row["tags"].lower().split()) for row in reader}


def attributes_of(tags: frozenset[str], source: str) -> Floats:
    """Return f32 (12,): 1 where the photo has the attribute, 0 where not, -1 where its source does not tell."""
    if source != "ccp":
        return np.full(len(ATTRIBUTES), -1, np.float32)
    return np.array([bool(tags & words) for words in ATTRIBUTES.values()], np.float32)


def nine_groups_of(garments: Floats, tags: frozenset[str]) -> Floats:
    """Return f32 (9,): 1 where a group is worn, 0 where not, -1 where it is not known.

    Seven groups are categories of the manifest. A shirt is a `Blouse` or what the source calls a shirt; cotton trousers
    are what it calls trousers or pants, neither jeans nor sweatpants as far as anybody can tell.

    Args:
        garments: f32 (15,) in the order of `LABELS`, -1 where not known.
        tags: of the photo.
    """
    told: Mapping[str, float] = dict(zip(map(str, LABELS), garments.tolist(), strict=True))
    return np.array([_group(name, told, tags) for name in NINE_GROUPS], np.float32)


def _group(name: str, told: Mapping[str, float], tags: frozenset[str]) -> float:
    if name == "shirt":
        return 1.0 if told["Blouse"] == 1 or tags & _SHIRT_TAGS else told["Blouse"]
    if name == "cotton trousers":
        others = max(told["Jeans"], told["Sweatpants"])
        if tags & _TROUSER_TAGS:
            return 0.0 if others == 1 else 1.0 if told["Jeans"] == 0 else -1.0
        return 0.0 if max(others, told["Shorts"], told["Skirt"]) == 1 or told["Jeans"] == 0 else -1.0
    return told[_CATEGORY_OF[name]]
