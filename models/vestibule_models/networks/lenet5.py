"""LeNet-5 (LeCun et al. 1998, section II.B) for small grey pictures, as Kayed et al. 2020 use it on Fashion-MNIST.

Kayed et al. keep the order of the layers and train on 28x28 pictures of ten classes. Where they are silent the usual
modern reading is taken: padding in the first layer (so that 28x28 is as good as the original's 32x32), tanh, average
pooling, full connections in the third layer, softmax instead of radial units.
"""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import keras

SIZE = 28
"""Height and width of the input, pixels."""


def build(labels: int = 10, *, answers: Literal["softmax", "sigmoid"] = "softmax") -> "keras.Model":
    """Build the network, randomly initialised.

    Args:
        labels: outputs.
        answers: `softmax` where a picture shows one class, `sigmoid` where each label is a question of its own.

    Returns:
        A functional model from uint8 (B, 28, 28, 1) grey to f32 (B, labels).
    """
    import keras  # noqa: PLC0415 - a backend is paid for only where a network is trained or exported

    layers = keras.layers
    photos = keras.Input((SIZE, SIZE, 1), dtype="uint8", name="photos")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32", name="scale")(photos)
    x = layers.AveragePooling2D(2, name="s2")(layers.Conv2D(6, 5, padding="same", activation="tanh", name="c1")(x))
    x = layers.AveragePooling2D(2, name="s4")(layers.Conv2D(16, 5, activation="tanh", name="c3")(x))
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(84, activation="tanh", name="f6")(layers.Dense(120, activation="tanh", name="c5")(x))
    probs = layers.Dense(labels, activation=answers, dtype="float32", name="probs")(x)
    return keras.Model(photos, probs, name="lenet5")
