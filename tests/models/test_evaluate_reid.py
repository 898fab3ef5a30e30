import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from vestibule_models.artifact import ArtifactError
from vestibule_models.evaluate_reid import read_people


def make_clip(folder: Path, *, frames: int, truth_until: int) -> Path:
    """A clip whose left half is red, with a person there, one too small, and a mannequin."""
    clip = folder / "clip.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 10, (160, 120))
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[:, :80, 2] = 255
    for _ in range(frames):
        writer.write(picture)
    writer.release()
    boxes = {
        ("ann", "customer"): (10, 10, 60, 110),
        ("far", "customer"): (10, 10, 30, 40),
        ("doll", "mannequin"): (100, 0, 150, 119),
    }
    people = [
        {"name": name, "role": role, "boxes": [[frame, *box] for frame in range(truth_until)]}
        for (name, role), box in boxes.items()
    ]
    clip.with_suffix(".truth.json").write_text(json.dumps({"people": people}), encoding="utf-8")
    return clip


def test_people_are_cut_out_as_rgb_without_mannequins_and_dots(tmp_path: Path) -> None:
    images, names = read_people(make_clip(tmp_path, frames=12, truth_until=12), every=5)
    assert names == ["ann"] * 3
    assert {image.shape for image in images} == {(100, 50, 3)}
    assert images[0][50, 25, 0] > 200  # red comes first
    assert images[0][50, 25, 2] < 60


def test_a_clip_shorter_than_its_truth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="frame 4 cannot be read, its truth goes on to 10"):
        read_people(make_clip(tmp_path, frames=4, truth_until=11), every=5)
