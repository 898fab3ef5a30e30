import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("tensorflow", reason="needs TensorFlow (the extra `tensorflow`)")

import keras

from vestibule_models.networks import efficientnet_lite


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(3)
    model = efficientnet_lite.build(96, 64, embedding=16)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, _, mean, _ = layer.get_weights()
            shape = gamma.shape
            layer.set_weights(
                [rng.uniform(0.8, 1.2, shape), rng.normal(0, 0.2, shape), mean, rng.uniform(0.5, 1.5, shape)]
            )
    head = model.get_layer("head")
    head.set_weights([rng.normal(0, 0.01, w.shape) for w in head.get_weights()])
    return model


def crops(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, (count, 96, 64, 3)).astype(np.uint8)


def test_probabilities_and_unit_embeddings(model: keras.Model) -> None:
    answer = model(crops(4))
    probs, embedding = np.asarray(answer["probs"]), np.asarray(answer["embedding"])
    assert probs.shape == (4, 15)
    assert (probs > 0).all()
    assert (probs < 1).all()
    assert probs.std() > 0
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)


def test_fusing_changes_no_answer(model: keras.Model) -> None:
    fused = efficientnet_lite.fuse(model)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in fused.layers)
    before, after = model(crops(3)), fused(crops(3))
    for name in ("probs", "embedding"):
        np.testing.assert_allclose(np.asarray(before[name]), np.asarray(after[name]), atol=1e-4)


def torch_names(model: keras.Model) -> dict[str, NDArray[np.float32]]:
    """A made-up PyTorch state dictionary of the right shapes, each tensor filled with its own number."""
    weights = {}
    for number, (layer, norm) in enumerate(efficientnet_lite.convolutions(efficientnet_lite.network_of(model))):
        name = efficientnet_lite._torch_name(layer)
        (kernel,) = model.get_layer(layer).get_weights()
        axes = (2, 3, 0, 1) if layer.endswith("depthwise") else (3, 2, 0, 1)
        weights[f"{name}.weight"] = np.full(kernel.transpose(axes).shape, number, np.float32)
        for part in efficientnet_lite.NORM_PARTS:
            size = model.get_layer(norm).get_weights()[0].shape
            weights[f"{efficientnet_lite._torch_name(norm)}.{part}"] = np.full(size, number + 0.5, np.float32)
    return weights


def test_imagenet_weights_go_where_their_names_say() -> None:
    model = efficientnet_lite.build(64, 32)
    weights = torch_names(model)
    assert {"_conv_stem.weight", "_bn0.bias", "_blocks.0._depthwise_conv.weight", "_blocks.0._bn1.running_var"} <= set(
        weights
    )
    assert {"_blocks.15._expand_conv.weight", "_blocks.15._bn0.weight", "_conv_head.weight"} <= set(weights)
    efficientnet_lite.load_body(model, weights)
    for number, (layer, norm) in enumerate(efficientnet_lite.convolutions(efficientnet_lite.network_of(model))):
        assert (model.get_layer(layer).get_weights()[0] == number).all()
        assert (model.get_layer(norm).get_weights()[3] == number + 0.5).all()


@pytest.mark.parametrize(
    ("network", "count", "widths"),
    [
        ("efficientnet_lite0", 16, {16, 24, 40, 80, 112, 192, 320}),
        ("efficientnet_lite1", 21, {16, 24, 40, 80, 112, 192, 320}),
        ("efficientnet_lite2", 21, {16, 24, 48, 88, 120, 208, 352}),
    ],
)
def test_larger_networks_are_scaled_as_the_public_weights_are(network: str, count: int, widths: set[int]) -> None:
    found = efficientnet_lite.blocks(network)
    assert len(found) == count
    assert {channels for _, channels, _, _ in found} == widths
    assert sum(stride == 2 for *_, stride in found) == 4


def test_a_larger_network_is_fused_like_the_smallest() -> None:
    model = efficientnet_lite.build(64, 32, network="efficientnet_lite2", embedding=8)
    fused = efficientnet_lite.fuse(model)
    assert efficientnet_lite.network_of(fused) == "efficientnet_lite2"
    picture = crops(1)[:, :64, :32]
    np.testing.assert_allclose(np.asarray(model(picture)["probs"]), np.asarray(fused(picture)["probs"]), atol=1e-4)


def test_a_missing_weight_is_an_error() -> None:
    model = efficientnet_lite.build(64, 32)
    weights = torch_names(model)
    del weights["_conv_head.weight"]
    with pytest.raises(KeyError, match="_conv_head"):
        efficientnet_lite.load_body(model, weights)
