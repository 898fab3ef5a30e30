import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from vestibule_models import persons_frames
from vestibule_models.artifact import ArtifactError
from vestibule_models.persons_sources import Photo


def photo(people: list[list[float]], ignore: list[list[float]] | None = None) -> Photo:
    return Photo(
        name="a",
        source="ccp",
        image=np.zeros((200, 100, 3), np.uint8),
        people=np.array(people, np.float32).reshape(-1, 4),
        ignore=np.array(ignore or [], np.float32).reshape(-1, 4),
    )


def test_small_people_count_neither_way() -> None:
    changed = persons_frames.large_only(photo([[0, 0, 20, 100], [50, 0, 55, 19]], [[90, 0, 99, 9]]))
    assert changed.people.tolist() == [[0, 0, 20, 100]]
    assert changed.ignore.tolist() == [[90, 0, 99, 9], [50, 0, 55, 19]]


def test_passers_by_count_neither_way() -> None:
    changed = persons_frames.alone(photo([[0, 0, 20, 30], [30, 0, 90, 190]]))
    assert changed.people.tolist() == [[30, 0, 90, 190]]
    assert changed.ignore.tolist() == [[0, 0, 100, 200]]


def test_frames_of_a_clip_come_with_their_truth(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "a.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    for number in range(45):
        writer.write(np.full((48, 64, 3), 5 * number, np.uint8))
    writer.release()
    people = [{"boxes": [[0, 1, 2, 3, 4], [20, 5, 6, 7, 8], [21, 9, 9, 9, 9]]}, {"boxes": [[20, 1, 1, 2, 2]]}]
    truth = {"clip": "a.mp4", "fps": 10, "frames": 45, "people": people}
    (tmp_path / "a.truth.json").write_text(json.dumps(truth))
    frames = persons_frames.clip_frames(tmp_path)
    assert [photo.people.tolist() for photo in frames] == [[[1, 2, 3, 4]], [[5, 6, 7, 8], [1, 1, 2, 2]], []]
    assert [float(photo.image.mean()) for photo in frames] == pytest.approx([0, 100, 200], abs=6)

    (tmp_path / "a.truth.json").write_text(json.dumps({**truth, "frames": 100}))
    with pytest.raises(FileNotFoundError, match="ends before frame 45"):
        persons_frames.clip_frames(tmp_path)


def write_photos(folder: Path, splits: list[str]) -> None:
    (folder / "photos").mkdir(parents=True)
    rows, boxes = ["file,source,split,width,height"], ["file,x0,y0,x1,y1"]
    for number, split in enumerate(splits):
        cv2.imwrite(str(folder / "photos" / f"{number}.png"), np.zeros((50, 40, 3), np.uint8))
        rows.append(f"{number}.png,{'ccp' if number % 2 else 'mine'},{split},40,50")
        boxes.append(f"{number}.png,5,5,35,45")
    (folder / "photos.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "boxes.csv").write_text("\n".join(boxes) + "\n", encoding="utf-8")


def test_photos_of_one_split_or_of_all(tmp_path: Path) -> None:
    write_photos(tmp_path / "persons-v1", ["train", "test", "test", "val"])
    counts = {
        split: {name: len(photos) for name, photos in persons_frames.read_sets(tmp_path, split).items()}
        for split in ("test", None)
    }
    assert counts["test"] == {"photos, everyday": 1, "photos, street": 1}
    assert counts[None] == {"photos, everyday": 2, "photos, street": 2}
    assert persons_frames.read_sets(tmp_path / "persons-v1", "val").keys() == {"photos, street"}


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="has no people to find"):
        persons_frames.read_sets(tmp_path, None)
    write_photos(tmp_path / "persons-v1", ["train"])
    with pytest.raises(ArtifactError, match="no photo of split 'test'"):
        persons_frames.read_sets(tmp_path, "test")
