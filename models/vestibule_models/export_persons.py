"""Writes a trained person detector as a model folder, with the score threshold that composed frames suggest."""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from vestibule_models.artifact import DetectorManifest, InputSpec, describe_file, save_manifest
from vestibule_models.evaluate_persons import compare, network_of
from vestibule_models.persons_compose import IGNORE, PERSON, FrameSize, compose
from vestibule_models.persons_metrics import Figures, figures
from vestibule_models.persons_sources import Photo, load_sources
from vestibule_models.train_persons import CHECKPOINT, SPEC, averaged_weights

_HEIGHT, _WIDTH = 360, 640
"""Of the composed frames on which the threshold is chosen: those of a camera, not of the network."""
_UNKNOWN_THRESHOLD = 0.5


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vestibule-models export persons`."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder that training wrote")
    parser.add_argument("--data", type=Path, required=True, help="folder of persons-v1 and garments-v1")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write; its name is the model's")
    parser.add_argument("--version", default="1.0.0", help="of the model (default %(default)s)")
    parser.add_argument("--height", type=int, default=SPEC.height, help="of the input (default %(default)s)")
    parser.add_argument("--width", type=int, default=SPEC.width, help="of the input (default %(default)s)")
    parser.add_argument(
        "--frames", type=int, default=400, help="composed to choose the threshold (default %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Convert, choose the threshold, write the manifest."""
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"{args.out.name}.tflite"
    step = convert(args.checkpoint / CHECKPOINT, path, args.height, args.width)
    spec = InputSpec.model_validate({**SPEC.model_dump(), "height": args.height, "width": args.width})
    provenance: dict[str, str | int | float] = {"trained_steps": step, "card": "MODEL_CARD.md"}
    manifest = DetectorManifest(
        schema_version=1,
        name=args.out.name,
        version=args.version,
        kind="person-detector",
        input=spec,
        files={path.name: describe_file(path)},
        provenance=provenance,
        decoder="yolox",
        classes=1,
        person_class=0,
        score_threshold=_UNKNOWN_THRESHOLD,
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
    save_manifest(args.out, DetectorManifest.model_validate({**manifest.model_dump(), **chosen}))
    print(f"{path}: {path.stat().st_size} bytes, {chosen}")  # noqa: T201 - a command's answer
    return 0


def convert(checkpoint: Path, path: Path, height: int, width: int) -> int:
    """Write the averaged weights as .tflite with float16 weights; return the training step they are of."""
    import tensorflow as tf  # noqa: PLC0415 - TensorFlow is imported only where a network is exported

    from vestibule_models.networks import person_mobilenet  # noqa: PLC0415

    network = person_mobilenet.build(height, width)
    step, weights = averaged_weights(checkpoint, len(network.variables))
    for variable, array in zip(network.variables, weights, strict=True):
        variable.assign(array)
    with tempfile.TemporaryDirectory() as folder:
        person_mobilenet.with_scores(network).export(folder, format="tf_saved_model", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        path.write_bytes(converter.convert())
    return step


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
