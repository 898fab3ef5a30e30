"""A person detector: MobileNetV2 with ImageNet weights, a light feature pyramid, decoupled anchor-free heads.

Sources: Sandler et al. 2018, "MobileNetV2" (arXiv:1801.04381, table 2), batch norms folded into the convolutions;
Lin et al. 2017, "Feature Pyramid Networks" (arXiv:1612.03144) with the bottom-up path of Liu et al. 2018, "PANet"
(arXiv:1803.01534, section 3.1); the heads and the meaning of their outputs are those of Ge et al. 2021, "YOLOX"
(arXiv:2107.08430, section 2.1), for one class.
"""

import math
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from vestibule_models.artifact import ArtifactError

STRIDES = (8, 16, 32)
BACKBONE_FROZEN_TO = "block_5"
"""Last block of the layers above stride 16 that keep their ImageNet weights: training is 1.5 times as fast."""
_BLOCKS = ((16, 1, 1, 1), (24, 2, 2, 6), (32, 3, 2, 6), (64, 4, 2, 6), (96, 3, 1, 6), (160, 3, 2, 6), (320, 1, 1, 6))
"""Channels, repeats, first stride, expansion: table 2 of the paper."""
_TAPS = (5, 12, 16)
"""The blocks whose outputs have strides 8, 16 and 32."""
_BATCH_NORM_EPSILON = 1e-3
_RARE = 0.01
"""Objectness that a new network gives to every cell, so that the first steps are not spent on unlearning it."""


def build(height: int, width: int, *, neck: int = 64) -> keras.Model:
    """Build the network with random weights.

    Args:
        height: of the input, pixels, a multiple of 32.
        width: of the input, pixels, a multiple of 32.
        neck: channels of the pyramid and the heads.

    Returns:
        uint8 (B, height, width, 3) RGB -> float32 (B, N, 6): x, y, log w, log h in cells, then objectness and person
        as logits. N cells of strides 8, 16, 32, row-major. `with_scores` adds the sigmoid that decoders want.
    """
    image = keras.Input((height, width, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(image)
    fine, middle, coarse = _pyramid(_backbone(x), neck)
    outputs = [_head(level, stride, neck) for level, stride in zip((fine, middle, coarse), STRIDES, strict=True)]
    return keras.Model(image, layers.Concatenate(axis=1, name="cells")(outputs), name="person_mobilenet")


def with_scores(network: keras.Model) -> keras.Model:
    """Add the sigmoid of objectness and person, so that the output is what the decoder `yolox` reads."""
    raw = network.output
    scores = layers.Activation("sigmoid", name="scores")(raw[..., 4:])
    return keras.Model(network.input, layers.Concatenate(axis=2, name="detections")([raw[..., :4], scores]))


def rebuild(saved: keras.Model, height: int, width: int) -> keras.Model:
    """Build the network for another input around the weights of a saved one, with scores or without.

    Raises:
        ValueError: the weights are of another network, or the size is no multiple of 32.
    """
    network = build(height, width)
    network.set_weights(saved.get_weights())
    return network


def load(path: Path, height: int, width: int) -> keras.Model:
    """Build the network, without scores, around the weights of a detector's .keras file.

    Raises:
        ArtifactError: the file is of another network.
    """
    try:
        return rebuild(keras.models.load_model(path, compile=False), height, width)
    except ValueError as error:
        raise ArtifactError(f"{path}: not a network that `train --task persons` made") from error


def load_imagenet(network: keras.Model, weights: Path) -> None:
    """Copy MobileNetV2's weights of `keras.applications` (no top, alpha 1) into the backbone, folding batch norms."""
    donor = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(96, 96, 3))
    donor.load_weights(weights)
    for layer in network.layers:
        if not layer.name.startswith(("Conv1", "expanded_conv_", "block_")) or not layer.weights:
            continue
        norm = donor.get_layer("bn_Conv1" if layer.name == "Conv1" else f"{layer.name}_BN")
        gamma, beta, mean, variance = norm.get_weights()
        factor = gamma / np.sqrt(variance + _BATCH_NORM_EPSILON)
        (kernel,) = donor.get_layer(layer.name).get_weights()
        turned = factor[:, np.newaxis] if isinstance(layer, layers.DepthwiseConv2D) else factor
        layer.set_weights([kernel * turned, beta - mean * factor])


def freeze_early(network: keras.Model) -> None:
    """Keep the ImageNet weights of everything up to and including `BACKBONE_FROZEN_TO`."""
    early = True
    for layer in network.layers:
        if layer.name.startswith("block_") and int(layer.name.split("_")[1]) > int(BACKBONE_FROZEN_TO.split("_")[1]):
            early = False
        if early:
            layer.trainable = False


def _backbone(x: keras.KerasTensor) -> list[keras.KerasTensor]:
    x = layers.Conv2D(32, 3, strides=2, padding="same", name="Conv1")(x)
    x = layers.ReLU(6.0, name="Conv1_relu")(x)
    taps, number = [], 0
    for channels, repeats, first_stride, expansion in _BLOCKS:
        for repeat in range(repeats):
            x = _block(x, number, channels, first_stride if repeat == 0 else 1, expansion)
            if number in _TAPS:
                taps.append(x)
            number += 1
    return taps


def _block(x: keras.KerasTensor, number: int, channels: int, stride: int, expansion: int) -> keras.KerasTensor:
    """One inverted residual block; its layers are named as in `keras.applications`."""
    name = f"block_{number}" if number else "expanded_conv"
    inner = x
    if number:
        inner = layers.Conv2D(expansion * x.shape[-1], 1, name=f"{name}_expand")(inner)
        inner = layers.ReLU(6.0, name=f"{name}_expand_relu")(inner)
    inner = layers.DepthwiseConv2D(3, strides=stride, padding="same", name=f"{name}_depthwise")(inner)
    inner = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(inner)
    inner = layers.Conv2D(channels, 1, name=f"{name}_project")(inner)
    if stride == 1 and x.shape[-1] == channels:
        inner = layers.Add(name=f"{name}_add")([x, inner])
    return inner


def _pyramid(taps: list[keras.KerasTensor], neck: int) -> list[keras.KerasTensor]:
    """Mix strides 8, 16 and 32: first downwards, then upwards."""
    fine, middle, coarse = (
        _normed(layers.Conv2D(neck, 1, use_bias=False, name=f"lateral_{stride}")(tap), f"lateral_{stride}")
        for tap, stride in zip(taps, STRIDES, strict=True)
    )
    middle = _separable(_sum(middle, _Twice(name="up_16")(coarse), "down_16"), neck, "down_16_mix")
    fine = _separable(_sum(fine, _Twice(name="up_8")(middle), "down_8"), neck, "down_8_mix")
    middle = _separable(_sum(middle, _separable(fine, neck, "to_16", stride=2), "up_16_sum"), neck, "up_16_mix")
    coarse = _separable(_sum(coarse, _separable(middle, neck, "to_32", stride=2), "up_32_sum"), neck, "up_32_mix")
    return [fine, middle, coarse]


def _head(x: keras.KerasTensor, stride: int, neck: int) -> keras.KerasTensor:
    """Two towers: what is it, and where (boxes and objectness)."""
    what, where = x, x
    for number in range(2):
        what = _separable(what, neck, f"what_{stride}_{number}")
        where = _separable(where, neck, f"where_{stride}_{number}")
    bias = keras.initializers.Constant(-math.log((1 - _RARE) / _RARE))
    box = layers.Conv2D(4, 1, name=f"box_{stride}")(where)
    objectness = layers.Conv2D(1, 1, bias_initializer=bias, name=f"objectness_{stride}")(where)
    person = layers.Conv2D(1, 1, name=f"person_{stride}")(what)
    joined = layers.Concatenate(name=f"joined_{stride}")([box, objectness, person])
    return _Rows(name=f"flat_{stride}")(joined)


@keras.saving.register_keras_serializable(package="vestibule_models")
class _Twice(layers.Layer):  # type: ignore[misc] # Keras ships no types
    """Each cell four times, (B, h, w, C) -> (B, 2h, 2w, C): `UpSampling2D`, whose exported form knows its size only."""

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return ops.depth_to_space(ops.concatenate([x] * 4, axis=-1), 2)


@keras.saving.register_keras_serializable(package="vestibule_models")
class _Rows(layers.Layer):  # type: ignore[misc] # Keras ships no types
    """A row for each cell, (B, h, w, C) -> (B, h * w, C).

    Exported for a batch that is known it leaves the number of cells open, as `Reshape` does not, so that LiteRT can
    resize the input.
    """

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        batch, height, width, channels = x.shape
        return ops.reshape(x, (-1, height * width, channels) if batch is None else (batch, -1, channels))


def _separable(x: keras.KerasTensor, channels: int, name: str, *, stride: int = 1) -> keras.KerasTensor:
    x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    return _normed(layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_point")(x), name)


def _normed(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.ReLU(6.0, name=f"{name}_relu")(layers.BatchNormalization(momentum=0.98, name=f"{name}_norm")(x))


def _sum(one: keras.KerasTensor, other: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.Add(name=f"{name}_add")([one, other])
