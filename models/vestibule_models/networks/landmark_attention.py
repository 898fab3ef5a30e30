"""Two attention branches on a VGG body (Shajini and Ramanan 2020): where the landmarks are, and which features count.

Shajini and Ramanan, "An improved landmark-driven and spatial-channel attentive convolutional neural network for fashion
clothes classification", The Visual Computer 2020. Known of it here is its abstract: a landmark-driven and a
spatial-channel attention pipeline, several scales of context, category and attribute outputs. The parts are built the
standard way: landmark maps upsampled by a transposed convolution and laid on the features as (1 + A) F (Wang et al.
2018, "Attentive fashion grammar network", section 3.3); channel attention from the mean and maximum, then spatial
attention from a 7x7 convolution (Woo et al. 2018, "CBAM", section 3); features of two blocks pooled together.
"""

from typing import TYPE_CHECKING, Any

from vestibule_models.networks.vgg16_paper import SIZE, body, scaled

if TYPE_CHECKING:
    import keras

MAP_SIZE = SIZE // 8
"""Height and width of the landmark maps."""


def build(labels: int = 15, *, attributes: int, landmarks: int) -> "keras.Model":
    """Build the network, randomly initialised.

    Args:
        labels: categories, independent sigmoid outputs.
        attributes: independent sigmoid outputs beside them.
        landmarks: maps of points, one each.

    Returns:
        A functional model from uint8 (B, 224, 224, 3) RGB to a dictionary of f32: `probs` (B, labels), `attributes`
        (B, attributes), `landmarks` (B, 28, 28, landmarks), all 0 to 1.
    """
    import keras  # noqa: PLC0415 - a backend is paid for only where a network is trained or exported

    layers = keras.layers
    photos = keras.Input((SIZE, SIZE, 3), dtype="uint8", name="photos")
    features = body(scaled(photos), last=3)
    maps = _landmark_maps(features, landmarks)
    points = layers.Activation("sigmoid", dtype="float32", name="landmarks")(maps)
    where = layers.Conv2D(1, 1, activation="sigmoid", name="landmark_attention")(points)
    led = layers.Add(name="led")([features, layers.Multiply(name="led_by")([features, where])])
    middle = _spatial_channel(body(led, first=4, last=4), "sc4")
    deep = _spatial_channel(body(middle, first=5), "sc5")
    pooled = layers.Concatenate(name="scales")(
        [layers.GlobalAveragePooling2D(name=f"pool_{name}")(x) for name, x in (("middle", middle), ("deep", deep))]
    )
    shared = layers.Dense(512, activation="relu", kernel_initializer="he_normal", name="shared")(pooled)
    shared = layers.Dropout(0.3, name="dropout")(shared)
    answers = {
        "probs": layers.Dense(labels, activation="sigmoid", dtype="float32", name="probs")(shared),
        "attributes": layers.Dense(attributes, activation="sigmoid", dtype="float32", name="attributes")(shared),
        "landmarks": points,
    }
    return keras.Model(photos, answers, name="landmark_attention")


def _landmark_maps(features: Any, landmarks: int) -> Any:  # noqa: ANN401 - symbolic tensors
    """Return logits (B, h, w, landmarks) from features (B, h, w, C): coarse to fine, halved and upsampled again."""
    import keras  # noqa: PLC0415 - see above

    layers = keras.layers
    x = layers.Conv2D(64, 3, padding="same", activation="relu", name="landmark_conv1")(features)
    coarse = layers.Conv2D(64, 3, 2, padding="same", activation="relu", name="landmark_conv2")(x)
    coarse = layers.Conv2D(64, 3, padding="same", activation="relu", name="landmark_conv3")(coarse)
    fine = layers.Conv2DTranspose(64, 4, 2, padding="same", activation="relu", name="landmark_up")(coarse)
    rare = keras.initializers.Constant(-3.0)  # a point fills few cells: begin near their share
    return layers.Conv2D(landmarks, 1, bias_initializer=rare, name="landmark_logits")(layers.Add()([x, fine]))


def _spatial_channel(features: Any, name: str, *, ratio: int = 16) -> Any:  # noqa: ANN401 - symbolic tensors
    import keras  # noqa: PLC0415 - see above

    layers, ops = keras.layers, keras.ops
    channels = features.shape[-1]
    squeeze = layers.Dense(channels // ratio, activation="relu", name=f"{name}_squeeze")
    excite = layers.Dense(channels, name=f"{name}_excite")
    pooled = [
        layers.GlobalAveragePooling2D(keepdims=True)(features),
        layers.GlobalMaxPooling2D(keepdims=True)(features),
    ]
    which = layers.Activation("sigmoid")(layers.Add()([excite(squeeze(x)) for x in pooled]))
    x = layers.Multiply()([features, which])
    seen = layers.Concatenate()([ops.mean(x, axis=-1, keepdims=True), ops.max(x, axis=-1, keepdims=True)])
    there = layers.Conv2D(1, 7, padding="same", activation="sigmoid", name=f"{name}_spatial")(seen)
    return layers.Multiply()([x, there])
