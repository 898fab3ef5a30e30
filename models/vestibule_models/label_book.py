"""The answers that a person gives on a store's pictures, kept as manifest.csv after each one."""

import csv
import hashlib
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vestibule_models.artifact import ArtifactError, Thresholds
from vestibule_models.labels import LABELS, GarmentLabel

Answer = tuple[bool | None, ...]
"""Of each category in the order of `LABELS`: worn, not worn, or None for unknown."""

COLUMNS = ("file", "source", "licence", "kind", "split", *map(str, LABELS), "group", "label_by")
MANIFEST = "manifest.csv"
TRAIN_SHARE, VAL_SHARE = 0.7, 0.15
"""Of the groups; the rest is split test."""
SURELY_ABSENT = 0.15
"""A probability below it is taken for "no", one between it and the category's threshold for "unknown"."""
_CELL_OF = {True: "1", False: "0", None: ""}
_ANSWER_OF = {cell: answer for answer, cell in _CELL_OF.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What the manifest says of every picture.

    Attributes:
        source: name of the store or of the pictures, in front of each group.
        licence: who may use them.
    """

    source: str
    licence: str


class Book:
    """The pictures to label and what was answered. Safe to use from several threads.

    Args:
        pictures: the folder that they lie in.
        files: below it, in the order in which they are shown.
        out: gets manifest.csv, and the pictures in photos/ unless they lie there.
        origin: of every picture.

    Raises:
        ArtifactError: `out` cannot be written, or its manifest.csv is of another form.
    """

    def __init__(self, pictures: Path, files: Sequence[str], out: Path, origin: Origin) -> None:
        self._pictures, self.files, self._out, self._origin = pictures, tuple(files), out, origin
        self._lock = threading.Lock()
        self.path = out / MANIFEST
        self._columns, self._rows = _read(self.path)
        try:
            (out / "photos").mkdir(parents=True, exist_ok=True)
            self._write()
        except OSError as error:
            raise ArtifactError(f"cannot write {out} ({error.strerror}); name a folder that you may write") from error

    def answered(self) -> int:
        """Return how many of the pictures have an answer."""
        return sum(file in self._rows for file in self.files)

    def answer_of(self, index: int) -> Answer | None:
        """Return what was answered on a picture, None if nothing was yet."""
        row = self._rows.get(self.files[index])
        return None if row is None else tuple(_ANSWER_OF.get(row[label]) for label in LABELS)

    def is_same_person(self, index: int) -> bool:
        """Return whether a picture was said to show the person of the picture before it."""
        return index > 0 and index in self._followers(index)

    def next_open(self, index: int) -> int | None:
        """Return the first picture from `index` on, then from the start on, without an answer."""
        order = [*range(index, len(self.files)), *range(index)]
        return next((i for i in order if self.files[i] not in self._rows), None)

    def save(self, index: int, answer: Answer, *, same_person: bool) -> None:
        """Keep an answer; when this returns, it is on the disk.

        Args:
            index: of the picture.
            answer: 15 answers.
            same_person: it shows the person of the picture before, so both belong to one group, hence to one split.

        Raises:
            OSError: it could not be written; the answer is not kept.
        """
        with self._lock:
            before = {file: dict(row) for file, row in self._rows.items()}
            file = self.files[index]
            try:
                self._copy(file)
                followers = self._followers(index + 1)
                old = self._rows.get(file, {})
                group = self._group(index, same_person=same_person)
                answers = {str(label): _CELL_OF[a] for label, a in zip(LABELS, answer, strict=True)}
                given = {"source": self._origin.source, "licence": self._origin.licence, "kind": "worn"}
                self._rows[file] = {**given, **old, "file": file, **answers, "label_by": "eye"}
                for follower in (file, *(self.files[i] for i in followers)):
                    self._rows[follower] |= {"group": group, "split": split_of(group)}
                self._write()
            except OSError:
                self._rows = before
                raise

    def _group(self, index: int, *, same_person: bool) -> str:
        if same_person and index > 0 and (row := self._rows.get(self.files[index - 1])):
            return row["group"]
        return f"{self._origin.source}/{self.files[index]}"

    def _followers(self, index: int) -> list[int]:
        """Return the pictures from `index` on that were said to show the person of the one before `index`."""
        if not 0 < index < len(self.files) or (first := self._rows.get(self.files[index - 1])) is None:
            return []
        found = []
        for i in range(index, len(self.files)):
            row = self._rows.get(self.files[i])
            if row is None or row["group"] != first["group"]:
                break
            found.append(i)
        return found

    def _copy(self, file: str) -> None:
        copy = self._out / "photos" / file
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            unfinished = copy.with_name(f".{copy.name}.part")
            shutil.copyfile(self._pictures / file, unfinished)
            unfinished.replace(copy)

    def _write(self) -> None:
        unfinished = self.path.with_name(f".{MANIFEST}.part")
        with unfinished.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, self._columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(row for _, row in sorted(self._rows.items()))
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(self.path)


def split_of(group: str) -> str:
    """Return the split of a group: train, val or test, by its hash, so that every run agrees."""
    place = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8]) / 2**64
    if place < TRAIN_SHARE:
        return "train"
    return "val" if place < TRAIN_SHARE + VAL_SHARE else "test"


def prefilled(probs: Mapping[GarmentLabel, float], thresholds: Mapping[GarmentLabel, Thresholds]) -> Answer:
    """Return the model's answer: worn from the category's threshold on (0.5 without one), unknown where in doubt."""
    answers: list[bool | None] = []
    for label in LABELS:
        likely = thresholds[label].likely
        least = 0.5 if likely is None else likely
        prob = probs[label]
        answers.append(True if prob >= least else False if prob < min(SURELY_ABSENT, least) else None)
    return tuple(answers)


def _read(path: Path) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Return the columns and the rows by file of a manifest; ours and no rows where there is none."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, restval="")
            found = list(reader.fieldnames or [])
            rows = {row["file"]: row for row in reader} if "file" in found else {}
    except FileNotFoundError:
        return list(COLUMNS), {}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ArtifactError(f"{path} cannot be read ({error}); mend it or move it away") from error
    if missing := [name for name in ("file", "source", "split", "group", *LABELS) if name not in found]:
        raise ArtifactError(f"{path} lacks the columns {missing}; mend it or move it away")
    return [*found, *(name for name in COLUMNS if name not in found)], rows
