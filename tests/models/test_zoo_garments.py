"""The classifier that ships: whole, small, and the same in both files."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vestibule_models.artifact import ZOO, GarmentManifest, load_manifest, model_path
from vestibule_models.labels import LABELS, MEMBERS, GarmentGroup
from vestibule_models.litert_runner import LiteRTRunner

FOLDER = ZOO / "garments-efflite0"
LIMIT_BYTES = 12_000_000


@pytest.fixture(scope="module")
def runner() -> LiteRTRunner:
    return LiteRTRunner(FOLDER)


def crops(count: int) -> NDArray[np.uint8]:
    """Noise, and people-like things: a head, a coat, two legs before a wall."""
    rng = np.random.default_rng(count)
    pictures = rng.integers(0, 256, (count, 288, 144, 3)).astype(np.uint8)
    for picture in pictures[::2]:
        wall, coat, legs = rng.integers(0, 256, (3, 3))
        picture[:] = wall
        picture[10:45, 58:86] = (200, 160, 140)
        picture[45:170, 40:104] = coat
        picture[170:280, 46:68] = legs
        picture[170:280, 76:98] = legs
    return pictures


def test_the_files_are_those_of_the_manifest_and_small() -> None:
    manifest = load_manifest(FOLDER)
    assert isinstance(manifest, GarmentManifest)
    assert manifest.name == FOLDER.name
    for suffix in (".tflite", ".keras"):
        assert model_path(FOLDER, manifest, suffix).stat().st_size < LIMIT_BYTES
    card = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    for label in LABELS:
        assert label in card


def test_thresholds_are_ordered_and_some_categories_have_them() -> None:
    manifest = load_manifest(FOLDER)
    assert isinstance(manifest, GarmentManifest)
    given = {label: found for label, found in manifest.thresholds.items() if found.likely is not None}
    assert {"Dress", "Blazer"} <= set(given)  # the default rule asks for them
    for found in given.values():
        assert found.positives >= 20
        assert found.likely is not None
        assert found.certain is None or found.likely <= found.certain


def test_groups_have_thresholds_but_for_what_could_not_be_measured() -> None:
    manifest = load_manifest(FOLDER)
    assert isinstance(manifest, GarmentManifest)
    assert set(manifest.group_thresholds) == set(GarmentGroup)
    card = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    for group, found in manifest.group_thresholds.items():
        most = sum(manifest.thresholds[label].positives for label in MEMBERS[group])
        assert max(manifest.thresholds[label].positives for label in MEMBERS[group]) <= found.positives <= most
        assert (found.likely is None) == (group is GarmentGroup.ONE_PIECE)
        assert (found.certain is None) == (group in {GarmentGroup.ONE_PIECE, GarmentGroup.KNITWEAR})
        assert f"| {group} | {found.positives} |" in card
        for score in (found.likely, found.certain):
            assert score is None or f"| {score:.3f} |" in card
        assert found.likely is None or found.certain is None or found.likely <= found.certain


def test_each_crop_is_read_the_same_alone_and_in_a_batch(runner: LiteRTRunner) -> None:
    pictures = crops(6)
    together = runner.run(pictures)
    assert together.probs.shape == (6, 15)
    assert ((together.probs >= 0) & (together.probs <= 1)).all()
    np.testing.assert_allclose(np.linalg.norm(together.embeddings, axis=1), 1, atol=1e-4)
    for number, picture in enumerate(pictures):
        alone = runner.run(picture[None])
        np.testing.assert_allclose(alone.probs[0], together.probs[number], atol=1e-5)
        np.testing.assert_allclose(alone.embeddings[0], together.embeddings[number], atol=1e-4)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3 on NumPy 2
def test_both_files_give_the_same_answers(runner: LiteRTRunner) -> None:
    pytest.importorskip("tensorflow", reason="needs TensorFlow (the extra `tensorflow`)")
    import keras  # noqa: PLC0415 - only where it is installed

    model = keras.models.load_model(model_path(FOLDER, runner.manifest, ".keras"))
    pictures = crops(5)
    expected, got = model(pictures, training=False), runner.run(pictures)
    np.testing.assert_allclose(got.probs, np.asarray(expected["probs"]), atol=1e-3)
    np.testing.assert_allclose(got.embeddings, np.asarray(expected["embedding"]), atol=1e-3)
