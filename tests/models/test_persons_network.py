"""The person detector's network, its loss, its training and its export."""

import argparse
import itertools
import json
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from vestibule_models import export_persons, train_persons
from vestibule_models.__main__ import main
from vestibule_models.artifact import (
    ZOO,
    ArtifactError,
    InputSpec,
    load_manifest,
    model_path,
)
from vestibule_models.export_persons import convert
from vestibule_models.networks import person_mobilenet
from vestibule_models.persons_compose import IGNORE, PERSON
from vestibule_models.persons_decode import cells
from vestibule_models.persons_loss import DetectionLoss
from vestibule_models.persons_sources import Photo, Sources

# Keras 3 saves and converts weights in a way that NumPy 2 frowns upon.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SHIPPED, GARMENTS = ZOO / "person-mobilenet", ZOO / "garments-efflite0"
SPEC = InputSpec(height=64, width=96, colour="rgb", dtype="uint8", resize="letterbox-top-left")
CELLS = 8 * 12 + 4 * 6 + 2 * 3
PERSON_BOX = np.array([20, 8, 52, 60], np.float32)


def targets(*rows: tuple[np.ndarray, float]) -> np.ndarray:
    array = np.zeros((1, 4, 5), np.float32)
    for number, (box, kind) in enumerate(rows):
        array[0, number] = [*box, kind]
    return array


def perfect(box: np.ndarray, stride: float, *, sure: float) -> np.ndarray:
    """Raw output that says the box in the cells of one stride near its middle, and nobody anywhere else."""
    grid = cells(SPEC, person_mobilenet.STRIDES)
    middle, side = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    near = (np.abs((grid[:, :2] + 0.5) * grid[:, 2:] - middle) < stride).all(axis=1) & (grid[:, 2] == stride)
    raw = np.zeros((1, CELLS, 6), np.float32)
    raw[..., 2:4] = -4
    raw[..., 4] = -sure
    raw[0, near, :2] = middle / stride - grid[near, :2]
    raw[0, near, 2:4] = np.log(side / stride)
    raw[0, near, 4:] = sure
    return raw


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(1)
    return person_mobilenet.build(SPEC.height, SPEC.width)


def test_one_row_for_each_cell(network: keras.Model) -> None:
    picture = np.zeros((2, SPEC.height, SPEC.width, 3), np.uint8)
    assert network(picture).shape == (2, CELLS, 6)
    scored = np.asarray(person_mobilenet.with_scores(network)(picture))
    assert ((scored[..., 4:] > 0) & (scored[..., 4:] < 1)).all()
    assert np.allclose(scored[..., :4], np.asarray(network(picture))[..., :4])


def test_a_new_network_believes_in_few_people(network: keras.Model) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, SPEC.height, SPEC.width, 3), dtype=np.uint8)
    scored = np.asarray(person_mobilenet.with_scores(network)(noise))
    assert float(np.median(scored[..., 4])) < 0.1


def test_the_backbone_takes_over_weights_and_folds_batch_norms(tmp_path: Path, network: keras.Model) -> None:
    donor = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(SPEC.height, SPEC.width, 3))
    rng = np.random.default_rng(3)
    for layer in donor.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape[0]
            layer.set_weights(
                [
                    rng.uniform(0.5, 1.5, size),
                    rng.normal(0, 0.3, size),
                    rng.normal(0, 0.1, size),
                    rng.uniform(0.5, 2, size),
                ]
            )
    donor.save_weights(tmp_path / "donor.weights.h5")
    copy = keras.models.clone_model(network)
    person_mobilenet.load_imagenet(copy, tmp_path / "donor.weights.h5")
    picture = rng.integers(0, 256, (1, SPEC.height, SPEC.width, 3), dtype=np.uint8)
    ours = keras.Model(copy.input, copy.get_layer("block_16_project").output)(picture)
    theirs = keras.Model(donor.input, donor.get_layer("block_16_project_BN").output)(picture / 127.5 - 1)
    assert float(np.abs(np.asarray(theirs)).max()) > 0.1
    assert np.allclose(ours, theirs, atol=1e-3 * float(np.abs(np.asarray(theirs)).max()))


def test_early_layers_are_frozen_and_the_others_are_not(network: keras.Model) -> None:
    copy = keras.models.clone_model(network)
    person_mobilenet.freeze_early(copy)
    trained = {variable.path.split("/")[0] for variable in copy.trainable_variables}
    assert not any(name.startswith(("Conv1", "expanded_conv", "block_1_", "block_5")) for name in trained)
    assert {"block_6_expand", "block_16_project", "lateral_8", "box_32", "person_8"} <= trained


def test_the_loss_is_small_where_the_answer_is_right_and_large_where_it_is_not() -> None:
    loss = DetectionLoss(SPEC, person_mobilenet.STRIDES)
    right = perfect(PERSON_BOX, 16, sure=8)
    found = np.asarray(loss(right, targets((PERSON_BOX, PERSON))))
    assert found[0] < 0.01
    assert found[2] < 0.01
    missed, moved = right.copy(), right.copy()
    missed[..., 4] = -8
    moved[..., :2] += 1.5
    assert np.asarray(loss(missed, targets((PERSON_BOX, PERSON))))[1] > found[1] + 5
    assert np.asarray(loss(moved, targets((PERSON_BOX, PERSON))))[0] > 0.5


def test_cells_in_ignored_regions_cost_nothing() -> None:
    loss = DetectionLoss(SPEC, person_mobilenet.STRIDES)
    raw = perfect(PERSON_BOX, 16, sure=8)
    punished = float(np.asarray(loss(raw, targets()))[1])
    spared = float(np.asarray(loss(raw, targets((PERSON_BOX, IGNORE))))[1])
    assert punished > 5
    assert spared < 0.1


def test_an_empty_frame_and_two_people_in_one_place_give_finite_losses() -> None:
    loss = DetectionLoss(SPEC, person_mobilenet.STRIDES)
    raw = np.random.default_rng(0).normal(0, 5, (1, CELLS, 6)).astype(np.float32)
    for rows in (targets(), targets((PERSON_BOX, PERSON), (PERSON_BOX, PERSON))):
        assert np.isfinite(np.asarray(loss(raw, rows))).all()


def test_the_boxes_of_the_loss_are_those_of_the_decoder() -> None:
    raw = perfect(PERSON_BOX, 8, sure=1)
    boxes = np.asarray(DetectionLoss(SPEC, person_mobilenet.STRIDES).boxes(tf.constant(raw)))
    near = raw[0, :, 4] > 0
    assert near.sum() >= 2
    assert boxes[0, near] == pytest.approx(np.broadcast_to(PERSON_BOX, (near.sum(), 4)), abs=1e-3)


def test_the_rate_warms_up_and_falls() -> None:
    rates = [train_persons.rate(step, 1000) for step in range(1001)]
    assert rates[0] < 0.01
    assert max(rates) == pytest.approx(1.0)
    assert all(one >= other for one, other in itertools.pairwise(rates[150:]))
    assert rates[-1] == pytest.approx(0.01)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train at a small input, on one photo, saving after every step, without ImageNet."""
    photo = Photo(
        name="a",
        source="coco-people",
        image=np.full((120, 160, 3), 90, np.uint8),
        people=np.array([[40, 10, 80, 110]], np.float32),
        ignore=np.zeros((0, 4), np.float32),
    )
    cutout = np.full((90, 30, 4), 255, np.uint8)
    place = np.full((90, 160, 3), 50, np.uint8)
    sources = Sources(photos=[photo], cutouts=[cutout], sprites=[], places=[place], things=[place])
    monkeypatch.setattr(train_persons, "SPEC", SPEC)
    monkeypatch.setattr(train_persons, "_SAVE_EVERY_STEPS", 1)
    monkeypatch.setattr(train_persons, "_REPORT_EVERY_STEPS", 1)
    monkeypatch.setattr(train_persons, "load_sources", lambda *_: sources)
    monkeypatch.setattr(person_mobilenet, "load_imagenet", lambda *_: None)


def train(out: Path, steps: int, *start: str) -> None:
    parser = argparse.ArgumentParser()
    train_persons.configure(parser)
    words = ["--data", "x", "--out", str(out), "--steps", str(steps), "--batch", "2", *(start or ("--imagenet", "x"))]
    assert train_persons.run(parser.parse_args(words)) == 0


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_training_resumes_where_it_stopped_and_exports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path, 1)
    train(tmp_path, 2)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["step"] for line in lines if "step" in line] == [1, 2]
    assert [line["resumed_at"] for line in lines if "resumed_at" in line] == [1]

    network = person_mobilenet.build(SPEC.height, SPEC.width)
    step, weights = train_persons.averaged_weights(tmp_path / train_persons.CHECKPOINT, len(network.variables))
    assert step == 2
    for variable, array in zip(network.variables, weights, strict=True):
        variable.assign(array)
    path = tmp_path / "a.tflite"
    convert(network, path, ())
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    (put,) = interpreter.get_input_details()
    assert put["shape"].tolist() == [1, SPEC.height, SPEC.width, 3]
    assert put["dtype"] is np.uint8
    picture = np.random.default_rng(0).integers(0, 256, (1, SPEC.height, SPEC.width, 3), dtype=np.uint8)
    found = answer(interpreter, picture)
    assert np.allclose(found, person_mobilenet.with_scores(network)(picture), atol=0.02)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_training_goes_on_from_the_detector_that_ships(tmp_path: Path) -> None:
    saved = model_path(SHIPPED, load_manifest(SHIPPED), ".keras")
    weights = keras.models.load_model(saved, compile=False).get_weights()
    start = train_persons.Trainer(saved, tmp_path / "none.npz", seed=1, steps=1)
    assert all(np.array_equal(one, other) for one, other in zip(weights, start.network.get_weights(), strict=True))

    train(tmp_path, 1, "--start-from", str(SHIPPED), "--rate", "0.1")
    _, moved = train_persons.averaged_weights(tmp_path / train_persons.CHECKPOINT, len(weights))
    same = [np.array_equal(one, other) for one, other in zip(moved, weights, strict=True)]
    names = [variable.path for variable in start.network.variables]
    assert any(not kept for kept in same)
    assert all(kept for kept, name in zip(same, names, strict=True) if "moving_" in name)  # as they were normalised


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ["float16", "int8"])
def test_what_ships_is_written_anew_and_can_be_resized(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    rng = np.random.default_rng(1)
    noise = [np.asarray(cv2.resize(rng.integers(0, 256, (6, 11, 3), np.uint8), (352, 192)), np.uint8) for _ in range(8)]
    monkeypatch.setattr(export_persons, "calibrating", lambda *_: noise)
    out, words = tmp_path / "again", ["--format", wanted, "--data", "x", "--version", "7"]
    assert main(["export", "persons", "--start-from", str(SHIPPED), "--out", str(out), *words]) == 0
    before, after = load_manifest(SHIPPED), load_manifest(out)
    told = {"name": "again", "version": "7", "files": {}, "provenance": {**before.provenance, "format": wanted}}
    assert {**before.model_dump(), **told} == {**after.model_dump(), "files": {}}
    interpreter = Interpreter(model_path=str(model_path(out, after, ".tflite")), num_threads=1)
    saved = model_path(out, after, ".keras")
    for height, width in ((192, 352), (160, 288), (64, 32)):
        picture = cv2.resize(noise[0], (width, height))[np.newaxis]
        network = person_mobilenet.with_scores(person_mobilenet.load(saved, height, width))
        now, wished = answer(interpreter, picture), np.asarray(network(picture))
        assert now.shape == (1, height * width * 21 // 1024, 6)
        assert np.abs(now - wished).max() < (0.02 if wanted == "float16" else 1.0)
        assert np.abs(now - wished).mean() < (0.005 if wanted == "float16" else 0.1)


def answer(interpreter: Interpreter, picture: np.ndarray) -> np.ndarray:
    """What a file says of a picture of any size that it takes."""
    (put,), (get,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(put["index"], picture.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(put["index"], picture)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(get["index"]))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--checkpoint", "x"], "--data DIR"),
        (["--start-from", str(SHIPPED)], "int8 needs --data"),
        (["--start-from", str(SHIPPED), "--average-with", "x"], "--data DIR"),
        (["--checkpoint", "x", "--average-with", "x", "--data", "x"], "name the other with --start-from"),
    ],
)
def test_an_export_without_the_data_that_it_needs_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["export", "persons", *words, "--out", str(tmp_path)]) == 1
    assert message in capsys.readouterr().err


def test_a_file_of_another_network_is_refused() -> None:
    with pytest.raises(ArtifactError, match="not a network that `train --task persons` made"):
        person_mobilenet.load(model_path(GARMENTS, load_manifest(GARMENTS), ".keras"), 64, 96)


def test_what_is_hard_is_named_with_a_detector_to_start_from() -> None:
    parser = argparse.ArgumentParser()
    train_persons.configure(parser)
    with pytest.raises(ArtifactError, match="--start-from"):
        train_persons.run(parser.parse_args(["--data", "x", "--imagenet", "x", "--out", "x", "--hard", "4"]))
