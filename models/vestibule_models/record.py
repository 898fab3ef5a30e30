"""Record an exported garment classifier as if it were a training run, so that `compare` shows it beside the others."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from vestibule_models import records
from vestibule_models.artifact import ArtifactError, model_path
from vestibule_models.folders import read_examples
from vestibule_models.labels import LABELS
from vestibule_models.pictures import find_unreadable, read_picture


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("model", type=Path, help="model folder with manifest.json")
    parser.add_argument("--data", type=Path, required=True, help="manifest.csv and photos/, or a folder per class")
    parser.add_argument("--out", type=Path, required=True, help="folder for run.json")
    parser.add_argument("--method", default="shipped", help="its name in tables (%(default)s)")
    parser.add_argument("--network", help="its network's name in the figures of `timing` (the manifest's name)")
    parser.add_argument("--trained-on", action="append", default=[], metavar="SOURCE", help="repeat for each source")
    parser.add_argument("--train-photos", type=int, help="how many photos it learnt from")
    parser.add_argument("--epochs", type=int, help="how long it learnt")


def run(args: argparse.Namespace) -> int:
    """Measure the model on the test photos of each source and write the record."""
    from vestibule_models.litert_runner import LiteRTRunner  # noqa: PLC0415 - the help needs no runtime

    runner = LiteRTRunner(args.model)
    examples = [example for example in read_examples(args.data) if example.split == "test"]
    unreadable = find_unreadable([example.path for example in examples])
    bad = {skipped.path for skipped in unreadable}
    examples = [example for example in examples if example.path not in bad]
    if not examples:
        raise ArtifactError(f"{args.data} has no photos of split test")
    test: dict[str, Any] = {}
    for source in sorted({example.source for example in examples}):
        chosen = [example for example in examples if example.source == source]
        probs = runner.run_all([read_picture(example.path) for example in chosen]).probs
        targets = np.stack([np.where(example.known > 0, example.targets, -1) for example in chosen])
        test[source] = records.measure(targets, probs, list(map(str, LABELS)))
    records.write(args.out, _record(args, runner.manifest, test, len(examples), len(unreadable)))
    return 0


def _record(args: argparse.Namespace, manifest: Any, test: dict[str, Any], photos: int, skipped: int) -> dict[str, Any]:  # noqa: ANN401 - any manifest of a classifier
    import keras  # noqa: PLC0415 - TensorFlow is paid for only here, to count

    network = keras.models.load_model(model_path(args.model, manifest, ".keras"), compile=False)
    return {
        "schema_version": records.SCHEMA_VERSION,
        "method": args.method,
        "network": args.network or manifest.name,
        "parameters": network.count_params(),
        "trained_parameters": network.count_params(),
        "bytes_float32": 4 * network.count_params(),
        "input": [manifest.input.height, manifest.input.width, 3],
        "labels": list(map(str, LABELS)),
        "data": {
            "name": args.data.resolve().name,
            "train": args.train_photos,
            "train_sources": dict.fromkeys(args.trained_on),
            "test": photos,
            "unlabelled": 0,
            "skipped": skipped,
        },
        "options": {},
        "seed": None,
        "epochs": args.epochs,
        "seconds": None,
        "machine": records.machine(),
        "history": [],
        "test": test,
    }
