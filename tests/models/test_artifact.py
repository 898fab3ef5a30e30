import json
from pathlib import Path

import pytest

from vestibule_models.artifact import (
    MANIFEST,
    ArtifactError,
    DetectorManifest,
    GarmentManifest,
    GroupThresholds,
    InputSpec,
    ModelFile,
    ScoreMap,
    Thresholds,
    load_manifest,
    save_manifest,
)
from vestibule_models.labels import LABELS, GarmentGroup, GarmentLabel

KNOWN = GroupThresholds(positives=40, likely=0.25, certain=0.75, alone=0.5)
UNKNOWN = GroupThresholds(positives=33, likely=None, certain=None)
CLASSIFIER = GarmentManifest(
    schema_version=1,
    kind="garment-classifier",
    name="garments",
    version="1",
    input=InputSpec(height=64, width=32, colour="rgb", dtype="uint8", resize="letterbox-centre"),
    files={"model.tflite": ModelFile(sha256="0" * 64, bytes=1)},
    labels=LABELS,
    embedding_size=4,
    same_person_distance=0.2,
    thresholds=dict.fromkeys(LABELS, Thresholds(positives=40, likely=0.25, certain=None)),
    group_thresholds={GarmentGroup.OUTERWEAR: KNOWN, GarmentGroup.ONE_PIECE: UNKNOWN},
)


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    save_manifest(tmp_path, CLASSIFIER)
    assert load_manifest(tmp_path) == CLASSIFIER
    assert CLASSIFIER.all_thresholds[GarmentGroup.OUTERWEAR] == KNOWN
    assert set(CLASSIFIER.all_thresholds) == {*LABELS, GarmentGroup.OUTERWEAR, GarmentGroup.ONE_PIECE}


def test_a_manifest_from_before_there_were_groups_has_no_thresholds_for_them(tmp_path: Path) -> None:
    values = CLASSIFIER.model_dump(mode="json")
    del values["group_thresholds"]
    (tmp_path / MANIFEST).write_text(json.dumps(values), encoding="utf-8")
    found = load_manifest(tmp_path)
    assert isinstance(found, GarmentManifest)
    assert found.group_thresholds == {}
    assert set(found.all_thresholds) == set(LABELS)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"Hats": KNOWN.model_dump()}, "Light top"),
        ({"Outerwear": {"positives": 3, "likely": 2.0, "certain": None}}, "group_thresholds.Outerwear.likely"),
    ],
    ids=["unknown group", "out of range"],
)
def test_thresholds_of_groups_are_checked(tmp_path: Path, groups: dict[str, object], said: str) -> None:
    values = CLASSIFIER.model_dump(mode="json") | {"group_thresholds": groups}
    (tmp_path / MANIFEST).write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ArtifactError, match=said):
        load_manifest(tmp_path)


@pytest.mark.parametrize("name", ["../model.tflite", "/etc/passwd", "a/../../b.tflite", "", "a\0b"])
def test_files_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    values = CLASSIFIER.model_dump(mode="json")
    values["files"] = {name: values["files"]["model.tflite"]}
    (tmp_path / MANIFEST).write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ArtifactError, match="leads out of the model's folder") as refused:
        load_manifest(tmp_path)
    assert "\n" not in str(refused.value)


DETECTOR = DetectorManifest(
    schema_version=1,
    kind="person-detector",
    name="people",
    version="1",
    input=InputSpec(height=192, width=352, colour="rgb", dtype="uint8", resize="letterbox-top-left"),
    files={"model.tflite": ModelFile(sha256="0" * 64, bytes=1)},
    decoder="yolox",
    classes=1,
    person_class=0,
    resizable=32,
)


def test_a_detector_is_resized_to_multiples_only() -> None:
    found = DETECTOR.resized(640, 384)
    assert (found.input.width, found.input.height) == (640, 384)
    assert found.model_copy(update={"input": DETECTOR.input}) == DETECTOR
    for width, height in ((640, 380), (650, 384), (16, 16)):
        with pytest.raises(ArtifactError, match=f"people takes no input of {width}x{height}.*multiples of 32"):
            DETECTOR.resized(width, height)


def test_a_manifest_from_before_detectors_could_be_resized_takes_its_own_size_only(tmp_path: Path) -> None:
    values = DETECTOR.model_dump(mode="json")
    del values["resizable"]
    (tmp_path / MANIFEST).write_text(json.dumps(values), encoding="utf-8")
    found = load_manifest(tmp_path)
    assert isinstance(found, DetectorManifest)
    assert found.resized(352, 192) == found
    with pytest.raises(ArtifactError, match="people takes 352x192 only, not 640x384"):
        found.resized(640, 384)


def test_scores_are_published_as_they_are_where_nothing_maps_them() -> None:
    assert CLASSIFIER.published(GarmentLabel.DRESS, 0.97) == 0.97
    assert CLASSIFIER.published_thresholds == CLASSIFIER.all_thresholds


def test_categories_and_groups_have_their_own_maps_and_thresholds_go_through_them() -> None:
    maps = {"score_map": ScoreMap(slope=0.5, intercept=0.0), "group_score_map": ScoreMap(slope=1.0, intercept=1.0)}
    found = CLASSIFIER.model_copy(update=maps)
    assert found.published(GarmentLabel.DRESS, 0.9) == pytest.approx(0.75)
    assert found.published(GarmentGroup.OUTERWEAR, 0.5) == pytest.approx(0.731, abs=1e-3)
    dress, outerwear = (found.published_thresholds[name] for name in (GarmentLabel.DRESS, GarmentGroup.OUTERWEAR))
    assert (dress.positives, dress.certain) == (40, None)
    assert dress.likely == pytest.approx(0.366, abs=1e-3)
    assert isinstance(outerwear, GroupThresholds)
    assert outerwear.alone == pytest.approx(0.731, abs=1e-3)
    assert found.all_thresholds == CLASSIFIER.all_thresholds
    assert [round(maps["score_map"](score), 6) for score in (0.0, 1.0)] == [0.000999, 0.999001]


@pytest.mark.parametrize("values", [{"slope": 0, "intercept": 0}, {"slope": 1}, {"slope": 1, "intercept": "nan"}])
def test_a_map_that_does_not_rise_is_refused(tmp_path: Path, values: dict[str, object]) -> None:
    written = CLASSIFIER.model_dump(mode="json") | {"score_map": values}
    (tmp_path / MANIFEST).write_text(json.dumps(written), encoding="utf-8")
    with pytest.raises(ArtifactError, match="score_map"):
        load_manifest(tmp_path)
