"""Print the ranked garments of photos, by the exported network on the CPU, beside what is known to be worn."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import MANIFEST, ZOO, ArtifactError, Thresholds, load_manifest
from vestibule_models.dataset import read_photos
from vestibule_models.folders import SPLITS, label_named
from vestibule_models.labels import LABELS
from vestibule_models.pictures import SUFFIXES, read_picture
from vestibule_models.predict_drawing import Ranked, annotate, worn_line


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `predict`."""
    parser.add_argument(
        "images", type=Path, nargs="+", metavar="IMAGE", help="a photo of one person, best cut to them; or a folder"
    )
    parser.add_argument("--model", type=Path, help="model folder (default: the classifier that ships)")
    parser.add_argument("--top", type=int, default=5, help="how many garments to print (%(default)s)")
    parser.add_argument("--annotate", type=Path, metavar="DIR", help="write the photos here with the garments beside")


def run(args: argparse.Namespace) -> int:
    """Print a line a photo: garments with their probability and how far they may be believed, and what is worn.

    Probabilities are those that the daemon would publish.

    What is worn is told by a `manifest.csv` beside the photo's folder, else by the name of a folder that holds it.

    Returns:
        0, or 1 if a photo could not be read; the others are answered all the same.

    Raises:
        ArtifactError: there is no photo, or the model cannot be used.
    """
    from vestibule_models.litert_runner import LiteRTRunner  # noqa: PLC0415 - the help needs no runtime

    if not 1 <= args.top <= len(LABELS):
        raise ArtifactError(f"--top {args.top}: give 1 to {len(LABELS)}")
    runner = LiteRTRunner(args.model or shipped_classifier())
    paths = find_photos(args.images)
    truth, failed = truth_of(paths), 0
    if args.annotate:
        args.annotate.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(paths):
        try:
            image = read_picture(path)
        except ArtifactError as error:
            failed += 1
            print(f"vestibule-models: {error}", file=sys.stderr)  # noqa: T201 - one line, and the others go on
            continue
        probs = runner.run_all([image]).probs[0].tolist()
        order = sorted(zip(LABELS, probs, strict=True), key=lambda pair: -pair[1])[: args.top]
        manifest = runner.manifest
        ranked = [
            Ranked(label=label, prob=manifest.published(label, prob), word=word(prob, manifest.thresholds[label]))
            for label, prob in order
        ]
        print(line(path, ranked, truth[path]), flush=True)  # noqa: T201 - the command's answer
        if args.annotate:
            _write(args.annotate / f"{number:04d}-{path.stem}.png", annotate(image, ranked, truth[path]))
    if failed:
        print(f"vestibule-models: {failed} of {len(paths)} photos could not be read", file=sys.stderr)  # noqa: T201
    return 1 if failed else 0


def shipped_classifier() -> Path:
    """Return the model folder of the zoo that holds a garment classifier; the last by name if there are several.

    Raises:
        ArtifactError: there is none.
    """
    folders = sorted(path.parent for path in ZOO.glob(f"*/{MANIFEST}"))
    classifiers = [folder for folder in folders if load_manifest(folder).kind == "garment-classifier"]
    if not classifiers:
        raise ArtifactError(f"{ZOO} holds no garment classifier; name a model folder with --model")
    return classifiers[-1]


def find_photos(arguments: Sequence[Path]) -> list[Path]:
    """Return the photos named, and those in the folders named, in order and each once; a missing file stays.

    Raises:
        ArtifactError: a folder without a photo.
    """
    found: dict[Path, None] = {}
    for path in arguments:
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if path.is_dir() and not inside:
            raise ArtifactError(f"folder {path} holds no photo; known endings: {', '.join(sorted(SUFFIXES))}")
        found |= dict.fromkeys(inside if path.is_dir() else [path])
    return list(found)


def truth_of(paths: Sequence[Path]) -> dict[Path, dict[str, bool]]:
    """Return for each photo which garments are known to be worn, or not to be; nothing where nothing tells."""
    manifests: dict[Path, dict[Path, dict[str, bool]]] = {}
    for path in paths:
        folder = path.resolve().parent
        if folder not in manifests and folder.name == "photos" and (folder.parent / "manifest.csv").is_file():
            manifests[folder] = {
                example.path.resolve(): {
                    str(label): bool(example.targets[i]) for i, label in enumerate(LABELS) if example.known[i]
                }
                for example in read_photos(folder.parent)
            }
    return {
        path: manifests.get(path.resolve().parent, {}).get(path.resolve(), _truth_by_folder(path.resolve()))
        for path in paths
    }


def _truth_by_folder(path: Path) -> dict[str, bool]:
    """Look at the folder's name and, where a class folder holds folders (of a product, a person), at the one above."""
    for folder in path.parents[:2]:
        if label := label_named(folder.name):
            return {str(each): each == label for each in LABELS}
        if folder.name.lower() in SPLITS:
            break
    return {}


def line(path: Path, ranked: Sequence[Ranked], truth: Mapping[str, bool]) -> str:
    """Return what is printed of one photo."""
    told = ", ".join(f"{each.label} {each.prob:.2f}{f' {each.word}' if each.word else ''}" for each in ranked)
    return f"{path}: {told}" + (f"; {worn_line(truth)}" if truth else "")


def word(prob: float, thresholds: Thresholds) -> str:
    """Return "certain", "likely" or nothing."""
    if thresholds.certain is not None and prob >= thresholds.certain:
        return "certain"
    if thresholds.likely is not None and prob >= thresholds.likely:
        return "likely"
    return ""


def _write(path: Path, image: NDArray[np.uint8]) -> None:
    if not cv2.imwrite(str(path), image[..., ::-1]):
        raise OSError(f"cannot write {path}; is the disk full?")
