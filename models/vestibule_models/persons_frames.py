"""Pictures on which person detectors are measured: labelled frames, composed clips, photos."""

import json
from pathlib import Path

import cv2
import numpy as np

from vestibule_models.artifact import ArtifactError
from vestibule_models.dataset import STREET
from vestibule_models.persons_sources import Photo, Split, load_photos

FRAMES, EVERYDAY = "labelled frames", "photos, everyday"
"""Names of sets; the headline is of the first."""
SPLITS: tuple[Split, ...] = ("train", "val", "test")

_CLIPS = {"onebyone": "one-by-one-person-detection.mp4", "worker-zone-detection": "worker-zone-detection.gif"}
_SMALLEST_SHARE = 0.1
"""Of the photo's height: smaller people count neither way; none in a shop is."""


def read_sets(data: Path, split: str | None) -> dict[str, list[Photo]]:
    """Read all that a folder has of `clips/real`, `clips` and `persons-v1` (or is such a folder of photos itself).

    Args:
        data: folder.
        split: of the photos; all where it is None.

    Raises:
        ArtifactError: the folder has none of them, or no photo of the split.
    """
    sets = {}
    if (data / "clips" / "real" / "boxes.json").is_file():
        sets[FRAMES] = labelled_frames(data / "clips" / "real")
    if any((data / "clips").glob("*.truth.json")):
        sets["composed clips"] = clip_frames(data / "clips")
    folder = next((place for place in (data, data / "persons-v1") if (place / "photos.csv").is_file()), None)
    if folder:
        photos = [p for one in SPLITS if split in (None, one) for p in load_photos(folder, one)]
        street = [alone(photo) for photo in photos if photo.source == STREET and len(photo.people)]
        others = [large_only(photo) for photo in photos if photo.source != STREET]
        if not photos:
            raise ArtifactError(f"{folder} has no photo of split {split!r}; name another with --split")
        sets |= {name: rows for name, rows in ((EVERYDAY, others), ("photos, street", street)) if rows}
    if not sets:
        raise ArtifactError(
            f"{data} has no people to find: neither clips/real/boxes.json, nor clips/NAME.truth.json, nor photos.csv "
            "and boxes.csv (in it or in persons-v1); name a folder that has one"
        )
    return sets


def labelled_frames(folder: Path) -> list[Photo]:
    """Read the frames of the real clips that people have labelled; frames are counted from 0 as decoded."""
    labels = json.loads((folder / "boxes.json").read_text(encoding="utf-8"))
    photos = []
    for key, clip in _CLIPS.items():
        wanted = {int(name.rsplit("_", 1)[1].split(".")[0]): name for name in labels if name.startswith(f"{key}_")}
        capture = cv2.VideoCapture(str(folder / clip))
        for number in range(max(wanted) + 1):
            read, image = capture.read()
            if not read:
                raise FileNotFoundError(2, f"ends before frame {number}", str(folder / clip))
            if number in wanted:
                label = labels[wanted[number]]
                photos.append(
                    Photo(
                        name=wanted[number],
                        source=key,
                        image=np.asarray(image, np.uint8),
                        people=np.array(label["boxes"], np.float32).reshape(-1, 4),
                        ignore=np.array(label["ignore"], np.float32).reshape(-1, 4),
                    )
                )
        capture.release()
    return photos


def clip_frames(folder: Path, *, apart_s: float = 2.0) -> list[Photo]:
    """Read frames of the clips that were composed with complete truth, some seconds apart."""
    photos = []
    for path in sorted(folder.glob("*.truth.json")):
        truth = json.loads(path.read_text(encoding="utf-8"))
        capture = cv2.VideoCapture(str(folder / truth["clip"]))
        every = max(1, round(truth["fps"] * apart_s))
        for number in range(truth["frames"]):
            if not capture.grab():
                raise FileNotFoundError(2, f"ends before frame {number}", str(folder / truth["clip"]))
            if number % every:
                continue
            image = np.asarray(capture.retrieve()[1], np.uint8)
            rows = [box[1:] for person in truth["people"] for box in person["boxes"] if box[0] == number]
            people = np.array(rows, np.float32).reshape(-1, 4)
            nobody = np.zeros((0, 4), np.float32)
            photos.append(
                Photo(name=f"{path.stem}_{number}", source=path.stem, image=image, people=people, ignore=nobody)
            )
        capture.release()
    return photos


def large_only(photo: Photo) -> Photo:
    """Let people under a tenth of the photo's height count neither way."""
    large = photo.people[:, 3] - photo.people[:, 1] >= _SMALLEST_SHARE * photo.image.shape[0]
    ignore = np.concatenate([photo.ignore, photo.people[~large]])
    return Photo(name=photo.name, source=photo.source, image=photo.image, people=photo.people[large], ignore=ignore)


def alone(photo: Photo) -> Photo:
    """Ask only for the largest person: passers-by behind are labelled unevenly, so they count neither way."""
    sizes = np.prod(photo.people[:, 2:] - photo.people[:, :2], axis=1)
    height, width = photo.image.shape[:2]
    return Photo(
        name=photo.name,
        source=photo.source,
        image=photo.image,
        people=photo.people[[int(np.argmax(sizes))]],
        ignore=np.array([[0, 0, width, height]], np.float32),
    )
