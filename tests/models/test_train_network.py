"""Training the networks of the literature on a few photos that are made here."""

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs TensorFlow (the extra `tensorflow`)")

import keras
import tensorflow as tf
from idx_files import write_set

from vestibule_models import fit_network, train_network
from vestibule_models import train as command
from vestibule_models.__main__ import main
from vestibule_models.fit_network import Schedule, binary_accuracy, compile_network, masked_crossentropy
from vestibule_models.labels import LABELS
from vestibule_models.mean_teacher import MeanTeacher
from vestibule_models.networks import lenet5
from vestibule_models.photo_batches import Batches, change

# Keras 3 on NumPy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def write_folders(folder: Path, labels: tuple[str, ...] = ("Dress", "Jeans"), count: int = 24) -> Path:
    """Photos in a folder per class; a dress is bright above, jeans are bright below."""
    rng = np.random.default_rng(0)
    for split, share in (("Train", count), ("Val", 6), ("Test", 12)):
        for number, label in enumerate(labels):
            place = folder / split / label
            place.mkdir(parents=True)
            for index in range(share):
                image = rng.integers(0, 70, (40, 40, 3)).astype(np.uint8)
                image[20 * number : 20 * number + 20] += 150
                cv2.imwrite(str(place / f"{index}.png"), image)
    return folder


def train(data: Path, out: Path, *words: str) -> int:
    return main(["train", "--network", "lenet5", "--data", str(data), "--out", str(out), "--rate", "2e-3", *words])


def record(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "run.json").read_text(encoding="utf-8")))


def scalars(folder: Path) -> list[dict[str, Any]]:
    """What TensorBoard would show, a row a step."""
    (log,) = folder.glob("events.out.tfevents.*")
    rows: dict[int, dict[str, Any]] = {}
    for raw in tf.data.TFRecordDataset(str(log)):
        event = tf.compat.v1.Event.FromString(raw.numpy())
        for value in event.summary.value:
            rows.setdefault(event.step, {"epoch": event.step})[value.tag] = pytest.approx(value.simple_value, abs=1e-5)
    return [rows[step] for step in sorted(rows)]


def test_a_folder_per_class_is_learnt_and_recorded(tmp_path: Path) -> None:
    data = write_folders(tmp_path / "shop")
    assert train(data, tmp_path / "out", "--epochs", "8", "--batch", "8") == 0
    run = record(tmp_path / "out")
    figures = run["test"]["shop"]
    assert figures["photos"] == 24
    assert figures["all_no_accuracy"] == pytest.approx(14 / 15, abs=1e-6)
    assert figures["top1"]["value"] > 0.9
    assert figures["macro_ap"]["value"] > 0.9
    assert figures["counted"] == ["Dress", "Jeans"]
    assert figures["macro_ap"]["low"] <= figures["macro_ap"]["value"] <= figures["macro_ap"]["high"]
    assert [row["epoch"] for row in run["history"]] == list(range(1, 9))
    assert run["history"][-1]["loss"] < run["history"][0]["loss"]
    assert run["data"]["train_sources"] == {"shop": 48}
    assert run["parameters"] == run["trained_parameters"] == lenet5.build(15).count_params()
    assert scalars(tmp_path / "out" / "checkpoints" / "tensorboard") == [
        {name: value for name, value in row.items() if name != "seconds"} for row in run["history"]
    ]
    trained = keras.models.load_model(tmp_path / "out" / "network.keras", compile=False)
    assert trained.count_params() == run["parameters"]


def test_a_finished_run_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text("{}", encoding="utf-8")
    assert train(tmp_path, tmp_path / "out") == 0
    assert "nothing to do" in capsys.readouterr().err


def weights_after(data: Path, out: Path, *epochs: str) -> list[np.ndarray]:
    """Train to each number of epochs in turn, as if killed in between."""
    for last in epochs:
        (out / "run.json").unlink(missing_ok=True)
        options = ["--batch", "8", "--change", "--seed", "5", "--limit", "12"]
        assert train(data, out, "--epochs", last, *options) == 0
    return list(keras.models.load_model(out / "network.keras", compile=False).get_weights())


def test_the_same_seed_repeats_and_another_does_not(tmp_path: Path) -> None:
    data = write_folders(tmp_path / "shop", count=8)
    first = weights_after(data, tmp_path / "a", "2")
    again = weights_after(data, tmp_path / "b", "2")
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert train(data, tmp_path / "c", "--epochs", "2", "--batch", "8", "--change", "--seed", "6", "--limit", "12") == 0
    other_seed = keras.models.load_model(tmp_path / "c" / "network.keras", compile=False).get_weights()
    assert not np.array_equal(first[0], other_seed[0])


def tiny_batches(epoch: int = 0) -> Batches:
    rng = np.random.default_rng(1)
    bright = rng.integers(0, 2, 32)
    images = (rng.integers(0, 90, (32, 28, 28, 1)) + 150 * bright[:, None, None, None]).astype(np.uint8)
    targets = {"probs": np.stack([bright, 1 - bright], axis=1).astype(np.float32)}
    return Batches(images, targets, size=8, seed=3, epoch=epoch, changed=True)


def fitted(folder: Path, until: int, *, patience: int = 0, epochs: int = 4, rate: float = 1e-3) -> keras.Model:
    keras.utils.set_random_seed(4)
    model = lenet5.build(2, answers="sigmoid")
    compile_network(model, Schedule(epochs=epochs, rate=rate, patience=patience), steps=4, losses={"probs": 1.0})
    schedule = Schedule(epochs=until, rate=rate, patience=patience)
    model.history_of_fit = fit_network.fit(model, tiny_batches(), tiny_batches(), folder=folder, schedule=schedule)
    return model


def test_a_run_that_was_cut_off_ends_like_one_that_was_not(tmp_path: Path) -> None:
    whole = fitted(tmp_path / "whole", 4)
    fitted(tmp_path / "parts", 2)
    parts = fitted(tmp_path / "parts", 4)
    assert [row["epoch"] for row in parts.history_of_fit] == [1, 2, 3, 4]
    for expected, got in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-6)


def test_weights_without_their_line_in_the_history_do_not_count(tmp_path: Path) -> None:
    whole = fitted(tmp_path / "whole", 3)
    fitted(tmp_path / "killed", 3)
    path = tmp_path / "killed" / fit_network.HISTORY
    fitted(tmp_path / "short", 2)
    (tmp_path / "short" / "epoch003.weights.h5").write_bytes((tmp_path / "killed" / "epoch003.weights.h5").read_bytes())
    assert len(json.loads(path.read_text(encoding="utf-8"))) == 3
    resumed = fitted(tmp_path / "short", 3)
    for expected, got in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-6)


def test_early_stopping_ends_and_takes_the_best_epoch(tmp_path: Path) -> None:
    model = fitted(tmp_path, 60, patience=2, epochs=60, rate=0.5)  # far too fast: it gets worse soon
    losses = [row["val_loss"] for row in model.history_of_fit]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 < 60
    val = tiny_batches()
    assert model.evaluate(val, verbose=0)[0] >= 0
    kept = {path.name for path in tmp_path.glob("epoch*.weights.h5")}
    assert kept == {f"epoch{best + 1:03}.weights.h5", f"epoch{len(losses):03}.weights.h5"}
    assert len(fitted(tmp_path, 60, patience=2, epochs=60, rate=0.5).history_of_fit) == len(losses)


def test_unknown_labels_count_neither_way() -> None:
    targets, answers = np.array([[1.0, -1.0], [0.0, 0.0]]), np.array([[0.5, 0.99], [0.5, 0.5]])
    assert float(masked_crossentropy(targets, answers)) == pytest.approx(np.log(2), abs=1e-5)
    assert float(binary_accuracy(targets, answers)) == pytest.approx(1 / 3)
    assert float(masked_crossentropy(np.full((2, 2), -1.0), answers)) == 0


def test_idx_files_are_learnt(tmp_path: Path) -> None:
    write_set(tmp_path, 200, zipped=True)
    assert train(tmp_path, tmp_path / "out", "--epochs", "6", "--batch", "16") == 0
    run = record(tmp_path / "out")
    assert run["parameters"] == 61_706
    assert run["test"]["idx"]["top1"]["value"] > 0.8
    assert run["data"]["train"] == 180


def test_photos_that_cannot_be_read_are_skipped_counted_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_folders(tmp_path / "shop", count=8)
    (data / "Train" / "Dress" / "bad.jpg").write_bytes(b"no picture")
    (data / "Train" / "Romper").mkdir()
    assert train(data, tmp_path / "out", "--epochs", "1") == 0
    assert record(tmp_path / "out")["data"]["skipped"] == [
        {"file": "bad.jpg", "reason": "not a picture that OpenCV can read"}
    ]
    said = capsys.readouterr().err
    assert "skipped: picture" in said
    assert "Romper: no training photo shows it" in said


def write_manifest(folder: Path) -> Path:
    """Photos of two sources, the second of one class that the first lacks."""
    (folder / "photos").mkdir(parents=True)
    rows = [",".join(["file", "source", "split", "group", *LABELS, "tags"])]
    for number in range(60):
        source = "street" if number < 40 else "shop"
        split = ("train", "train", "val", "test")[number % 4]
        label = number // 4 % 2 if source == "street" else 2
        cells = ["1" if index == label else "0" for index in range(15)]
        rows.append(f"{number}.png,{source},{split},{number},{','.join(cells)},shirt")
        cv2.imwrite(str(folder / "photos" / f"{number}.png"), np.full((20, 10, 3), 60 + 50 * label, np.uint8))
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_a_source_left_out_is_measured_but_never_trained_on(tmp_path: Path) -> None:
    data = write_manifest(tmp_path / "photos")
    assert train(data, tmp_path / "out", "--epochs", "1", "--leave-out", "shop") == 0
    run = record(tmp_path / "out")
    assert run["data"]["train_sources"] == {"street": 20}
    assert run["data"]["val"] == 10
    assert {part: figures["photos"] for part, figures in run["test"].items()} == {"shop": 5, "street": 10}


def test_nine_groups_are_reported_by_clean_and_cluttered(tmp_path: Path) -> None:
    data = write_manifest(tmp_path / "photos")
    text = (data / "manifest.csv").read_text(encoding="utf-8").replace(",shop,", ",myntra-small,")
    (data / "manifest.csv").write_text(text, encoding="utf-8")
    assert train(data, tmp_path / "out", "--epochs", "1", "--labels", "nine") == 0
    run = record(tmp_path / "out")
    assert len(run["labels"]) == 9
    photos = {part: figures["photos"] for part, figures in run["test"].items()}
    assert photos == {"street": 10, "myntra-small": 5, "all": 15, "clean": 5, "cluttered": 10}


def test_a_teacher_learns_from_hidden_and_unlabelled_photos(tmp_path: Path) -> None:
    data = write_manifest(tmp_path / "photos")
    (tmp_path / "frames").mkdir()
    cv2.imwrite(str(tmp_path / "frames" / "a.jpg"), np.zeros((9, 9, 3), np.uint8))
    words = ["--epochs", "2", "--teacher", "--hide", "shop", "--unlabelled", str(tmp_path / "frames"), "--change"]
    assert train(data, tmp_path / "out", *words) == 0
    run = record(tmp_path / "out")
    assert run["data"]["unlabelled"] == 11
    assert run["data"]["train_sources"] == {"street": 20}
    assert run["parameters"] == lenet5.build(15).count_params()  # one network is kept, not the pair


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--freeze"], "--freeze is for alexnet"),
        (["--teacher"], "name some by --unlabelled DIR or --hide SOURCE"),
        (["--hide", "shop"], "need --teacher"),
        (["--leave-out", "shpo"], "no photo is of source shpo; there are shop, street"),
        (["--weights", "w.h5"], "lenet5 has others"),
        (["--start-from", "nowhere"], "holds no network.keras"),
    ],
)
def test_contradictions_are_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    data = write_manifest(tmp_path / "photos")
    assert train(data, tmp_path / "out", *words) == 1
    lines = capsys.readouterr().err.splitlines()
    assert said in lines[-1]


def test_the_teacher_is_the_running_average_in_full_precision() -> None:
    keras.utils.set_random_seed(1)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        student, teacher = lenet5.build(2, answers="sigmoid"), lenet5.build(2, answers="sigmoid")
        model = MeanTeacher(student, teacher, ramp_steps=5, momentum=0.5)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    before = [weight.copy() for weight in student.get_weights()]
    for first, kept in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(first, kept)
    student.set_weights([weight + np.float32(1e-3) for weight in before])
    photos = np.zeros((2, 28, 28, 1), np.uint8)
    model((photos, photos), training=True)  # the first step: a tenth of the new, momentum 1 / 10 beginning at 0.1
    kept = teacher.get_weights()
    for first, after in zip(before, kept, strict=True):
        np.testing.assert_allclose(after, first + np.float32(0.9e-3), atol=2e-6)
    assert not any(weight.trainable for weight in teacher.weights)
    assert len(model.losses) == 1


def test_only_the_student_is_taught_and_the_teacher_answers() -> None:
    keras.utils.set_random_seed(1)
    student, teacher = lenet5.build(2, answers="sigmoid"), lenet5.build(2, answers="sigmoid")
    model = MeanTeacher(student, teacher, ramp_steps=5)
    photos = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 1)).astype(np.uint8)
    assert {id(weight) for weight in model.trainable_weights} == {id(weight) for weight in student.weights}
    student.set_weights([weight + 0.1 for weight in student.get_weights()])
    np.testing.assert_allclose(np.asarray(model(photos)), np.asarray(teacher(photos)))
    assert not np.allclose(np.asarray(student(photos)), np.asarray(teacher(photos)))


def test_batches_repeat_by_epoch_and_show_unlabelled_photos_as_unknown() -> None:
    batches = tiny_batches()
    first, _ = batches[1]
    np.testing.assert_array_equal(first, batches[1][0])
    batches.start_at(1)
    assert not np.array_equal(first, batches[1][0])
    np.testing.assert_array_equal(tiny_batches(1)[1][0], batches[1][0])
    rows = np.zeros((5, 28, 28, 1), np.uint8)
    mixed = Batches(rows, {"probs": np.ones((5, 2), np.float32)}, size=4, seed=0, unlabelled=rows + 9)
    (one, two), targets = mixed[1]
    assert (len(mixed), one.shape, two.shape) == (2, (2, 28, 28, 1), (2, 28, 28, 1))
    assert np.asarray(targets).tolist() == [[1, 1], [-1, -1]]
    assert (one[1] == 9).all()


def test_a_changed_photo_keeps_its_shape_and_brightness_within_bounds() -> None:
    rng = np.random.default_rng(2)
    image = np.full((28, 28, 3), 128, np.uint8)
    for _ in range(20):
        changed = change(image, rng)
        assert changed.shape == image.shape
        assert 60 < changed.mean() < 200


def test_every_network_of_the_command_has_its_module() -> None:
    by_module = {name for name, module in command.NETWORKS.items() if module == "train_network"}
    assert set(train_network.SPECS) == by_module
    assert command.NETWORKS[command.SHIPPED] == "train_garments"


def test_the_arguments_follow_task_and_network() -> None:
    def options(*words: str) -> set[str]:
        parser = argparse.ArgumentParser()
        command.configure(parser, words)
        return {option for action in parser._actions for option in action.option_strings}

    assert "--teacher" in options("train", "--network", "lenet5")
    assert "--teacher" not in options("train")
    assert "--folds" in options("train", "--network", "efficientnet_lite2")
    assert "--imagenet" in options("train", "--task=persons")
    assert {"--from-zoo", "--data"} <= options("train", "--from-zoo", "garments-efflite0")
    assert "--folds" not in options("train", "--from-zoo", "garments-efflite0")
    assert {"--data", "--out", "--task", "--network"} <= options("train")
