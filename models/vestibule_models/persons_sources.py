"""What training frames of the person detector are composed from, read into memory and shrunk.

Everything here is BGR uint8, with alpha as a fourth channel where something was cut out.
"""

import zlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from vestibule_models.dataset import read_rows
from vestibule_models.persons_decode import Bytes, Floats

Split = Literal["train", "val", "test"]

TALLEST = 320
"""Pixels that a cut-out keeps: one and a half times the height of the network's input and a little."""
_HELD_BACK_ONE_IN = 10
"""Photos of everyday scenes come as train and test only; one in so many of train is held back as val."""
_OPAQUE = 127
_CROWD = 4
"""A box that holds the centres of so many others is a crowd, not a person."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Photo:
    """A photo with its people.

    Attributes:
        name: of the file.
        source: where it comes from.
        image: uint8 (H, W, 3) BGR.
        people: float32 (P, 4) xyxy pixels.
        ignore: float32 (I, 4) xyxy pixels: crowds and people of a few pixels, which count neither way.
    """

    name: str
    source: str
    image: Bytes
    people: Floats
    ignore: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sources:
    """All that frames are composed from.

    Attributes:
        photos: with people.
        cutouts: uint8 (h, w, 4), people cut out of photos.
        sprites: uint8 (h, w, 4), rendered people; may be empty.
        places: uint8 (H, W, 3), nobody in them.
        things: uint8 (h, w, 3), garments without anybody in them.
    """

    photos: list[Photo]
    cutouts: list[Bytes]
    sprites: list[Bytes]
    places: list[Bytes]
    things: list[Bytes]


def load_sources(data: Path, sprites: Path | None, split: Split, rng: np.random.Generator) -> Sources:
    """Read one split.

    Args:
        data: folder of garments-v1 and persons-v1.
        sprites: folder of rendered people with their index.csv, or None.
        split: which rows.
        rng: chooses windows without people out of photos with people.
    """
    photos = load_photos(data / "persons-v1", split)
    return Sources(
        photos=[photo for photo in photos if len(photo.people)],
        cutouts=load_cutouts(data / "garments-v1", split),
        sprites=load_sprites(sprites, split) if sprites else [],
        places=find_places(photos, rng),
        things=load_things(data / "garments-v1", split),
    )


def load_photos(folder: Path, split: Split) -> list[Photo]:
    """Read the photos of one split of persons-v1."""
    boxes: dict[str, list[list[float]]] = defaultdict(list)
    for row in read_rows(folder / "boxes.csv", ["file", "x0", "y0", "x1", "y1"]):
        boxes[row["file"]].append([float(row[key]) for key in ("x0", "y0", "x1", "y1")])
    photos = []
    for row in read_rows(folder / "photos.csv", ["file", "source", "split"]):
        name = row["file"]
        if _split_of(name, row["source"], row["split"]) != split:
            continue
        image = _read(folder / "photos" / name, cv2.IMREAD_COLOR)
        people, ignore = _sort_boxes(np.array(boxes[name], np.float32).reshape(-1, 4), image.shape[0])
        photos.append(Photo(name=name, source=row["source"], image=image, people=people, ignore=ignore))
    return photos


def _split_of(name: str, source: str, split: str) -> str:
    if source.startswith("coco") and split == "train" and zlib.crc32(name.encode()) % _HELD_BACK_ONE_IN == 0:
        return "val"
    return split


def _sort_boxes(boxes: Floats, height: int) -> tuple[Floats, Floats]:
    """Tell people from what counts neither way: crowds, and boxes under 2 % of the photo's height."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    held = ((middles > boxes[:, np.newaxis, :2]) & (middles < boxes[:, np.newaxis, 2:])).all(axis=2).sum(axis=1)
    doubtful = (held > _CROWD) | (boxes[:, 3] - boxes[:, 1] < 0.02 * height)
    return boxes[~doubtful], boxes[doubtful]


def load_cutouts(folder: Path, split: Split) -> list[Bytes]:
    """Cut the people with outlines out of the photos of garments-v1."""
    cutouts = []
    for row in read_rows(folder / "manifest.csv", ["file", "split"]):
        mask_path = folder / "masks" / (Path(row["file"]).stem + ".png")
        if row["split"] != split or not mask_path.is_file():
            continue
        cutouts.append(cut_out(folder / "photos" / row["file"], mask_path))
    return cutouts


def cut_out(photo: Path, outline: Path, tallest: int = TALLEST) -> Bytes:
    """Cut a person out of a photo, uint8 (h, w, 4), at most `tallest` pixels high; the outline is above 0 inside."""
    image = _read(photo, cv2.IMREAD_COLOR)
    alpha = np.where(_read(outline, cv2.IMREAD_UNCHANGED) > 0, 255, 0).astype(np.uint8)
    alpha = np.asarray(cv2.erode(alpha, np.ones((2, 2), np.uint8)), np.uint8)
    return _trim(np.dstack([image, alpha]), tallest)


def load_sprites(folder: Path, split: Split) -> list[Bytes]:
    """Read rendered people of one split; the others belong to footage that detectors are looked at on."""
    rows = [row for row in read_rows(folder / "index.csv", ["file", "split"]) if row["split"] == split]
    return [_trim(_read(folder / row["file"], cv2.IMREAD_UNCHANGED)) for row in rows]


def load_things(folder: Path, split: Split, most: int = 600) -> list[Bytes]:
    """Read photos of garments that nobody wears."""
    rows = [
        row for row in read_rows(folder / "manifest.csv", ["file", "split", "kind", "source"]) if row["split"] == split
    ]
    names = [row["file"] for row in rows if row["kind"] == "flat" and row["source"] == "clothing-dataset"]
    return [
        _shrink(_read(folder / "photos" / name, cv2.IMREAD_COLOR), 160) for name in names[:: 1 + len(names) // most]
    ]


def find_places(photos: list[Photo], rng: np.random.Generator, tries: int = 12) -> list[Bytes]:
    """Find pictures without people: photos that show nobody, and windows of the others that miss everybody."""
    places = []
    for photo in photos:
        boxes = np.concatenate([photo.people, photo.ignore])
        if not len(boxes):
            places.append(photo.image)
        elif photo.source.startswith("coco"):
            height, width = photo.image.shape[:2]
            for _ in range(tries):
                w = int(width * rng.uniform(0.4, 0.9))
                h = min(height, int(w * 9 / 16))
                x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
                apart = (boxes[:, 2] < x) | (boxes[:, 0] > x + w) | (boxes[:, 3] < y) | (boxes[:, 1] > y + h)
                if apart.all():
                    places.append(photo.image[y : y + h, x : x + w])
                    break
    return places


def _trim(cutout: Bytes, tallest: int = TALLEST) -> Bytes:
    """Cut a picture with alpha down to what is visible, at most so many pixels high."""
    rows = np.flatnonzero((cutout[..., 3] > _OPAQUE).any(axis=1))
    columns = np.flatnonzero((cutout[..., 3] > _OPAQUE).any(axis=0))
    return _shrink(cutout[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], tallest)


def _shrink(image: Bytes, height: int) -> Bytes:
    if image.shape[0] <= height:
        return np.ascontiguousarray(image)
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _read(path: Path, how: int) -> Bytes:
    image: npt.NDArray[np.uint8] | None = np.asarray(cv2.imread(str(path), how), np.uint8) if path.is_file() else None
    if image is None or not image.size:
        raise FileNotFoundError(2, "not a readable picture", str(path))
    return image
