"""A store's photos change the last layers, for the better or not at all; the rest stays the parent's."""

import csv
import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_classifier

pytest.importorskip("tensorflow", reason="needs TensorFlow (the extra `tensorflow`)")

import keras

from vestibule.classifiers import build_classifier
from vestibule.sections import ClassifierConfig
from vestibule_models import finetune_tail
from vestibule_models.__main__ import main
from vestibule_models.artifact import ArtifactError, GarmentManifest, GroupThresholds, load_manifest, sha256_of
from vestibule_models.dataset import Example, read_photos
from vestibule_models.finetune import choose_group_thresholds, choose_thresholds, usable_photos
from vestibule_models.labels import LABELS, GarmentGroup
from vestibule_models.pictures import read_picture

# Keras 3 on NumPy 2, nothing of ours.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
DRESS, JEANS = LABELS.index("Dress"), LABELS.index("Jeans")


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_classifier.write(tmp_path_factory.mktemp("models") / "tiny", litert=False)


def draw_store(folder: Path, count: int = 60, *, splits: tuple[str, ...] = ("train", "train", "val")) -> Path:
    """A store where what is red is a Dress and all else Jeans; whether there is a Tee nobody knows."""
    (folder / "photos").mkdir(parents=True)
    rng = np.random.default_rng(0)
    table = [["file", "source", "split", "group", *LABELS]]
    for number in range(count):
        red = number % 2 == 0
        picture = rng.integers(0, 60, (48, 24, 3), dtype=np.uint8)
        picture[..., 2 if red else 0] += 180
        cv2.imwrite(str(folder / "photos" / f"{number}.png"), picture)
        cells = {"Dress": str(int(red)), "Jeans": str(int(not red)), "Tee": ""}
        split = splits[number // 2 % len(splits)]
        table.append([f"{number}.png", "store", split, f"g{number}", *[cells.get(label, "0") for label in LABELS]])
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(table)
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_store(tmp_path_factory.mktemp("data") / "store")


@pytest.fixture(scope="module")
def tuned(parent: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tuned") / "model"
    assert finetune(parent, store, out) == 0
    return out


def finetune(parent: Path, data: Path, out: Path, *more: str) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own converter uses what TensorFlow deprecates
        return main(["finetune", "--from-zoo", str(parent), "--data", str(data), "--out", str(out), *more])


def test_the_store_s_photos_are_learnt(parent: Path, tuned: Path, store: Path) -> None:
    val = [example for example in read_photos(store) if example.split == "val"]
    before, after = (keras.models.load_model(folder / "model.keras") for folder in (parent, tuned))
    crops = np.stack([read_picture(example.path)[:32, 4:20] for example in val])
    targets = np.stack([example.targets for example in val])[:, [DRESS, JEANS]]
    off = [np.abs(np.asarray(m(crops)["probs"])[:, [DRESS, JEANS]] - targets).mean() for m in (before, after)]
    assert off[1] < off[0] - 0.02


def test_the_embedding_stays_what_it_was_and_the_first_layers_too(parent: Path, tuned: Path) -> None:
    before, after = (keras.models.load_model(folder / "model.keras") for folder in (parent, tuned))
    crops = np.random.default_rng(0).integers(0, 256, (5, 32, 16, 3)).astype(np.uint8)
    old, new = before(crops), after(crops)
    np.testing.assert_allclose(np.asarray(old["embedding"]), np.asarray(new["embedding"]), atol=2e-3)
    assert np.abs(np.asarray(old["probs"]) - np.asarray(new["probs"])).max() > 0.01
    for name in ("stem", "project0", "project4", "projection"):
        for one, other in zip(before.get_layer(name).get_weights(), after.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(one.astype(np.float16), other)


def test_a_tuned_model_is_not_tuned_again(
    tuned: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finetune(tuned, store, tmp_path / "out") == 1
    assert "was tuned before; start from its parent, with all photos together" in capsys.readouterr().err


def test_the_manifest_tells_where_it_comes_from(parent: Path, tuned: Path) -> None:
    old, new = load_manifest(parent), load_manifest(tuned)
    assert isinstance(old, GarmentManifest)
    assert isinstance(new, GarmentManifest)
    assert new.version == "1+40photos"
    assert new.provenance["parent"] == "tiny@1"
    assert new.provenance["parent_sha256"] == sha256_of(parent / "model.keras")
    assert (new.provenance["corrected_photos"], new.provenance["validation_photos"]) == (40, 20)
    assert float(new.provenance["validation_loss_after"]) < float(new.provenance["validation_loss_before"])
    assert new.thresholds == old.thresholds
    assert new.provenance["thresholds"] == "of the parent, but fitted on the validation photos for: none"


def test_the_daemon_runs_it(tuned: Path) -> None:
    classifier = build_classifier(ClassifierConfig.model_validate({"runtime": "litert", "model": tuned}))
    assert classifier.manifest == load_manifest(tuned)


def test_thresholds_are_fitted_where_positives_suffice(parent: Path) -> None:
    manifest = load_manifest(parent)
    assert isinstance(manifest, GarmentManifest)
    targets, probs = np.zeros((60, 15), np.float32), np.zeros((60, 15), np.float32)
    targets[:20, DRESS], targets[:19, JEANS] = 1, 1
    probs[:25, DRESS] = 0.9
    known = np.ones_like(targets)
    thresholds, fitted = choose_thresholds(manifest, targets, probs, known)
    assert fitted == ["Dress"]
    assert thresholds[LABELS[DRESS]].likely == pytest.approx(0.9)
    assert thresholds[LABELS[DRESS]].certain is None  # 20 of 25 are right
    assert thresholds[LABELS[JEANS]] == manifest.thresholds[LABELS[JEANS]]
    known[0, DRESS] = 0
    assert choose_thresholds(manifest, targets, probs, known)[1] == []


def test_thresholds_of_groups_are_fitted_where_positives_suffice(parent: Path) -> None:
    manifest = load_manifest(parent)
    assert isinstance(manifest, GarmentManifest)
    of_parent = {group: GroupThresholds(positives=50, likely=0.3, certain=0.7) for group in GarmentGroup}
    manifest = manifest.model_copy(update={"group_thresholds": of_parent})
    blazer, jacket = LABELS.index("Blazer"), LABELS.index("Jacket")
    targets, probs = np.zeros((60, 15), np.float32), np.zeros((60, 15), np.float32)
    targets[:10, blazer], targets[10:20, jacket] = 1, 1
    probs[:20, [blazer, jacket]] = 0.5
    thresholds, fitted = choose_group_thresholds(manifest, targets, probs, np.ones_like(targets), manifest.thresholds)
    assert fitted == ["Outerwear"]
    assert thresholds[GarmentGroup.OUTERWEAR] == GroupThresholds(positives=20, likely=0.75, certain=0.75, alone=0.75)
    assert thresholds[GarmentGroup.KNITWEAR] == of_parent[GarmentGroup.KNITWEAR]


def test_the_cut_leaves_whole_blocks_behind_it() -> None:
    model = tiny_classifier.build()
    body, tail = finetune_tail.split(model)
    blocks = {f"{part}{block}" for block in range(1, 5) for part in ("expand", "project")}
    assert {layer.name for layer in tail.layers if layer.weights} == {*blocks, "probs"}
    assert {layer.name for layer in body.layers if layer.weights} == {"stem", "expand0", "project0"}
    crops = np.random.default_rng(0).integers(0, 256, (3, 32, 16, 3)).astype(np.uint8)
    np.testing.assert_allclose(np.asarray(tail(body(crops))), np.asarray(model(crops)["probs"]), atol=1e-6)


def test_too_few_photos_and_no_gain_write_nothing(
    parent: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    few = draw_store(tmp_path / "few", 21)
    assert finetune(parent, few, out) == 1
    assert "15 usable photos of split train, 20 are needed" in capsys.readouterr().err
    unjudged = draw_store(tmp_path / "unjudged", 30, splits=("train",))
    assert finetune(parent, unjudged, out) == 1
    assert "0 usable photos of split val, 10 are needed" in capsys.readouterr().err
    assert finetune(parent, store, out, "--epochs", "0") == 1
    assert "no epoch was better beyond chance than tiny on the 20 validation photos" in capsys.readouterr().err
    assert finetune(parent, tmp_path, out) == 1
    assert "cannot read" in capsys.readouterr().err
    assert not out.exists()


def test_a_gain_is_one_beyond_chance() -> None:
    rng = np.random.default_rng(0)
    assert finetune_tail.is_gain(rng.normal(0.1, 0.1, 30).astype(np.float32))
    assert not finetune_tail.is_gain(rng.normal(-0.1, 0.1, 30).astype(np.float32))
    assert not finetune_tail.is_gain(np.array([0.5, -0.5, 0.5, -0.4], np.float32))
    assert not finetune_tail.is_gain(np.zeros(10, np.float32))


def test_where_nothing_is_left_to_learn_the_tail_stays_as_it_came() -> None:
    _, tail = finetune_tail.split(tiny_classifier.build())
    rng = np.random.default_rng(1)
    features = rng.normal(size=(60, *tail.input_shape[1:])).astype(np.float16)
    truth = np.asarray(tail(features.astype(np.float32)))  # each answer is as often right as it says
    part = finetune_tail.Part(
        features=features[np.newaxis],
        targets=(rng.random(truth.shape) < truth).astype(np.float32),
        known=np.ones_like(truth),
    )
    before = tail.get_weights()
    train, val = part.take(np.arange(30)), part.take(np.arange(30, 60))
    best, losses = finetune_tail.fit(tail, train, val, epochs=8, seed=1, report=lambda *_: None)
    assert best == 0
    assert len(losses) > 1
    for old, new in zip(before, tail.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_photos_that_cannot_be_read_or_tell_nothing_are_left_out(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, second, third = read_photos(store)[:3]
    unread = replace(second, path=tmp_path / "none.png")
    blank = replace(third, known=np.zeros(15, np.float32))
    examples: list[Example] = [good, unread, blank]
    assert usable_photos(examples) == [good]
    assert "none.png" in capsys.readouterr().out


def test_a_detector_is_no_parent(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert finetune(Path("person-mobilenet"), store, tmp_path / "out") == 1
    assert "only a garment classifier" in capsys.readouterr().err


def test_a_model_without_a_place_to_cut_is_said() -> None:
    crops = keras.Input((32, 16, 3), dtype="uint8")
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1.0)(crops))
    model = keras.Model(crops, [keras.layers.Dense(15)(flat), keras.layers.Dense(16)(flat)])
    with pytest.raises(ArtifactError, match="no place to be cut"):
        finetune_tail.split(model)
