"""By how much do 200 corrected photos of a store help the shipped classifier?

    python benchmarks/corrected_photos.py [--data DIR] [--model MODEL] [--json FILE]

DIR holds garments-v1 (or the environment variable VESTIBULE_DATA does). Only photos of its test split are used: the
shipped classifiers learnt from train and val of the same sources, so no photo here was seen, but only the last two
"stores" differ from what was learnt. Prints a Markdown table; nothing is written but FILE.

Stores:
- `street`: the street photos (`ccp`) as they are. Weakly held back: 1,676 others of the source were learnt from.
- `catalogue`: the worn catalogue pictures (`myntra-small`). Weakly held back likewise.
- `camera`: the street photos as one imagined camera sees them (see `store_camera`): without colour, from high up, 45
  pixels tall, little contrast, noise. No photo was seen that way, and the training does not vary colour that far.
- `habits`: the street photos as they are, labelled by a store with other habits: what garments-v1 calls Jacket it calls
  Blazer too, and it has no Jacket. The gain is that the network learns how this store uses the words.

The last two are made up, and say so: no source of labelled people in a shop is at hand. Of the first two, one is truly
held back for a network that was trained without it: `--model` takes such a one. How long and how fast to fine-tune was
chosen on flat-lay photos (`clothing-dataset`), which are not used here.

How it counts: photos are split into folds by group. For each fold the classifier is fine-tuned (`finetune`) on the
other folds, of which a sixth judges when to stop and whether anything was gained (else the shipped network stays), and
answers for the fold. So every photo is answered for by a network that did not learn from it, as by the shipped one.
Mean AP is over the categories with at least 10 positives and says how well photos are ranked; the loss (binary
cross-entropy per known label) also says how far probabilities, and so thresholds, can be believed. 95 % intervals of
the changes are from photos drawn anew with replacement, both networks on the same ones (Efron and Tibshirani 1993). The
last figures: in how many folds the network was tuned, and in how many its loss on the photos it never saw fell.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from vestibule_models import finetune_tail
from vestibule_models.artifact import GarmentManifest, load_manifest, model_folder, model_path
from vestibule_models.calibration import Interval, mean_average_precision
from vestibule_models.dataset import Example, assign_folds, read_photos
from vestibule_models.labels import LABELS, GarmentLabel
from vestibule_models.pictures import read_picture

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]

CORRECTED = 200
MIN_POSITIVES = 10
MAX_FOLDS = 5
ROUNDS = 1000


@dataclass(frozen=True, kw_only=True)
class Store:
    """A source of photos.

    Attributes:
        name: in the table.
        source: in the manifest.
        change: what its camera does, None for nothing.
        habits: which category it calls by another's name.
    """

    name: str
    source: str
    change: Callable[[Image], Image] | None = None
    habits: tuple[tuple[GarmentLabel, GarmentLabel], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Fold:
    """What became of one fold.

    Attributes:
        photos: corrected photos, those that judge included.
        epochs: that were learnt, 0 where nothing was gained and the shipped network stayed.
        gain: how much lower the loss of the fold's own photos is, which nobody learnt from.
    """

    photos: int
    epochs: int
    gain: float


def store_camera(image: Image) -> Image:
    """Return a photo as one store's camera might see it; the same on every call."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (max(8, round(width * 64 / height)), 45), interpolation=cv2.INTER_AREA)
    grey = 90 + (cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32) - 128) * 0.5
    seen = cv2.GaussianBlur(grey, (0, 0), 0.6) + np.random.default_rng(0).normal(0, 4, grey.shape)
    return np.asarray(np.repeat(np.clip(seen, 0, 255).astype(np.uint8)[:, :, np.newaxis], 3, axis=2), np.uint8)


STORES = (
    Store(name="street", source="ccp"),
    Store(name="catalogue", source="myntra-small"),
    Store(name="camera", source="ccp", change=store_camera),
    Store(name="habits", source="ccp", habits=((GarmentLabel.JACKET, GarmentLabel.BLAZER),)),
)


def main() -> int:
    """Measure every store and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("VESTIBULE_DATA"))
    parser.add_argument("--model", default="garments-efflite0", help="model folder or the name of a shipped model")
    parser.add_argument("--seeds", type=int, default=3, help="repeat with so many divisions into folds (3)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    if args.data is None:
        print("no photos: name their folder with --data or VESTIBULE_DATA")
        return 0
    folder = model_folder(args.model)
    manifest = load_manifest(folder)
    if not isinstance(manifest, GarmentManifest):
        sys.exit(f"{folder} is a {manifest.kind}")
    photos = [e for e in read_photos(Path(args.data) / "garments-v1") if e.split == "test"]
    print(f"{manifest.name}@{manifest.version}, {args.seeds} divisions into folds\n")
    print("| store | photos | corrected | mean AP | change | loss | change | folds tuned, better | categories |")
    print("|---|---|---|---|---|---|---|---|---|")
    figures = {}
    for store in STORES:
        figures[store.name] = figure = measure(folder, manifest, store, photos, args.seeds)
        cells = [figure["photos"], figure["corrected"], *show(figure["mean_ap"]), *show(figure["loss"])]
        cells += [f"{figure['tuned']} of {figure['folds']}, {figure['better']}", ", ".join(figure["counted"])]
        print(f"| {store.name} | {' | '.join(map(str, cells))} |", flush=True)
    if args.json:
        args.json.write_text(json.dumps({"model": folder.name, "stores": figures}, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(
    folder: Path, manifest: GarmentManifest, store: Store, photos: Sequence[Example], seeds: int
) -> dict[str, Any]:
    """Return one store's figures as plain values."""
    with tempfile.TemporaryDirectory() as place:
        examples = [seen_by(store, e, Path(place)) for e in photos if e.source == store.source]
        model = keras.models.load_model(model_path(folder, manifest, ".keras"), compile=False)
        body, tail = finetune_tail.split(model)
        part = finetune_tail.read_part(body, manifest.input, examples, views=finetune_tail.MAX_VIEWS, seed=0)
    before, folds, after = finetune_tail.answer(tail, part), [], []
    for seed in range(1, seeds + 1):
        answers, found = out_of_fold(tail, part, examples, seed)
        after.append(answers)
        folds += found
    positives = (part.targets * part.known).sum(axis=0)
    columns = [i for i in range(len(LABELS)) if positives[i] >= MIN_POSITIVES]

    def ap(probs: Floats, rows: NDArray[np.int64]) -> float:
        return mean_average_precision(part.targets[rows], probs[rows], part.known[rows], columns)

    def loss(probs: Floats, rows: NDArray[np.int64]) -> float:
        return float(finetune_tail.losses_of(probs[rows], part.take(rows)).mean())

    return {
        "photos": len(examples),
        "corrected": round(float(np.mean([fold.photos for fold in folds]))),
        "counted": [str(LABELS[i]) for i in columns],
        "mean_ap": compare(ap, before, after),
        "loss": compare(loss, before, after),
        "tuned": sum(fold.epochs > 0 for fold in folds),
        "better": sum(fold.gain > 0 for fold in folds),
        "folds": len(folds),
    }


def compare(
    score: Callable[[Floats, NDArray[np.int64]], float], before: Floats, after: Sequence[Floats]
) -> dict[str, Any]:
    """Return a score of the photos before, after (the mean of the divisions) and the change with its interval."""
    rng = np.random.default_rng(0)

    def change(rows: NDArray[np.int64]) -> float:
        return float(np.mean([score(one, rows) for one in after])) - score(before, rows)

    everything = np.arange(len(before))
    drawn = [change(rng.integers(0, len(before), len(before))) for _ in range(ROUNDS)]
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    interval = Interval(value=change(everything), low=float(low), high=float(high))
    start = score(before, everything)
    return {"before": start, "after": start + interval.value, "change": asdict(interval)}


def out_of_fold(
    tail: keras.Model, part: finetune_tail.Part, examples: Sequence[Example], seed: int
) -> tuple[Floats, list[Fold]]:
    """Return the answers (N, 15) of networks that did not learn from each photo; the tail is left as it was."""
    wanted = round(len(examples) / max(1, len(examples) - CORRECTED)) if len(examples) > CORRECTED else MAX_FOLDS
    fold_of = assign_folds(examples, min(max(wanted, 2), MAX_FOLDS), seed)
    judges = assign_folds(examples, 6, seed + 100) == 0  # of the photos that are not in the fold, a sixth
    start, folds, answers = tail.get_weights(), [], np.zeros_like(part.targets)
    for number in range(int(fold_of.max()) + 1):
        outside = fold_of != number
        train, val, rest = (np.flatnonzero(rows) for rows in (outside & ~judges, outside & judges, ~outside))
        untouched = finetune_tail.photo_losses(tail, part.take(rest)).mean()
        epochs, _ = finetune_tail.fit(
            tail, part.take(train), part.take(val), epochs=30, seed=seed, report=lambda *_: None
        )
        answers[rest] = finetune_tail.answer(tail, part.take(rest))
        gain = untouched - finetune_tail.photo_losses(tail, part.take(rest)).mean()
        folds.append(Fold(photos=int(outside.sum()), epochs=epochs, gain=float(gain)))
        tail.set_weights(start)
    return answers, folds


def seen_by(store: Store, example: Example, place: Path) -> Example:
    """Return the example as the store sees and labels it; a changed picture is put into `place`."""
    targets, known = example.targets.copy(), example.known.copy()
    for called, name in store.habits:
        old, new = LABELS.index(called), LABELS.index(name)
        targets[new] = max(targets[new], targets[old])
        known[new] = targets[new] or (known[new] and known[old])
        targets[old], known[old] = 0, 1
    path = example.path
    if store.change is not None:
        path = place / f"{path.stem}.png"
        cv2.imwrite(str(path), store.change(read_picture(example.path))[:, :, ::-1])
    return replace(example, path=path, targets=targets, known=known)


def show(figure: dict[str, Any]) -> list[str]:
    """Return the cells of a score: before and after, and the change with its interval."""
    change = figure["change"]
    return [
        f"{figure['before']:.3f} to {figure['after']:.3f}",
        f"{change['value']:+.3f} ({change['low']:+.3f} to {change['high']:+.3f})",
    ]


if __name__ == "__main__":
    sys.exit(main())
