import json
from pathlib import Path

import pytest

from vestibule_models.artifact import (
    MANIFEST,
    ArtifactError,
    GarmentManifest,
    GroupThresholds,
    InputSpec,
    ModelFile,
    Thresholds,
    load_manifest,
    save_manifest,
)
from vestibule_models.labels import LABELS, GarmentGroup

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
