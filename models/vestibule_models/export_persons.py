"""Writes a trained person detector as a model folder: .tflite and .keras of the same weights, and the manifest.

The score threshold is what composed frames suggest. `--start-from MODEL` takes the weights of a folder that was written
before, and its threshold, so that what ships gains by a better export; or the mean of its weights and another's.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from vestibule_models.artifact import (
    ArtifactError,
    DetectorManifest,
    ModelFile,
    describe_file,
    model_path,
    save_manifest,
)
from vestibule_models.evaluate_persons import compare, load_detector, network_of
from vestibule_models.keras_files import round_to_float16, save_keras
from vestibule_models.persons_compose import IGNORE, PERSON, FrameSize, compose
from vestibule_models.persons_decode import Bytes
from vestibule_models.persons_metrics import Figures, figures
from vestibule_models.persons_sources import Photo, load_sources
from vestibule_models.quantising import to_int8
from vestibule_models.train_persons import CHECKPOINT, SPEC, averaged_weights

if TYPE_CHECKING:
    import keras

Format = Literal["int8", "float16"]

_HEIGHT, _WIDTH = 360, 640
"""Of the composed frames on which the threshold is chosen: those of a camera, not of the network."""
_UNKNOWN_THRESHOLD = 0.5
_CALIBRATED_ON = 200
"""Composed frames that show int8 the ranges of the layers."""
KEPT_IN_FLOATS = ("CONCATENATION", "RESHAPE", "LOGISTIC")
"""TensorFlow Lite's operators that int8 leaves alone: what joins boxes and scores, whose ranges differ."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vestibule-models export persons`."""
    weights = parser.add_mutually_exclusive_group(required=True)
    weights.add_argument("--checkpoint", type=Path, help="folder that training wrote")
    weights.add_argument(
        "--start-from",
        type=Path,
        metavar="MODEL",
        help="a detector made by this command: write its weights anew, and keep its manifest",
    )
    parser.add_argument(
        "--average-with",
        type=Path,
        metavar="MODEL",
        help="with --start-from: the mean of both detectors' weights, and a threshold of its own",
    )
    parser.add_argument(
        "--format", choices=get_args(Format), default="int8", help="of the .tflite file (default %(default)s)"
    )
    parser.add_argument(
        "--data", type=Path, help="folder of persons-v1 and garments-v1; needed with --checkpoint and for int8"
    )
    parser.add_argument("--out", type=Path, required=True, help="model folder to write; its name is the model's")
    parser.add_argument("--version", help="of the model (default: 1.0.0, or that of --start-from)")
    parser.add_argument(
        "--height", type=int, default=SPEC.height, help="of the input, with --checkpoint (default %(default)s)"
    )
    parser.add_argument("--width", type=int, default=SPEC.width, help="of the input, likewise (default %(default)s)")
    parser.add_argument(
        "--frames", type=int, default=400, help="composed to choose the threshold, likewise (default %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Write a checkpoint with the threshold that composed frames suggest, or a model anew.

    Raises:
        ArtifactError: there is nothing to choose the threshold or int8's ranges on, or the model is no such detector.
    """
    if args.average_with and not args.start_from:
        raise ArtifactError("--average-with takes the mean of two detectors: name the other with --start-from")
    if (args.checkpoint or args.average_with) and not args.data:
        raise ArtifactError("the threshold is chosen on frames composed of the photos in --data DIR: name it")
    if args.format == "int8" and not args.data:
        raise ArtifactError("int8 needs --data DIR: frames composed of its photos show the ranges of the layers")
    args.out.mkdir(parents=True, exist_ok=True)
    manifest = export_again(args) if args.start_from else export_checkpoint(args)
    sizes = {name: file.bytes for name, file in manifest.files.items()}
    print(f"{args.out}: {sizes}, score_threshold {manifest.score_threshold}, {manifest.provenance}")  # noqa: T201 - a command's answer
    return 0


def export_again(args: argparse.Namespace) -> DetectorManifest:
    """Write the weights of a model folder anew; of its manifest all stays that does not tell of the files.

    Weights halfway between a network's and those that it was trained on to are often better than either (Wortsman et
    al. 2022, "Robust fine-tuning of zero-shot models", arXiv:2109.01903, section 3): hence `--average-with`, which
    chooses the threshold anew.

    Raises:
        ArtifactError: the model is not one that this module wrote.
    """
    from vestibule_models.networks import person_mobilenet  # noqa: PLC0415 - TensorFlow is imported for an export only

    manifest = load_detector(args.start_from)
    spec = manifest.input
    network = person_mobilenet.load(model_path(args.start_from, manifest, ".keras"), spec.height, spec.width)
    if args.average_with:
        path = model_path(args.average_with, load_detector(args.average_with), ".keras")
        others = person_mobilenet.load(path, spec.height, spec.width).get_weights()
        network.set_weights([(one + other) / 2 for one, other in zip(network.get_weights(), others, strict=True)])
    changed = {
        "name": args.out.name,
        "version": args.version or manifest.version,
        "files": write(network, args),
        "provenance": {**manifest.provenance, "format": args.format},
    }
    manifest = manifest.model_copy(update=changed)
    save_manifest(args.out, manifest)
    return with_threshold(manifest, args) if args.average_with else manifest


def export_checkpoint(args: argparse.Namespace) -> DetectorManifest:
    """Write what a training has come to, and choose the threshold."""
    from vestibule_models.networks import person_mobilenet  # noqa: PLC0415 - as above

    network = person_mobilenet.build(args.height, args.width)
    step, weights = averaged_weights(args.checkpoint / CHECKPOINT, len(network.weights))
    network.set_weights(weights)
    manifest = DetectorManifest(
        schema_version=1,
        name=args.out.name,
        version=args.version or "1.0.0",
        kind="person-detector",
        input=SPEC.model_copy(update={"height": args.height, "width": args.width}),
        files=write(network, args),
        provenance={"trained_steps": step, "card": "MODEL_CARD.md", "format": args.format},
        decoder="yolox",
        classes=1,
        person_class=0,
        score_threshold=_UNKNOWN_THRESHOLD,
        resizable=max(person_mobilenet.STRIDES),
    )
    save_manifest(args.out, manifest)
    return with_threshold(manifest, args)


def with_threshold(manifest: DetectorManifest, args: argparse.Namespace) -> DetectorManifest:
    """Choose the threshold of what was written, and note what it was chosen on."""
    found = validate(args.out, args.data, args.frames)
    figures_of = {"composed_frames": args.frames, "composed_ap50": round(found.ap50, 3)}
    figures_of["composed_recall_at_p90"] = round(found.recall_at_p90, 3)
    threshold = found.threshold_at_best_f1
    chosen = {
        "score_threshold": round(threshold, 3) if np.isfinite(threshold) else _UNKNOWN_THRESHOLD,
        "provenance": {**manifest.provenance, **figures_of},
    }
    manifest = manifest.model_copy(update=chosen)
    save_manifest(args.out, manifest)
    return manifest


def write(network: "keras.Model", args: argparse.Namespace) -> dict[str, ModelFile]:
    """Write both files of a network of `person_mobilenet.build`; return what the manifest says of them."""
    from vestibule_models.networks import person_mobilenet  # noqa: PLC0415 - as above

    round_to_float16(network)
    names = [f"{args.out.name}.tflite", f"{args.out.name}.keras"]
    pictures = calibrating(args.data, *network.input_shape[1:3]) if args.format == "int8" else ()
    convert(network, args.out / names[0], pictures)
    save_keras(person_mobilenet.with_scores(network), args.out / names[1])
    return {name: describe_file(args.out / name) for name in names}


def calibrating(data: Path, height: int, width: int) -> list[Bytes]:
    """Compose frames of the training split, as training does but without rendered people."""
    sources = load_sources(data, None, "train", np.random.default_rng(0))
    size = FrameSize(height=height, width=width, pad_value=SPEC.pad_value)
    return [compose(sources, size, np.random.default_rng([0, number]))[0] for number in range(_CALIBRATED_ON)]


def convert(network: "keras.Model", path: Path, pictures: Sequence[Bytes]) -> None:
    """Write a network of `person_mobilenet.build` as .tflite: int8 by what it does on pictures, float16 without any.

    Its batch is 1, so that nothing in the file computes a shape; none in it depends on the input's size, so that LiteRT
    can resize it.
    """
    import tensorflow as tf  # noqa: PLC0415 - as above

    from vestibule_models.networks import person_mobilenet  # noqa: PLC0415

    picture = tf.TensorSpec((1, *network.input_shape[1:]), tf.uint8, name="image")
    with tempfile.TemporaryDirectory() as folder:
        scored = person_mobilenet.with_scores(network)
        scored.export(folder, format="tf_saved_model", verbose=False, input_signature=[picture])
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if len(pictures):
            path.write_bytes(to_int8(converter, pictures, KEPT_IN_FLOATS))
            return
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        path.write_bytes(converter.convert())


def validate(folder: Path, data: Path, count: int, *, seed: int = 1) -> Figures:
    """Measure a model folder on frames composed of the photos and outlines of the validation split."""
    sources = load_sources(data, None, "val", np.random.default_rng(seed))
    size = FrameSize(height=_HEIGHT, width=_WIDTH, pad_value=SPEC.pad_value)
    photos = []
    for number in range(count):
        image, targets = compose(sources, size, np.random.default_rng([seed, number]))
        people, ignore = (targets[targets[:, 4] == kind, :4] for kind in (PERSON, IGNORE))
        photos.append(
            Photo(name=str(number), source="composed", image=image[..., ::-1].copy(), people=people, ignore=ignore)
        )
    return figures(compare(network_of(folder), photos))
