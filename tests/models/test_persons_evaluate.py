"""Measuring person detectors; the one that ships."""

import os
from pathlib import Path

import numpy as np
import pytest

from vestibule_models import evaluate_persons, persons_frames
from vestibule_models.artifact import ZOO, ArtifactError, DetectorManifest, load_manifest, model_path
from vestibule_models.persons_metrics import figures
from vestibule_models.persons_sources import Photo

SHIPPED = ZOO / "person-mobilenet"
DATA = os.environ.get("VESTIBULE_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="VESTIBULE_DATA is not set: no labelled frames to measure on")


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


def test_pictures_are_fitted_into_the_size_that_is_asked_for() -> None:
    picture = np.full((360, 640, 3), 114, np.uint8)
    for size in ((288, 160), (640, 384)):
        boxes, _ = evaluate_persons.network_of(SHIPPED, input_wh=size)(picture)
        assert boxes.shape[1] == 4
    with pytest.raises(ArtifactError, match="multiples of 32"):
        evaluate_persons.network_of(SHIPPED, input_wh=(300, 160))


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
