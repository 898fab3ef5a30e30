"""Measuring person detectors; the one that ships."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from vestibule_models import evaluate_persons, persons_frames
from vestibule_models.artifact import ZOO, ArtifactError, DetectorManifest, load_manifest, model_path
from vestibule_models.persons_metrics import figures
from vestibule_models.persons_sources import Photo

SHIPPED = ZOO / "person-mobilenet"
DATA = os.environ.get("VESTIBULE_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="VESTIBULE_DATA is not set: no labelled frames to measure on")


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


def test_the_baseline_runs_on_any_picture() -> None:
    for height, width in ((360, 640), (50, 300), (400, 100)):
        boxes, scores = evaluate_persons.find_with_hog(np.zeros((height, width, 3), np.uint8))
        assert boxes.shape == (0, 4)
        assert scores.shape == (0,)


def test_the_shipped_detector_is_small_whole_and_takes_pixels() -> None:
    manifest = load_manifest(SHIPPED)
    assert isinstance(manifest, DetectorManifest)
    assert model_path(SHIPPED, manifest, ".tflite").stat().st_size < 12 << 20
    assert manifest.input.dtype == "uint8"
    assert (SHIPPED / "MODEL_CARD.md").is_file()


def test_a_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="manifest"):
        evaluate_persons.network_of(tmp_path)


@needs_data
def test_the_shipped_detector_finds_people_in_real_frames() -> None:
    frames = persons_frames.labelled_frames(Path(DATA or "") / "clips" / "real")
    assert len(frames) == 35
    found = figures(evaluate_persons.compare(evaluate_persons.network_of(SHIPPED), frames))
    assert found.people == 32
    assert found.recall_at_p90 >= 0.75
    assert found.ap50 >= 0.9


def test_heights_are_those_of_pictures_640_wide() -> None:
    wide = Photo(
        name="a",
        source="mine",
        image=np.zeros((720, 1280, 3), np.uint8),
        people=np.array([[0, 0, 60, 200]], np.float32),
        ignore=np.zeros((0, 4), np.float32),
    )
    box = np.array([[0, 0, 60, 190]], np.float32)
    (found,) = evaluate_persons.compare(lambda _: (box, np.ones(1, np.float32)), [wide])
    assert found.people_heights.tolist() == [100]
    assert found.right.tolist() == [True]


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
