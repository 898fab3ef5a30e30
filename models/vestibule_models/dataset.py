"""The photos and rendered people that the garment classifier learns from, with what is known of their garments."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError, InputSpec, is_inside
from vestibule_models.labels import LABELS

INPUT = InputSpec(height=288, width=144, colour="rgb", dtype="uint8", resize="letterbox-centre", pad_value=114)
"""How crops are fed to the garment network."""
STREET = "ccp"
"""The source whose scores are to be believed: people on the street, dressed from head to foot."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """One picture and what is known of it.

    Attributes:
        path: of the picture; a rendered person has four channels, the fourth being the cover.
        source: where it comes from; `rendered` for rendered people.
        split: train, val or test.
        group: examples of one group never lie on both sides of a split.
        targets: float32 (15,), 1 where the garment is worn, in the order of `LABELS`.
        known: float32 (15,), 0 where nobody could tell: such labels count neither way.
        recoloured: a rendered person in other colours than the avatar came in.
        outline: a picture of the same size, above 0 where the person is; none for most.
    """

    path: Path
    source: str
    split: str
    group: str
    targets: NDArray[np.float32]
    known: NDArray[np.float32]
    recoloured: bool = False
    outline: Path | None = None


def read_photos(folder: Path) -> list[Example]:
    """Read `folder/manifest.csv`: a row a photo, a column a category with 1, 0 or nothing (unknown).

    Where `folder/masks/` holds a PNG of the photo's name, that is the person's outline.

    Raises:
        ArtifactError: the manifest is missing, lacks a column, or names a file outside the folder.
    """
    examples = []
    for row in read_rows(folder / "manifest.csv", ["file", "source", "split", "group", *LABELS]):
        cells = [row[label] for label in LABELS]
        outline = (folder / "masks" / row["file"]).with_suffix(".png")
        examples.append(
            Example(
                path=folder / "photos" / row["file"],
                source=row["source"],
                split=row["split"],
                group=row["group"],
                targets=np.array([cell == "1" for cell in cells], np.float32),
                known=np.array([cell != "" for cell in cells], np.float32),
                outline=outline if outline.is_file() else None,
            )
        )
    return examples


def read_sprites(folder: Path, garments_csv: Path) -> list[Example]:
    """Read `folder/index.csv` (file, avatar, recoloured, split, ...) and what each avatar wears.

    Args:
        folder: the pictures of rendered people, PNG with transparency.
        garments_csv: file (the avatar's), seen, unknown; every category not named is absent.

    Raises:
        ArtifactError: a table is missing or lacks a column, an avatar's garments are not told, or a file lies outside
            the folder.
    """
    worn = {Path(row["file"]).stem: row for row in read_rows(garments_csv, ["file", "seen", "unknown"])}
    examples = []
    for row in read_rows(folder / "index.csv", ["file", "avatar", "recoloured", "split"]):
        avatar = Path(row["avatar"]).stem
        if avatar not in worn:
            raise ArtifactError(f"{garments_csv} does not tell what avatar {avatar} of {folder / 'index.csv'} wears")
        seen, unknown = worn[avatar]["seen"].split(), worn[avatar]["unknown"].split()
        examples.append(
            Example(
                path=folder / row["file"],
                source="rendered",
                split=row["split"],
                group=avatar,
                targets=np.array([label in seen for label in LABELS], np.float32),
                known=np.array([label not in unknown for label in LABELS], np.float32),
                recoloured=row["recoloured"] == "1",
            )
        )
    return examples


def assign_folds(examples: Sequence[Example], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each example, 0 to folds - 1; a group stays in one fold."""
    groups = sorted({example.group for example in examples})
    order = np.random.default_rng(seed).permutation(len(groups))
    fold_of = {groups[index]: place % folds for place, index in enumerate(order)}
    return np.array([fold_of[example.group] for example in examples], np.int64)


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV table whose column `file` names files below its folder.

    Args:
        path: of the table.
        columns: that it must have, `file` among them.

    Raises:
        ArtifactError: the table is missing, lacks a column, or names a file that is not below its folder.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if missing := [name for name in columns if name not in (reader.fieldnames or [])]:
                raise ArtifactError(f"{path} lacks the columns {missing}; it has {reader.fieldnames}")
            rows = list(reader)
    except OSError as error:
        raise ArtifactError(f"cannot read {path} ({error.strerror}); name a folder that holds it") from error
    if (outside := next((row["file"] for row in rows if not is_inside(row["file"] or "")), None)) is not None:
        raise ArtifactError(f"{path}: file {outside!r} leads out of its folder; name files below it")
    return rows
