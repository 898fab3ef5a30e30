"""EfficientNet-Lite0 with a garment head: uint8 crops in, garment probabilities and an embedding out.

The body is EfficientNet-Lite0, 1 or 2 (the EfficientNet of Tan and Le 2019, without squeeze-and-excitation and with
ReLU6, as TensorFlow's TPU models define it). The head pools the last features over the upper and the lower half of
the crop and by maximum: what is worn above and below is told apart by where it is.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

BODY_CHANNELS = 1280
EPSILON = 1e-3
"""Of the batch normalisation."""
NORM_PARTS = ("weight", "bias", "running_mean", "running_var")

STAGES: tuple[tuple[int, int, int, int, int], ...] = (
    (1, 16, 3, 1, 1),
    (6, 24, 3, 2, 2),
    (6, 40, 5, 2, 2),
    (6, 80, 3, 2, 3),
    (6, 112, 5, 1, 3),
    (6, 192, 5, 2, 4),
    (6, 320, 3, 1, 1),
)
"""Of each stage of EfficientNet-B0 (table 1): expansion, output channels, kernel, first stride, inverted residuals."""
SCALES = {"efficientnet_lite0": (1.0, 1.0), "efficientnet_lite1": (1.0, 1.1), "efficientnet_lite2": (1.1, 1.2)}
"""Of each network by name: width and depth (section 3.3)."""
HEAD_GAIN = 5.0
"""The head's answers are multiplied by this while training, so that it learns that much faster than the body."""

Block = tuple[int, int, int, int]
"""Expansion, output channels, kernel, stride of an inverted residual."""


def blocks(network: str) -> list[Block]:
    """Return the inverted residuals of one of `SCALES`; the Lite networks do not deepen the first and last stage."""
    width, depth = SCALES[network]
    found: list[Block] = []
    for number, (expansion, channels, kernel, stride, repeats) in enumerate(STAGES):
        scaled = max(8, int(channels * width + 4) // 8 * 8)
        scaled += 8 if scaled < 0.9 * channels * width else 0
        deep = repeats if number in (0, len(STAGES) - 1) else math.ceil(repeats * depth)
        found += [(expansion, scaled, kernel, stride if place == 0 else 1) for place in range(deep)]
    return found


def build(
    height: int = 288,
    width: int = 144,
    *,
    network: str = "efficientnet_lite0",
    labels: int = 15,
    embedding: int = 128,
    fused: bool = False,
) -> "keras.Model":
    """Build the network, randomly initialised.

    Args:
        height: of the crops, pixels.
        width: of the crops, pixels.
        network: one of `SCALES`.
        labels: independent sigmoid outputs.
        embedding: length of the embedding.
        fused: with the batch normalisation inside the convolutions (see `fuse`), to be run and no longer trained.

    Returns:
        A functional model from uint8 (B, height, width, 3) RGB to a dictionary: `probs` f32 (B, labels), each 0 to 1,
        and `embedding` f32 (B, embedding), unit length. Pixels are scaled inside, to (x - 127) / 128.
    """
    import keras  # noqa: PLC0415 - TensorFlow is paid for only where a network is trained or exported

    layers = keras.layers
    crops = keras.Input((height, width, 3), dtype="uint8", name="crops")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="scale")(crops)
    x = _filter(x, "stem_bn", layers.Conv2D(32, 3, 2, padding="same", use_bias=fused, name="stem_conv"), fused=fused)
    for index, block in enumerate(blocks(network)):
        x = _inverted_residual(x, f"block{index}", block, fused=fused)
    features = _filter(x, "head_bn", layers.Conv2D(BODY_CHANNELS, 1, use_bias=fused, name="head_conv"), fused=fused)
    rows = features.shape[1]
    half = (rows + 1) // 2
    upper = layers.GlobalAveragePooling2D(name="upper")(layers.Cropping2D(((0, rows - half), (0, 0)))(features))
    lower = layers.GlobalAveragePooling2D(name="lower")(layers.Cropping2D(((rows - half, 0), (0, 0)))(features))
    peak = layers.GlobalMaxPooling2D(name="peak")(features)
    halves = layers.Concatenate(name="halves")([upper, lower])
    pooled = layers.Dropout(0.3, name="dropout")(layers.Concatenate(name="pooled")([halves, peak]))
    probs = _probabilities(pooled, labels, fused=fused)
    looks = layers.Concatenate(name="looks")([halves, _colours(crops)])
    projected = layers.Dense(embedding, name="projection")(looks)
    unit = layers.UnitNormalization(name="embedding")(projected)
    return keras.Model(crops, {"probs": probs, "embedding": unit}, name=f"garments_{network}")


def _probabilities(pooled: "keras.KerasTensor", labels: int, *, fused: bool) -> "keras.KerasTensor":
    """Return independent sigmoids of the pooled features; float32 also where the rest is in mixed precision."""
    import keras  # noqa: PLC0415 - see build

    layers = keras.layers
    if fused:
        return layers.Dense(labels, activation="sigmoid", name="probs")(pooled)
    x = layers.Dense(labels, name="head", kernel_initializer="zeros", dtype="float32")(pooled)
    return layers.Activation("sigmoid", name="probs", dtype="float32")(
        layers.Rescaling(HEAD_GAIN, name="gain", dtype="float32")(x)
    )


def network_of(model: "keras.Model") -> str:
    """Return which of `SCALES` a model is that `build` made."""
    return str(model.name).removeprefix("garments_")


def load_body(model: "keras.Model", weights: dict[str, NDArray[np.float32]]) -> None:
    """Copy ImageNet weights into the body of a model that `build` made.

    Args:
        model: changed in place.
        weights: a PyTorch state dictionary in EfficientNet's usual names (`_conv_stem.weight`,
            `_blocks.0._bn1.running_var`, ...), convolutions as (out, in, height, width).

    Raises:
        KeyError: a weight is missing.
        ValueError: a weight has another shape.
    """
    for layer, norm in convolutions(network_of(model)):
        kernel = weights[f"{_torch_name(layer)}.weight"]
        axes = (2, 3, 0, 1) if layer.endswith("depthwise") else (2, 3, 1, 0)
        model.get_layer(layer).set_weights([kernel.transpose(axes)])
        model.get_layer(norm).set_weights([weights[f"{_torch_name(norm)}.{part}"] for part in NORM_PARTS])


def fuse(model: "keras.Model") -> "keras.Model":
    """Return the same network with each batch normalisation inside its convolution, as kernel and bias."""
    height, width = model.input_shape[1:3]
    network = network_of(model)
    labels, embedding = model.get_layer("head").units, model.get_layer("projection").units
    fused = build(height, width, network=network, labels=labels, embedding=embedding, fused=True)
    for layer, norm in convolutions(network):
        (kernel,) = model.get_layer(layer).get_weights()
        gamma, beta, mean, variance = model.get_layer(norm).get_weights()
        gain = gamma / np.sqrt(variance + EPSILON)
        by_channel = gain[:, None] if layer.endswith("depthwise") else gain
        fused.get_layer(layer).set_weights([kernel * by_channel, beta - mean * gain])
    fused.get_layer("probs").set_weights([weight * HEAD_GAIN for weight in model.get_layer("head").get_weights()])
    fused.get_layer("projection").set_weights(model.get_layer("projection").get_weights())
    return fused


def convolutions(network: str) -> tuple[tuple[str, str], ...]:
    """Return the names of each convolution and of its batch normalisation, from the input on."""
    names = [("stem_conv", "stem_bn")]
    for index, (expansion, *_) in enumerate(blocks(network)):
        parts = ("expand", "depthwise", "project") if expansion > 1 else ("depthwise", "project")
        names += [(f"block{index}_{part}", f"block{index}_{part}_bn") for part in parts]
    return (*names, ("head_conv", "head_bn"))


def _torch_name(layer: str) -> str:
    """Return what PyTorch's EfficientNet calls one of our layers."""
    outside = {"stem_conv": "_conv_stem", "stem_bn": "_bn0", "head_conv": "_conv_head", "head_bn": "_bn1"}
    if layer in outside:
        return outside[layer]
    block, part = layer.removeprefix("block").split("_", 1)
    inside = {"expand_bn": "_bn0", "depthwise_bn": "_bn1", "project_bn": "_bn2"}
    return f"_blocks.{block}.{inside.get(part, f'_{part}_conv')}"


def _inverted_residual(
    x: "keras.KerasTensor", name: str, block: tuple[int, int, int, int], *, fused: bool
) -> "keras.KerasTensor":
    """Expand, filter each channel, project; add the input where the shapes agree (Sandler et al. 2018, figure 4)."""
    import keras  # noqa: PLC0415 - see build

    layers = keras.layers
    expansion, channels, kernel, stride = block
    before = x
    if expansion > 1:
        expand = layers.Conv2D(expansion * x.shape[-1], 1, use_bias=fused, name=f"{name}_expand")
        x = _filter(x, f"{name}_expand_bn", expand, fused=fused)
    depthwise = layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=fused, name=f"{name}_depthwise")
    x = _filter(x, f"{name}_depthwise_bn", depthwise, fused=fused)
    project = layers.Conv2D(channels, 1, use_bias=fused, name=f"{name}_project")
    x = _filter(x, f"{name}_project_bn", project, fused=fused, active=False)
    return layers.Add(name=f"{name}_add")([before, x]) if stride == 1 and before.shape[-1] == channels else x


def _filter(
    x: "keras.KerasTensor", norm: str, convolution: "keras.Layer", *, fused: bool, active: bool = True
) -> "keras.KerasTensor":
    """Convolve, normalise unless fused, and apply ReLU6 if active."""
    import keras  # noqa: PLC0415 - see build

    x = convolution(x)
    if not fused:
        x = keras.layers.BatchNormalization(epsilon=EPSILON, name=norm)(x)
    return keras.layers.ReLU(6.0, name=f"{norm}_relu")(x) if active else x


def _colours(crops: "keras.KerasTensor") -> "keras.KerasTensor":
    """Return the mean colours of 8 x 4 cells of the crop, 0 to 1, (B, 96): the deep features forget colour."""
    import keras  # noqa: PLC0415 - see build

    layers = keras.layers
    cell = (crops.shape[1] // 8, crops.shape[2] // 4)
    cells = layers.AveragePooling2D(cell, name="cells")(layers.Rescaling(1 / 255, name="unit")(crops))
    return layers.Flatten(name="colours")(cells)
