"""Print the ranked garments of photos, by the exported network on the CPU."""

import argparse
from pathlib import Path

from vestibule_models.artifact import ZOO, Thresholds
from vestibule_models.dataset import read_image


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `predict`."""
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="a photo of one person, best cut to them")
    parser.add_argument("--model", type=Path, default=ZOO / "garments-efflite0", help="model folder")
    parser.add_argument("--top", type=int, default=5, help="how many garments to print (5)")


def run(args: argparse.Namespace) -> int:
    """Print a line a photo: its name, then garments with their probability and how far they may be believed."""
    from vestibule_models.litert_runner import LiteRTRunner  # noqa: PLC0415 - the help needs no runtime

    images = [read_image(path)[:, :, :3] for path in args.images]
    runner = LiteRTRunner(args.model)
    for path, probs in zip(args.images, runner.run_all(images).probs, strict=True):
        ranked = sorted(zip(runner.manifest.labels, probs.tolist(), strict=True), key=lambda pair: -pair[1])
        words = [
            f"{label} {prob:.2f}{word(prob, runner.manifest.thresholds[label])}" for label, prob in ranked[: args.top]
        ]
        print(f"{path}: {', '.join(words)}")  # noqa: T201 - the command's answer
    return 0


def word(prob: float, thresholds: Thresholds) -> str:
    """Return " certain", " likely" or nothing."""
    if thresholds.certain is not None and prob >= thresholds.certain:
        return " certain"
    if thresholds.likely is not None and prob >= thresholds.likely:
        return " likely"
    return ""
