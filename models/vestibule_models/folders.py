"""Photos with their labels, in the manifest form or as a folder per class.

Folder forms, by the names of the folders (small and capital letters alike):

    DIR/Dress/a.jpg                      plain: four fifths train, a tenth val, a tenth test, by the name's hash
    DIR/Train/Dress/a.jpg  DIR/Test/...  the paper's: a tenth of Train becomes val where there is no Val folder

Photos in a folder within a class belong together (one product, one person) and are never split.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from vestibule_models.artifact import ArtifactError
from vestibule_models.dataset import Example, read_photos
from vestibule_models.labels import LABELS, GarmentLabel
from vestibule_models.pictures import SUFFIXES

SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Names of folders that hold a split's class folders."""


def read_examples(path: Path) -> list[Example]:
    """Read a folder of photos: by its `manifest.csv` where there is one, else by its folders per class.

    A class folder tells one garment; the other categories count as absent, as in Paredes-Miranda et al. 2023.

    Raises:
        ArtifactError: the folder is missing or empty, a folder's name is no category, a table lacks a column.
    """
    if not path.is_dir():
        raise ArtifactError(f"{path} is no folder; name one with manifest.csv and photos/, or with a folder per class")
    if (path / "manifest.csv").is_file():
        return read_photos(path)
    folders = _folders(path)
    split_of = {folder: SPLITS[folder.name.lower()] for folder in folders if folder.name.lower() in SPLITS}
    if not split_of:
        examples = list(_classes(path, path, None))
    else:
        if others := [folder.name for folder in folders if folder not in split_of]:
            raise ArtifactError(f"{path} holds {_quoted(others)} beside {_quoted(f.name for f in split_of)}; move it")
        examples = [example for folder, split in split_of.items() for example in _classes(path, folder, split)]
        if "val" not in split_of.values():
            examples = [_held_back(example) for example in examples]
    if not examples:
        raise ArtifactError(f"{path} has neither manifest.csv nor photos in a folder per class, such as {path}/Dress")
    return examples


def oddities(examples: Sequence[Example]) -> list[str]:
    """Return a line for each category that training photos cannot teach; the network still answers for them.

    Raises:
        ArtifactError: there is no training photo, or they show one category only.
    """
    train = [example for example in examples if example.split == "train"]
    if not train:
        raise ArtifactError("no photo is of split train; nothing can be learnt")
    targets, known = np.stack([e.targets for e in train]), np.stack([e.known for e in train])
    present, absent = (targets * known).sum(axis=0), ((1 - targets) * known).sum(axis=0)
    if not ((present > 0) & (absent > 0)).any():
        names = _quoted(label for label, count in zip(LABELS, present, strict=True) if count) or "no category"
        raise ArtifactError(f"the training photos show {names} only; photos without it are needed to tell it by")
    lines = [f"{label}: no training photo shows it" for label, n in zip(LABELS, present, strict=True) if not n]
    return lines + [f"{label}: no training photo lacks it" for label, n in zip(LABELS, absent, strict=True) if not n]


def label_named(name: str) -> GarmentLabel | None:
    """Return the category of a folder's name, `tank_` and ` Tank` alike, or None."""
    key = re.sub(r"[\s_-]+", "", name).lower()
    return next((label for label in LABELS if label.lower() == key), None)


def _classes(root: Path, folder: Path, split: str | None) -> Iterator[Example]:
    folders = _folders(folder)
    labels = {child: label_named(child.name) for child in folders}
    if unknown := [child.name for child, label in labels.items() if label is None]:
        raise ArtifactError(f"{folder}: {_quoted(unknown)} is no category; rename or move it. Known: {_known()}")
    for child, label in labels.items():
        targets = np.array([label == each for each in LABELS], np.float32)
        for photo in sorted(p for p in child.rglob("*") if p.suffix.lower() in SUFFIXES and _is_visible(p, child)):
            place = photo.relative_to(child)
            group = f"{child.name}/{place.parts[0] if len(place.parts) > 1 else place.stem}"
            yield Example(
                path=photo,
                source=root.resolve().name,
                split=split or _drawn(group),
                group=group,
                targets=targets,
                known=np.ones(len(LABELS), np.float32),
            )


def _held_back(example: Example) -> Example:
    if example.split != "train" or _tenth(example.group) != 0:
        return example
    return Example(
        path=example.path,
        source=example.source,
        split="val",
        group=example.group,
        targets=example.targets,
        known=example.known,
    )


def _drawn(group: str) -> str:
    return {0: "val", 1: "test"}.get(_tenth(group), "train")


def _tenth(group: str) -> int:
    return zlib.crc32(group.encode()) % 10


def _folders(path: Path) -> list[Path]:
    return sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))


def _is_visible(photo: Path, root: Path) -> bool:
    return photo.is_file() and not any(part.startswith(".") for part in photo.relative_to(root).parts)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(repr(str(name)) for name in names)


def _known() -> str:
    return ", ".join(LABELS)
