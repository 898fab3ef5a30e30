import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs TensorFlow (the extra `tensorflow`)")

import keras
from ai_edge_litert.interpreter import Interpreter

from vestibule_models import export_garments
from vestibule_models.dataset import Example
from vestibule_models.embedding import distances, fit_projection
from vestibule_models.keras_files import round_to_float16, save_keras
from vestibule_models.labels import LABELS, GarmentGroup
from vestibule_models.networks import efficientnet_lite

# Keras 3 on NumPy 2, nothing of ours.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[keras.Model, Path]:
    """A small network with made-up weights, as both files."""
    keras.utils.set_random_seed(5)
    model = efficientnet_lite.build(64, 32, embedding=8, fused=True)
    probs = model.get_layer("probs")
    rng = np.random.default_rng(2)
    probs.set_weights([rng.normal(0, 0.3, weight.shape) for weight in probs.get_weights()])
    round_to_float16(model)
    folder = tmp_path_factory.mktemp("exported")
    save_keras(model, folder / "model.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own converter uses what TensorFlow deprecates
        (folder / "model.tflite").write_bytes(export_garments.to_tflite(model))
    return model, folder


def test_every_weight_fits_float16(exported: tuple[keras.Model, Path]) -> None:
    for weight in exported[0].get_weights():
        np.testing.assert_array_equal(weight, weight.astype(np.float16).astype(np.float32))


def test_the_keras_file_is_packed_and_loads_alone(exported: tuple[keras.Model, Path]) -> None:
    model, folder = exported
    assert (folder / "model.keras").stat().st_size < 0.75 * 4 * model.count_params()
    loaded = keras.models.load_model(folder / "model.keras")
    for expected, got in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(expected, got)


@pytest.mark.parametrize("batch", [1, 5])
def test_both_files_agree_at_any_batch(exported: tuple[keras.Model, Path], batch: int) -> None:
    model, folder = exported
    crops = np.random.default_rng(batch).integers(0, 256, (batch, 64, 32, 3)).astype(np.uint8)
    interpreter = Interpreter(str(folder / "model.tflite"), num_threads=1)
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], crops.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], crops)
    interpreter.invoke()
    expected = {value.shape: np.asarray(value) for value in model(crops, training=False).values()}
    for detail in interpreter.get_output_details():
        got = interpreter.get_tensor(detail["index"])
        np.testing.assert_allclose(got, expected[got.shape], atol=1e-3)
    assert expected[(batch, 15)].std() > 0.01


def street(name: str, column: int, *, split: str = "train") -> Example:
    targets = np.zeros(len(LABELS), np.float32)
    targets[column] = 1
    return Example(path=Path(name), source="ccp", split=split, group=name, targets=targets, known=targets * 0 + 1)


def test_thresholds_come_from_the_folds(tmp_path: Path) -> None:
    photos = [street(f"{i}.jpg", 3 if i < 40 else 4) for i in range(80)]
    scores = np.zeros((80, len(LABELS)), np.float32)
    scores[:40, 3] = 0.8
    for fold, rows in enumerate((range(0, 80, 2), range(1, 80, 2))):
        (tmp_path / f"fold{fold}").mkdir()
        files = [photos[i].path.name for i in rows]
        np.savez(tmp_path / f"fold{fold}" / "out_of_fold.npz", files=files, probs=scores[list(rows)])
    thresholds = export_garments.learnt_from_answers(tmp_path, photos)["thresholds"]
    assert thresholds[LABELS[3]].positives == 40
    assert thresholds[LABELS[3]].certain == pytest.approx(0.8)
    assert (thresholds[LABELS[4]].positives, thresholds[LABELS[4]].likely) == (40, None)
    assert thresholds[LABELS[0]].likely is None


def test_thresholds_of_groups_come_from_the_folds_too(tmp_path: Path) -> None:
    blazer, jacket = LABELS.index("Blazer"), LABELS.index("Jacket")
    photos = [street(f"{i}.jpg", (blazer, jacket, 3)[i % 3]) for i in range(90)]
    scores = np.zeros((90, len(LABELS)), np.float32)
    for i in range(90):
        scores[i, [blazer, jacket]] = 0.0 if i % 3 == 2 else 0.5  # outerwear for certain, either of the two
    (tmp_path / "fold0").mkdir()
    np.savez(tmp_path / "fold0" / "out_of_fold.npz", files=[photo.path.name for photo in photos], probs=scores)
    found = export_garments.learnt_from_answers(tmp_path, photos)
    thresholds, groups = found["thresholds"], found["group_thresholds"]
    assert (thresholds[LABELS[blazer]].likely, thresholds[LABELS[jacket]].likely) == (None, None)
    assert groups[GarmentGroup.OUTERWEAR].positives == 60
    assert groups[GarmentGroup.OUTERWEAR].certain == pytest.approx(0.75)
    assert groups[GarmentGroup.OUTERWEAR].alone == pytest.approx(0.75)
    assert (groups[GarmentGroup.KNITWEAR].positives, groups[GarmentGroup.KNITWEAR].likely) == (0, None)


def test_maps_of_scores_come_from_the_folds_where_scores_are_mistaken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(2)
    photos = [street(f"{i}.jpg", 3 if i % 2 else 4) for i in range(400)]
    scores = np.zeros((400, len(LABELS)), np.float32)
    scores[:, 3] = np.where((rng.random(400) < 0.8) == (np.arange(400) % 2 == 1), 0.99, 0.01)  # sure, right 4 in 5
    (tmp_path / "fold0").mkdir()
    np.savez(tmp_path / "fold0" / "out_of_fold.npz", files=[photo.path.name for photo in photos], probs=scores)
    found = export_garments.learnt_from_answers(tmp_path, photos)
    assert found["score_map"](0.99) == pytest.approx(0.8, abs=0.05)
    assert found["group_score_map"] is None
    assert "not calibrated" in capsys.readouterr().out


def test_without_answers_of_the_folds_there_is_no_threshold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = export_garments.learnt_from_answers(tmp_path, [street("a.jpg", 0)])
    thresholds, groups = found["thresholds"], found["group_thresholds"]
    assert set(thresholds) == set(LABELS)
    assert set(groups) == set(GarmentGroup)
    assert all(found.likely is None for found in (*thresholds.values(), *groups.values()))
    assert "provisional" in capsys.readouterr().out


def test_the_projection_finds_what_tells_people_apart() -> None:
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(30), 6)
    features = rng.normal(0, 1, (180, 20)) * 3
    features[:, :4] = rng.normal(0, 1, (30, 4))[people] + rng.normal(0, 0.1, (180, 4))
    kernel, bias = fit_projection(features, people, 4)
    embedded = features @ kernel + bias
    embedded /= np.linalg.norm(embedded, axis=1, keepdims=True)
    same, different = distances(embedded.astype(np.float32), people)
    assert len(same) == 30 * 15
    assert len(same) + len(different) == 180 * 179 // 2
    assert np.quantile(same, 0.9) < np.quantile(different, 0.2)


def test_too_few_people_for_an_embedding_are_refused() -> None:
    with pytest.raises(ValueError, match="directions"):
        fit_projection(np.random.default_rng(0).normal(size=(12, 5)), np.repeat(np.arange(3), 4), 8)
