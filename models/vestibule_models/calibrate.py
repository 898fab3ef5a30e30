"""Calibrate the scores that a garment classifier publishes, on photos that it has not learnt from.

Fits two numbers for the categories and two for the groups, of those that are ever told (which have a `likely`
threshold), and prints how far scores could be believed before and after. What is ranked, told and alerted on stays the
same: thresholds go through the same map. `--write` puts the numbers into the model's manifest.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from vestibule_models.artifact import ArtifactError, save_manifest
from vestibule_models.dataset import STREET
from vestibule_models.evaluate_garments import answer, choose
from vestibule_models.folders import read_examples
from vestibule_models.litert_runner import LiteRTRunner
from vestibule_models.reliability import Calibration
from vestibule_models.score_maps import CrossFit, cross_fit, told_columns


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `calibrate`."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="model folder of a garment classifier")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with manifest.csv and photos/, or with a folder per class"
    )
    parser.add_argument("--split", choices=("train", "val", "test"), default="test", help="of the photos (%(default)s)")
    parser.add_argument("--source", help=f"of the photos (default: {STREET} where there are such, else all)")
    parser.add_argument("--write", action="store_true", help="put the numbers into the model's manifest.json")


def run(args: argparse.Namespace) -> int:
    """Fit, print what it brings on photos not fitted on, and write where that is asked for.

    Raises:
        ArtifactError: no garment classifier, too few photos, or scores that cannot be calibrated.
    """
    runner = LiteRTRunner(args.model, threads=2)
    manifest = runner.manifest
    chosen = choose(read_examples(args.data), args.split, args.data)
    there = sorted({example.source for example in chosen})
    source = args.source or (STREET if STREET in there else None)
    if source is not None and source not in there:
        raise ArtifactError(f"{args.data} has no photo of source {source!r}, only of {', '.join(there)}")
    answered = answer(runner, [example for example in chosen if source in {None, example.source}])
    for skipped in answered.skipped:
        print(f"vestibule-models: skipped {skipped.reason}", file=sys.stderr)  # noqa: T201 - a line a photo
    plain, groups = told_columns(
        np.array([example.targets for example in answered.examples]),
        np.array([example.known for example in answered.examples]),
        answered.probs,
        manifest.thresholds,
        manifest.group_thresholds,
    )
    found = {"categories": cross_fit(plain, answered.examples)}
    if groups.scores.shape[1]:
        found["groups"] = cross_fit(groups, answered.examples)
    where = f"{len(answered.examples)} photos of {args.data.resolve().name}, split {args.split}"
    print(f"{manifest.name}, version {manifest.version}, on {where}.\n\n{tables(found)}")  # noqa: T201 - the answer
    if args.write:
        maps = {"score_map": found["categories"].fitted}
        if "groups" in found:
            maps["group_score_map"] = found["groups"].fitted
        provenance = {**manifest.provenance, "score_maps": f"fitted on {where}"}
        save_manifest(args.model, manifest.model_copy(update={**maps, "provenance": provenance}))
    return 0


def tables(found: dict[str, CrossFit]) -> str:
    """Return as Markdown what was fitted, the errors, and the bins before and after."""
    lines = ["| scores of | answers | slope, intercept | calibration error before | after, on the other half |"]
    lines.append("|---|---|---|---|---|")
    for name, each in found.items():
        before, after, spread = each.before, each.after, each.errors
        lines.append(
            f"| {name} | {each.answers} | {each.fitted.slope:.3f}, {each.fitted.intercept:+.3f} "
            f"| {before.expected_calibration_error:.3f} "
            f"| {after.expected_calibration_error:.3f} ({spread[0]:.3f}-{spread[-1]:.3f}) |"
        )
    lines += ["", f"After: fitted on one half, measured on the other, by group; median of {len(spread)} divisions."]
    for name, each in found.items():
        lines += ["", f"Of the {name}, before and (median division) after:", "", *_bins(each.before, each.after)]
    return "\n".join(lines)


def _bins(before: Calibration, after: Calibration) -> list[str]:
    lines = ["| answers | mean score | worn | answers | mean probability | worn |", "|---|---|---|---|---|---|"]
    for number in range(max(len(before.bins), len(after.bins))):
        cells = []
        for bins in (before.bins, after.bins):
            one = bins[number] if number < len(bins) else None
            cells.append(f"{one.answers} | {one.mean_score:.2f} | {one.share_true:.2f}" if one else " | | ")
        lines.append(f"| {cells[0]} | {cells[1]} |")
    return lines
