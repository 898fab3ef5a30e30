"""Write a garment classifier in another format, checked against what Keras answers on the same pictures."""

import argparse
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, assert_never, get_args

import numpy as np

from vestibule_models.artifact import (
    ArtifactError,
    GarmentManifest,
    InputSpec,
    describe_file,
    load_manifest,
    model_folder,
    model_path,
    save_manifest,
)
from vestibule_models.formats_compare import Crops, Difference, answers_of, batches, difference, exceeded, join
from vestibule_models.letterbox import letterbox
from vestibule_models.litert_runner import Answers, LiteRTRunner
from vestibule_models.picture_files import find_pictures
from vestibule_models.pictures import read_picture
from vestibule_models.quantising import to_int8
from vestibule_models.staging import new_folder

if TYPE_CHECKING:
    import keras

Format = Literal["float32", "float16", "int8", "savedmodel", "onnx"]

MIN_CALIBRATION = 40
"""Pictures that int8 needs; half of them calibrate, the other half check."""
MAX_CALIBRATION = 400
"""More pictures change the ranges little (and the minutes much)."""
DRAWN = 16


EXACT = Difference(probs_max=1e-3, probs_mean=1e-4, embedding_max=1e-3, embedding_mean=1e-4)
"""Bound of formats of the very same weights, computed in float32."""
ROUNDED = Difference(probs_max=1e-2, probs_mean=1e-3, embedding_max=1e-2, embedding_mean=1e-3)
"""Bound of weights rounded to float16; the shipped ones fit it as they are."""
QUANTISED = Difference(probs_max=0.2, probs_mean=0.02, embedding_max=0.2, embedding_mean=0.03)
"""Bound of int8: 255 steps a layer (Jacob et al. 2018)."""
KEPT_IN_FLOATS = ("FULLY_CONNECTED", "SQUARE", "SUM", "MINIMUM", "RSQRT", "MUL")
"""TensorFlow Lite's operators that int8 leaves alone: the last layers, and how an embedding is brought to unit length,
of which 255 steps make anything from 0.9 to 1.6. They cost little."""
BOUNDS: dict[Format, Difference] = {
    "float32": EXACT,
    "float16": ROUNDED,
    "savedmodel": EXACT,
    "onnx": EXACT,
    "int8": QUANTISED,
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `export formats`."""
    parser.add_argument("model", help="model folder with a .keras file, or the name of a shipped model")
    parser.add_argument("--format", required=True, choices=get_args(Format))
    parser.add_argument("--out", type=Path, required=True, help="model folder to write; must not exist")
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="DIR",
        help=f"crops of your store, {MIN_CALIBRATION} or more: half choose the ranges of int8 (which needs them), the "
        "other half check the result; without them drawn pictures check it",
    )
    parser.add_argument("--force", action="store_true", help="write the variant even where it differs too much")


def run(args: argparse.Namespace) -> int:
    """Convert, compare, and write the folder if the difference is within the bound."""
    source = model_folder(args.model)
    manifest = load_manifest(source)
    if not isinstance(manifest, GarmentManifest):
        raise ArtifactError(f"model {source} is a {manifest.kind}; only garment classifiers have a .keras to convert")
    calibrating, checking = pictures_of(args.calibration, args.format, manifest.input)
    with new_folder(args.out) as folder:
        found = write(load_keras(source, manifest), manifest, args.format, folder, calibrating, checking)
        text = ", ".join(f"{name} {value:.2g}" for name, value in asdict(found).items())
        print(f"{args.format} against Keras on {len(checking)} pictures: {text}", flush=True)  # noqa: T201 - the answer
        if over := exceeded(found, BOUNDS[args.format]):
            if not args.force:
                raise ArtifactError(f"{args.format} of {manifest.name}: {over}; nothing written (--force writes it)")
            print(f"written by --force although {over}")  # noqa: T201
    size = sum(file.bytes for file in described(args.out).values())
    print(f"{args.out}: {size} bytes")  # noqa: T201
    return 0


def pictures_of(folder: Path | None, wanted: Format, spec: InputSpec) -> tuple[Crops, Crops]:
    """Return what calibrates and what checks, each uint8 (N, height, width, 3) RGB.

    Raises:
        ArtifactError: int8 without pictures, too few, or one that cannot be read.
    """
    if folder is None:
        if wanted == "int8":
            raise ArtifactError(f"int8 needs --calibration DIR: {MIN_CALIBRATION} or more crops of your store")
        return drawn(0, spec), drawn(DRAWN, spec)
    paths = find_pictures(folder)
    if len(paths) < MIN_CALIBRATION:
        raise ArtifactError(f"{folder} holds {len(paths)} pictures; --calibration needs {MIN_CALIBRATION} or more")
    chosen = [paths[i] for i in np.linspace(0, len(paths) - 1, min(len(paths), MAX_CALIBRATION)).astype(int)]
    crops = np.stack([letterbox(read_picture(path), spec)[0] for path in chosen])
    return crops[::2], crops[1::2]


def drawn(count: int, spec: InputSpec) -> Crops:
    """Return pictures of coarse patches of colour, uint8 (count, height, width, 3), the same on every call."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 6, 3, 3)).astype(np.uint8)
    rows = np.arange(spec.height) * 6 // spec.height
    columns = np.arange(spec.width) * 3 // spec.width
    return np.asarray(coarse[:, rows][:, :, columns], np.uint8)


def load_keras(folder: Path, manifest: GarmentManifest) -> "keras.Model":
    """Return the folder's .keras model after checking its hash."""
    import keras  # noqa: PLC0415 - TensorFlow is paid for only where a network is converted

    return keras.models.load_model(model_path(folder, manifest, ".keras"), compile=False)


def write(  # noqa: PLR0917 - what is converted, how, where to and on which pictures
    model: "keras.Model", manifest: GarmentManifest, wanted: Format, folder: Path, calibrating: Crops, checking: Crops
) -> Difference:
    """Write the variant and its manifest into an empty folder; return how far it is from Keras on `checking`."""
    convert(model, wanted, folder, calibrating)
    provenance = {
        **manifest.provenance,
        "format": wanted,
        "parent_version": manifest.version,
        "pictures_compared": len(checking),
        "pictures_calibrated": len(calibrating) if wanted == "int8" else 0,
    }
    new = {"version": f"{manifest.version}+{wanted}", "files": described(folder), "provenance": provenance}
    changed = manifest.model_copy(update=new)
    save_manifest(folder, changed)
    run_variant = runner_of(folder, manifest, wanted)
    parts = [(answers_of(model(part, training=False), manifest), run_variant(part)) for part in batches(checking)]
    found = difference(join([keras for keras, _ in parts]), join([variant for _, variant in parts]))
    measured = {f"difference_{name}": round(value, 6) for name, value in asdict(found).items()}
    save_manifest(folder, changed.model_copy(update={"provenance": {**provenance, **measured}}))
    return found


def described(folder: Path) -> dict[str, Any]:
    """Return what the manifest says of every model file in a folder, by its path in it."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / "manifest.json"]
    return {path.relative_to(folder).as_posix(): describe_file(path) for path in paths}


def convert(model: "keras.Model", wanted: Format, folder: Path, calibrating: Crops) -> None:
    """Write the model's files into a folder, for crops uint8 (any batch, height, width, 3)."""
    import tensorflow as tf  # noqa: PLC0415 - see load_keras

    height, width = model.input_shape[1:3]
    crops = [tf.TensorSpec((None, height, width, 3), tf.uint8, name="crops")]
    match wanted:
        case "savedmodel":
            model.export(folder / "saved_model", input_signature=crops, verbose=False)
        case "onnx":
            to_onnx(model, folder / "model.onnx", crops)
        case "float32" | "float16" | "int8":
            with tempfile.TemporaryDirectory() as saved:
                model.export(saved, input_signature=crops, verbose=False)
                (folder / "model.tflite").write_bytes(to_litert(Path(saved), wanted, calibrating))
        case _:
            assert_never(wanted)


def to_litert(saved_model: Path, wanted: Literal["float32", "float16", "int8"], calibrating: Crops) -> bytes:
    """Convert a SavedModel; the input stays uint8 and the outputs float32, whatever is computed between them."""
    import tensorflow as tf  # noqa: PLC0415 - see load_keras

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if wanted != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if wanted == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if wanted == "int8":
        return to_int8(converter, calibrating, KEPT_IN_FLOATS)
    return bytes(converter.convert())


def to_onnx(model: "keras.Model", path: Path, signature: Sequence[Any]) -> None:
    """Write ONNX with Keras's own export.

    Raises:
        ArtifactError: what it needs is not installed.
    """
    try:
        import onnxruntime  # noqa: F401, PLC0415 - optional: the extra `onnx`
        import tf2onnx  # noqa: F401, PLC0415
    except ImportError as error:
        raise ArtifactError(f'ONNX needs {error.name}; pip install "vestibule[onnx]"') from error
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # Keras mends tf2onnx for NumPy 2 in a way that NumPy frowns upon
        model.export(path, format="onnx", input_signature=signature, verbose=False)


def runner_of(
    folder: Path, manifest: GarmentManifest, wanted: Format, *, threads: int = 1
) -> Callable[[Crops], Answers]:
    """Return what runs a written variant on a batch of crops uint8 (B, height, width, 3); `threads` are LiteRT's."""
    match wanted:
        case "float32" | "float16" | "int8":
            return LiteRTRunner(folder, threads=threads).run
        case "savedmodel":
            import tensorflow as tf  # noqa: PLC0415 - see load_keras

            loaded = tf.saved_model.load(folder / "saved_model")
            return lambda crops: answers_of(loaded.serve(tf.constant(crops)), manifest)
        case "onnx":
            import onnxruntime  # noqa: PLC0415 - optional

            session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
            name = session.get_inputs()[0].name
            return lambda crops: answers_of(session.run(None, {name: crops}), manifest)
        case _:
            assert_never(wanted)
