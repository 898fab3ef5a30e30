"""AlexNet (Krizhevsky et al. 2012, section 3), the body that Son 2020 transfers to nine groups of garments.

Two departures, both usual: one tower (the two were for two small GPUs), and batch normalisation instead of local
response normalisation, without which so few photos teach a network of this depth nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

SIZE = 227
"""Height and width of the input, pixels."""
HEAD = "probs"
"""The layer that is new in a transfer; all others are the body."""
CONVOLUTIONS = ((96, 11, 4, True), (256, 5, 1, True), (384, 3, 1, False), (384, 3, 1, False), (256, 3, 1, True))
"""Of each: channels, kernel, stride, and whether 3x3 pooling of stride 2 follows."""


def build(labels: int = 15, *, frozen: bool = False) -> "keras.Model":
    """Build the network, randomly initialised.

    Args:
        labels: independent sigmoid outputs.
        frozen: the body is not trained, neither its weights nor the statistics of its normalisation.

    Returns:
        A functional model from uint8 (B, 227, 227, 3) RGB to f32 (B, labels), each 0 to 1.
    """
    import keras  # noqa: PLC0415 - a backend is paid for only where a network is trained or exported

    layers = keras.layers
    photos = keras.Input((SIZE, SIZE, 3), dtype="uint8", name="photos")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32", name="scale")(photos)
    for number, (channels, kernel, stride, pooled) in enumerate(CONVOLUTIONS, 1):
        padding = "valid" if number == 1 else "same"
        x = layers.Conv2D(channels, kernel, stride, padding=padding, use_bias=False, name=f"conv{number}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm{number}")(x)
        x = layers.ReLU(name=f"relu{number}")(x)
        if pooled:
            x = layers.MaxPooling2D(3, 2, name=f"pool{number}")(x)
    x = layers.Flatten(name="flatten")(x)
    for number in (6, 7):
        x = layers.Dense(4096, activation="relu", kernel_initializer="he_normal", name=f"fc{number}")(x)
        x = layers.Dropout(0.5, name=f"drop{number}")(x)
    probs = layers.Dense(labels, activation="sigmoid", dtype="float32", name=HEAD)(x)
    model = keras.Model(photos, probs, name="alexnet")
    if frozen:
        for layer in model.layers:
            layer.trainable = layer.name == HEAD
    return model
