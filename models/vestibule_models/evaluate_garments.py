"""Measure an exported garment classifier on photos that it has not learnt from."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError, Thresholds
from vestibule_models.calibration import average_precision, bootstrap_map, wilson
from vestibule_models.dataset import STREET, Example, read_image, read_photos, read_sprites
from vestibule_models.evaluate_reid import measure_reid, read_rendered
from vestibule_models.labels import LABELS
from vestibule_models.litert_runner import LiteRTRunner

MIN_TEST_POSITIVES = 10
"""Categories with fewer positives among the street photos of the split do not count in the mean."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `evaluate garments`."""
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv and photos/")
    parser.add_argument("--model", type=Path, required=True, help="model folder")
    parser.add_argument("--split", default="test", choices=("train", "val", "test"))
    parser.add_argument("--clip", type=Path, action="append", default=[], help="with NAME.truth.json beside it")
    parser.add_argument("--sprites", type=Path, help="rendered people; those of split `demo` are read")
    parser.add_argument("--avatars", type=Path, help="garments.csv of the rendered people; needed with --sprites")
    parser.add_argument("--json", type=Path, help="write the figures here too")


def run(args: argparse.Namespace) -> int:
    """Print tables of a figure a source and a figure a category, in Markdown."""
    runner = LiteRTRunner(args.model)
    examples = [example for example in read_photos(args.data) if example.split == args.split]
    if not any(example.source == STREET for example in examples):
        raise ArtifactError(f"{args.data} has no {STREET!r} photos of split {args.split!r}")
    figures: dict[str, Any] = {}
    for source in sorted({example.source for example in examples}):
        chosen = [example for example in examples if example.source == source]
        probs = runner.run_all([read_image(example.path) for example in chosen]).probs
        figures[source] = measure(chosen, probs, runner.manifest.thresholds)
        print(table(source, figures[source]), flush=True)  # noqa: T201 - the command's answer
    for clip in args.clip:
        figures[clip.name] = measure_reid(runner, clip)
        print(clip.name, json.dumps(figures[clip.name]), flush=True)  # noqa: T201
    if args.sprites and args.avatars:
        demo = [example for example in read_sprites(args.sprites, args.avatars) if example.split == "demo"]
        figures["rendered"] = read_rendered(runner, demo)
        print("rendered", json.dumps(figures["rendered"], indent=1))  # noqa: T201
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(
    examples: Sequence[Example], probs: NDArray[np.float32], thresholds: dict[Any, Thresholds]
) -> dict[str, Any]:
    """Return the figures of one source's photos as plain values.

    Args:
        examples: N photos.
        probs: float32 (N, 15).
        thresholds: of each category.
    """
    targets = np.stack([example.targets for example in examples])
    known = np.stack([example.known for example in examples])
    categories = {
        str(label): _category(targets[:, i], probs[:, i], known[:, i] > 0, thresholds[label])
        for i, label in enumerate(LABELS)
    }
    counted = [i for i, label in enumerate(LABELS) if categories[label]["positives"] >= MIN_TEST_POSITIVES]
    first = probs.argmax(axis=1)
    rows = np.arange(len(first))
    decided = (known[rows, first] > 0) & (targets.sum(axis=1) > 0)
    return {
        "photos": len(examples),
        "counted": [str(LABELS[i]) for i in counted],
        "mean_ap": asdict(bootstrap_map(targets, probs, known, counted)) if counted else None,
        "top1": asdict(wilson(int(targets[rows, first][decided].sum()), int(decided.sum()))),
        "categories": categories,
    }


def table(source: str, figure: dict[str, Any]) -> str:
    """Return the figures of one source in Markdown."""
    top1 = figure["top1"]
    lines = [f"### {source}: {figure['photos']} photos", "", f"Best garment right: {_interval(top1)}."]
    if figure["mean_ap"]:
        lines += ["", f"Mean AP of {', '.join(figure['counted'])}: {_interval(figure['mean_ap'])}."]
    lines += [
        "",
        "| category | positives | AP | precision, likely | recall, likely | precision, certain | recall, certain |",
    ]
    lines += ["|---|---|---|---|---|---|---|"]
    for label, row in figure["categories"].items():
        if row["positives"]:
            cells = [_interval(row[key]) for key in ("likely_precision", "likely_recall")]
            cells += [_interval(row[key]) for key in ("certain_precision", "certain_recall")]
            lines.append(f"| {label} | {row['positives']} | {_interval(row['ap'])} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _category(
    targets: NDArray[np.float32], scores: NDArray[np.float32], known: NDArray[np.bool_], thresholds: Thresholds
) -> dict[str, Any]:
    targets, scores = targets[known], scores[known]
    row: dict[str, Any] = {"positives": int(targets.sum()), "known": int(known.sum()), "ap": None}
    if row["positives"]:
        everything = np.ones((len(targets), 1))
        row["ap"] = asdict(bootstrap_map(targets[:, None], scores[:, None], everything, [0]))
        row["ap"]["value"] = average_precision(targets, scores)
    for word, least in (("likely", thresholds.likely), ("certain", thresholds.certain)):
        told = scores >= least if least is not None else np.zeros(len(scores), bool)
        right = int(targets[told].sum())
        row[f"{word}_precision"] = asdict(wilson(right, int(told.sum()))) if told.any() else None
        row[f"{word}_recall"] = (
            asdict(wilson(right, row["positives"])) if least is not None and row["positives"] else None
        )
    return row


def _interval(figure: dict[str, float] | None) -> str:
    return f"{figure['value']:.2f} ({figure['low']:.2f}-{figure['high']:.2f})" if figure else "-"
