"""Size, speed and accuracy of a garment classifier in each format that it can be exported to.

    python benchmarks/formats.py [--data DIR] [--model MODEL] [--threads N] [--json FILE]

DIR holds garments-v1 (or the environment variable VESTIBULE_DATA does): its street photos of split train calibrate int8
and compare the formats (half each), those of split test give the mean AP. Prints a Markdown table. Speeds are the best
of three rounds of 2 s each; SavedModel and ONNX choose their threads by themselves.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np

from vestibule_models.artifact import GarmentManifest, load_manifest, model_folder
from vestibule_models.calibration import mean_average_precision
from vestibule_models.dataset import STREET, Example, read_photos
from vestibule_models.export_formats import Format, load_keras, runner_of, write
from vestibule_models.formats_compare import Crops, batches
from vestibule_models.labels import LABELS
from vestibule_models.letterbox import letterbox
from vestibule_models.litert_runner import Answers
from vestibule_models.pictures import read_picture

MIN_POSITIVES = 10
CALIBRATING = 200
BATCHES = (1, 8, 16)
ROUNDS, ROUND_S = 3, 2.0


def main() -> int:
    """Write every format into a temporary folder, measure it, print a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("VESTIBULE_DATA"))
    parser.add_argument("--model", default="garments-efflite0", help="model folder or the name of a shipped model")
    parser.add_argument("--threads", type=int, default=2, help="of LiteRT (2)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    if args.data is None:
        print("no photos: name their folder with --data or VESTIBULE_DATA")
        return 0
    source = model_folder(args.model)
    manifest = load_manifest(source)
    if not isinstance(manifest, GarmentManifest):
        sys.exit(f"{source} is a {manifest.kind}")
    photos = [e for e in read_photos(Path(args.data) / "garments-v1") if e.source == STREET]
    train = [e for e in photos if e.split == "train"]
    chosen = read(random.Random(1).sample(train, min(2 * CALIBRATING, len(train))), manifest)  # noqa: S311 - no secret
    test = [e for e in photos if e.split == "test"]
    crops, model = read(test, manifest), load_keras(source, manifest)
    print(f"{manifest.name}@{manifest.version}, {args.threads} threads, {len(test)} test photos\n")
    print(f"| format | MB | crops/s at {' / '.join(map(str, BATCHES))} | probs max, mean | embedding max, mean | AP |")
    print("|---|---|---|---|---|---|")
    figures: dict[str, dict[str, Any]] = {}
    for wanted in get_args(Format):
        with tempfile.TemporaryDirectory() as place:
            found = asdict(write(model, manifest, wanted, Path(place), chosen[::2], chosen[1::2]))
            variant = load_manifest(Path(place))
            run = runner_of(Path(place), manifest, wanted, threads=args.threads)
            ap = accuracy(run, test, crops)
            row = {"bytes": sum(file.bytes for file in variant.files.values()), **found, "mean_ap": ap}
            row["crops_per_s"] = [speed(run, crops[:size]) for size in BATCHES]
        figures[wanted] = row
        cells = [f"{row['bytes'] / 1e6:.1f}", " / ".join(f"{one:.0f}" for one in row["crops_per_s"])]
        cells += [f"{row[f'{what}_max']:.1g}, {row[f'{what}_mean']:.1g}" for what in ("probs", "embedding")]
        print(f"| {wanted} | {' | '.join(cells)} | {ap:.4f} |", flush=True)
    if args.json:
        args.json.write_text(json.dumps({"model": source.name, "formats": figures}, indent=1) + "\n", encoding="utf-8")
    return 0


def read(examples: list[Example], manifest: GarmentManifest) -> Crops:
    """Return the photos as the network is fed, uint8 (N, height, width, 3)."""
    return np.stack([letterbox(read_picture(example.path), manifest.input)[0] for example in examples])


def accuracy(run: Callable[[Crops], Answers], examples: list[Example], crops: Crops) -> float:
    """Return the mean AP over the categories with positives enough."""
    probs = np.concatenate([run(part).probs for part in batches(crops)])
    targets, known = (np.stack([getattr(e, what) for e in examples]) for what in ("targets", "known"))
    columns = [i for i in range(len(LABELS)) if (targets * known)[:, i].sum() >= MIN_POSITIVES]
    return mean_average_precision(targets, probs, known, columns)


def speed(run: Callable[[Crops], Answers], crops: Crops) -> float:
    """Return crops a second in the best of the rounds."""
    run(crops)
    rates = []
    for _ in range(ROUNDS):
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < ROUND_S:
            run(crops)
            count += len(crops)
        rates.append(count / (time.perf_counter() - start))
    return max(rates)


if __name__ == "__main__":
    sys.exit(main())
