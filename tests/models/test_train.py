import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("tensorflow", reason="needs TensorFlow (the extra `tensorflow`)")

import keras

from vestibule_models import train_garments
from vestibule_models.artifact import ArtifactError
from vestibule_models.dataset import Example
from vestibule_models.fitting import Fit, masked_loss
from vestibule_models.labels import LABELS
from vestibule_models.networks import efficientnet_lite

# Keras 3 on NumPy 2, nothing of ours.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def tiny() -> keras.Model:
    keras.utils.set_random_seed(1)
    pixels = keras.Input((8, 4, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(pixels)
    x = keras.layers.Conv2D(4, 3, name="stem_conv")(x)
    x = keras.layers.Conv2D(4, 3, padding="same", name="body")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    probs = keras.layers.Dense(2, activation="sigmoid", name="probs")(x)
    looks = keras.layers.Dense(3, name="projection")(x)
    return keras.Model(pixels, {"probs": probs, "embedding": looks})


def bright_is_first(epoch: int) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]]:
    """Batches whose first label says that the picture is bright; the second is always wrong but never known."""
    rng = np.random.default_rng(epoch)
    for _ in range(8):
        bright = rng.integers(0, 2, 16)
        images = (rng.integers(0, 80, (16, 8, 4, 3)) + bright[:, None, None, None] * 150).astype(np.uint8)
        targets = np.stack([bright, np.ones(16)], axis=1).astype(np.float32)
        yield images, targets, np.tile(np.array([1, 0], np.float32), (16, 1))


def learn(checkpoint: Path, model: keras.Model, until: int) -> list[float]:
    fit = Fit(model, total_steps=8 * 6, checkpoint=checkpoint)
    losses = [
        fit.run_epoch(bright_is_first(epoch), report=lambda _step, _loss: None)
        for epoch in range(fit.epochs_done, until)
    ]
    fit.use_average()
    return losses


def test_it_learns_and_leaves_normalisation_and_embedding_alone(tmp_path: Path) -> None:
    model = tiny()
    before = {layer.name: layer.get_weights() for layer in model.layers}
    losses = learn(tmp_path / "state.npz", model, 6)
    assert losses[-1] < losses[0]
    for name in ("norm", "projection"):
        for old, new in zip(before[name], model.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
    assert not np.array_equal(before["body"][0], model.get_layer("body").get_weights()[0])


def test_a_label_that_is_never_known_is_never_learnt(tmp_path: Path) -> None:
    model = tiny()
    learn(tmp_path / "state.npz", model, 2)
    bias = model.get_layer("probs").get_weights()[1]
    assert bias[1] == 0
    assert bias[0] != 0


def test_a_run_that_was_cut_off_ends_like_one_that_was_not(tmp_path: Path) -> None:
    whole, first, second = tiny(), tiny(), tiny()
    learn(tmp_path / "whole.npz", whole, 4)
    learn(tmp_path / "parts.npz", first, 2)
    assert len(learn(tmp_path / "parts.npz", second, 4)) == 2
    for expected, got in zip(whole.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-6)


def test_the_loss_counts_known_labels_only() -> None:
    targets, probs = np.array([[1.0, 0.0]], np.float32), np.array([[0.5, 0.99]], np.float32)
    only_first = float(masked_loss(targets, probs, np.array([[1.0, 0.0]], np.float32)))
    assert only_first == pytest.approx(np.log(2), abs=1e-5)
    assert float(masked_loss(targets, probs, np.ones((1, 2), np.float32))) > only_first
    assert float(masked_loss(targets, probs, np.zeros((1, 2), np.float32))) == 0


def pool(folder: Path, source: str, count: int) -> list[Example]:
    folder.mkdir(exist_ok=True)
    path = folder / f"{source}.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (60, 30, 3)))
    known = np.ones(len(LABELS), np.float32)
    return [
        Example(path=path, source=source, split="train", group=f"{source}{i}", targets=known * (i % 2), known=known)
        for i in range(count)
    ]


def test_an_epoch_takes_every_street_photo_first_and_shares_of_the_rest(tmp_path: Path) -> None:
    mixture = train_garments.Mixture(
        street=pool(tmp_path, "ccp", 20),
        catalogue=pool(tmp_path, "shop", 100),
        rendered=pool(tmp_path, "rendered", 2),
        catalogue_share=0.5,
        rendered_share=0.5,
    )
    epoch = mixture.epoch(np.random.default_rng(0))
    assert [example.group for example in epoch[:20]] == [f"ccp{i}" for i in range(20)]
    assert [example.source for example in epoch[20:]] == ["shop"] * 10 + ["rendered"] * 2


def drawn(examples: list[Example], rng: np.random.Generator, **teaching: object) -> list[train_garments.Batch]:
    images = np.zeros((len(examples), 8, 4, 3), np.uint8)
    return list(train_garments.batches(images, examples, np.arange(len(examples)), 4, rng, **teaching))  # type: ignore[arg-type]


def test_batches_are_full_and_repeat_with_the_same_chances(tmp_path: Path) -> None:
    examples = pool(tmp_path, "ccp", 10)
    first, again = drawn(examples, np.random.default_rng(7)), drawn(examples, np.random.default_rng(7))
    assert [images.shape for images, _, _ in first] == [(4, 8, 4, 3)] * 2
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_a_teacher_answers_where_nobody_could_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_garments, "MIXED", 0.0)
    (example,) = pool(tmp_path, "ccp", 1)
    unknown = replace(example, known=np.zeros_like(example.known))
    ((_, targets, known),) = drawn(
        [example, unknown] * 2, np.random.default_rng(0), soft=lambda crops: np.full((len(crops), len(LABELS)), 0.8)
    )
    assert (known == 1).all()
    np.testing.assert_allclose(targets[0], 0.5 * 0 + 0.5 * 0.8)
    np.testing.assert_allclose(targets[1], 0.8)


def test_a_whole_training_answers_for_every_photo_it_did_not_learn_from(tmp_path: Path) -> None:
    """One epoch at a toy size; the weights are made up, since only the way through is looked at."""
    rows = ["file,source,split,group," + ",".join(LABELS)]
    (tmp_path / "photos").mkdir()
    for number in range(12):
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.png"), np.full((40, 20, 3), 20 * number))
        rows.append(f"{number}.png,ccp,{'test' if number > 9 else 'train'},g{number}," + ",".join("1" * 15))
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    weights = tmp_path / "weights.pth"
    parser = argparse.ArgumentParser()
    train_garments.configure(parser)
    words = ["--data", str(tmp_path), "--weights", str(weights), "--out", str(tmp_path / "out"), "--size", "64x32"]
    words += ["--folds", "2", "--epochs", "1", "--batch", "4", "--views", str(tmp_path / "views")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_garments, "load_torch_weights", lambda _: {})
        patch.setattr(efficientnet_lite, "load_body", lambda *_: None)
        assert train_garments.run(parser.parse_args(words)) == 0
    answered = [np.load(path)["files"].tolist() for path in sorted((tmp_path / "out").glob("fold*/out_of_fold.npz"))]
    assert sorted(name for names in answered for name in names) == sorted(f"{number}.png" for number in range(10))
    assert train_garments.load_trained(tmp_path / "out" / "final").input_shape == (None, 64, 32, 3)


def test_a_training_that_was_not_finished_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="holds no finished training"):
        train_garments.load_trained(tmp_path)


@pytest.mark.parametrize("size", ["288", "288x", "tallxwide"])
def test_a_size_that_is_none_is_refused(size: str) -> None:
    with pytest.raises(ArtifactError, match="is not HEIGHTxWIDTH"):
        train_garments.input_of(size)


def test_a_part_that_is_none_is_refused(tmp_path: Path) -> None:
    header = ",".join(["file", "source", "split", "group", *LABELS])
    (tmp_path / "manifest.csv").write_text(header + "\n", encoding="utf-8")
    parser = argparse.ArgumentParser()
    train_garments.configure(parser)
    words = ["--data", str(tmp_path), "--weights", "w.pth", "--out", str(tmp_path), "--part", "fold9"]
    with pytest.raises(ArtifactError, match="'fold9' is none of all, views, fold0, fold1, fold2, fold3, final"):
        train_garments.run(parser.parse_args(words))
