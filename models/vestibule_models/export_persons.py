"""Writes a trained person detector as a model folder, with the score threshold that composed frames suggest.

`--start-from MODEL` takes the weights out of a folder that was written before, so that what ships gains by a better
export.
"""

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vestibule_models.artifact import ArtifactError, DetectorManifest, describe_file, model_path, save_manifest
from vestibule_models.evaluate_persons import compare, load_detector, network_of
from vestibule_models.persons_compose import IGNORE, PERSON, FrameSize, compose
from vestibule_models.persons_metrics import Figures, figures
from vestibule_models.persons_sources import Photo, load_sources
from vestibule_models.persons_weights import read_weights
from vestibule_models.train_persons import CHECKPOINT, SPEC, averaged_weights

if TYPE_CHECKING:
    import keras

_HEIGHT, _WIDTH = 360, 640
"""Of the composed frames on which the threshold is chosen: those of a camera, not of the network."""
_UNKNOWN_THRESHOLD = 0.5


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
    parser.add_argument("--data", type=Path, help="folder of persons-v1 and garments-v1; needed with --checkpoint")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write; its name is the model's")
    parser.add_argument("--version", default="1.0.0", help="of the model, with --checkpoint (default %(default)s)")
    parser.add_argument("--height", type=int, default=SPEC.height, help="of the input, likewise (default %(default)s)")
    parser.add_argument("--width", type=int, default=SPEC.width, help="of the input, likewise (default %(default)s)")
    parser.add_argument(
        "--frames", type=int, default=400, help="composed to choose the threshold, likewise (default %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Write a checkpoint with the threshold that composed frames suggest, or a model anew.

    Raises:
        ArtifactError: there is nothing to choose the threshold on, or the model is no such detector.
    """
    if args.checkpoint and not args.data:
        raise ArtifactError("--checkpoint needs --data DIR: the threshold is chosen on frames composed of its photos")
    args.out.mkdir(parents=True, exist_ok=True)
    manifest = export_again(args.start_from, args.out) if args.start_from else export_checkpoint(args)
    (name, file), chosen = *manifest.files.items(), {"score_threshold": manifest.score_threshold}
    print(f"{args.out / name}: {file.bytes} bytes, {chosen | manifest.provenance}")  # noqa: T201 - a command's answer
    return 0


def export_again(source: Path, out: Path) -> DetectorManifest:
    """Write the weights of a model folder anew; of its manifest all stays that does not tell of the file.

    Raises:
        ArtifactError: the model is not one that this module wrote.
    """
    from vestibule_models.networks import person_mobilenet  # noqa: PLC0415 - TensorFlow is imported for an export only

    manifest = load_detector(source)
    network = person_mobilenet.build(manifest.input.height, manifest.input.width)
    network.set_weights(read_weights(model_path(source, manifest, ".tflite")))
    path = out / f"{out.name}.tflite"
    convert(network, path)
    changed = {"name": out.name, "files": {path.name: describe_file(path)}, "resizable": max(manifest.strides)}
    manifest = manifest.model_copy(update=changed)
    save_manifest(out, manifest)
    return manifest


def export_checkpoint(args: argparse.Namespace) -> DetectorManifest:
    """Write what a training has come to."""
    from vestibule_models.networks import person_mobilenet  # noqa: PLC0415 - as above

    network = person_mobilenet.build(args.height, args.width)
    step, weights = averaged_weights(args.checkpoint / CHECKPOINT, len(network.weights))
    network.set_weights(weights)
    path = args.out / f"{args.out.name}.tflite"
    convert(network, path)
    provenance: dict[str, str | int | float] = {"trained_steps": step, "card": "MODEL_CARD.md"}
    manifest = DetectorManifest(
        schema_version=1,
        name=args.out.name,
        version=args.version,
        kind="person-detector",
        input=SPEC.model_copy(update={"height": args.height, "width": args.width}),
        files={path.name: describe_file(path)},
        provenance=provenance,
        decoder="yolox",
        classes=1,
        person_class=0,
        score_threshold=_UNKNOWN_THRESHOLD,
        resizable=max(person_mobilenet.STRIDES),
    )
    save_manifest(args.out, manifest)
    found = validate(args.out, args.data, args.frames)
    lines = {"composed_frames": args.frames, "composed_ap50": round(found.ap50, 3)}
    lines["composed_recall_at_p90"] = round(found.recall_at_p90, 3)
    threshold = found.threshold_at_best_f1
    chosen = {
        "score_threshold": round(threshold, 3) if np.isfinite(threshold) else _UNKNOWN_THRESHOLD,
        "provenance": {**provenance, **lines},
    }
    manifest = manifest.model_copy(update=chosen)
    save_manifest(args.out, manifest)
    return manifest


def convert(network: "keras.Model", path: Path) -> None:
    """Write a network of `person_mobilenet.build` as .tflite with float16 weights.

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
