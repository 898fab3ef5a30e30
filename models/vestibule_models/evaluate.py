"""Measure a model on pictures that it has not learnt from; the manifest says whether it tells garments or finds people.

Prints tables in Markdown, and writes the figures as JSON and as a page with plots where that is asked for.
"""

import argparse
import importlib.util
import json
from pathlib import Path

from vestibule_models.artifact import ArtifactError, GarmentManifest, load_manifest

_REPORTS = {"matplotlib": "matplotlib", "markdown-it-py": "markdown_it"}
"""What a page is made with: distribution -> module."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `evaluate`."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="model folder, with manifest.json")
    parser.add_argument(
        "--data",
        type=Path,
        help="garments: folder with manifest.csv and photos/, or with a folder per class; "
        "persons: folder of persons-v1 and clips, or with photos.csv and boxes.csv",
    )
    parser.add_argument("--split", choices=("train", "val", "test"), help="of the photos (default: all of them)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with plots and the worst mistakes here")
    parser.add_argument("--markdown", action="store_true", help="print everything that a model card holds")
    parser.add_argument("--sprites", type=Path, metavar="DIR", help="rendered people, with index.csv")
    parser.add_argument("--avatars", type=Path, metavar="DIR", help="folder with garments.csv; needed with --sprites")
    parser.add_argument("--seed", type=int, default=0, help="of intervals and tests (default %(default)s)")
    garments = parser.add_argument_group("garments")
    garments.add_argument("--threads", type=int, default=2, help="of the CPU (default %(default)s)")
    garments.add_argument(
        "--clip", type=Path, action="append", default=[], metavar="FILE", help="with NAME.truth.json: re-identification"
    )
    persons = parser.add_argument_group("persons")
    persons.add_argument(
        "--against", type=Path, action="append", default=[], metavar="DIR", help="another detector's model folder"
    )
    persons.add_argument(
        "--rooms", type=int, default=1, help="drawn for each view of rendered people (default %(default)s)"
    )
    persons.add_argument(
        "--input-size",
        type=size_wh,
        metavar="WxH",
        help="what pictures are fitted into, pixels, where the model can be resized (default: the model's own)",
    )
    persons.add_argument("--no-hog", action="store_true", help="leave OpenCV's HOG detector out")


def run(args: argparse.Namespace) -> int:
    """Measure, print, write.

    Raises:
        ArtifactError: arguments that do not go together, or a model or data that cannot be used.
    """
    _check(args)
    if isinstance(load_manifest(args.model), GarmentManifest):
        from vestibule_models import evaluate_garments, garment_page, garment_tables  # noqa: PLC0415 - no OpenCV yet

        garments = evaluate_garments.evaluate(args)
        text = garment_tables.card(garments) if args.markdown else garment_tables.summary(garments)
        figures = evaluate_garments.to_json(garments)
        page = garment_page.page(garments) if args.html else ""
    else:
        from vestibule_models import evaluate_persons, persons_page, persons_tables  # noqa: PLC0415

        persons = evaluate_persons.evaluate(args)
        text = persons_tables.card(persons) if args.markdown else persons_tables.summary(persons)
        figures = evaluate_persons.to_json(persons)
        page = persons_page.page(persons) if args.html else ""
    print(text)  # noqa: T201 - the command's answer
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if args.html:
        args.html.write_text(page, encoding="utf-8")
    return 0


def size_wh(text: str) -> tuple[int, int]:
    """Read '352x192' as width and height."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write width x height in pixels, such as 352x192")
    return int(width), int(height)


def _check(args: argparse.Namespace) -> None:
    if not args.data and not args.sprites:
        raise ArtifactError("nothing to measure on: give --data DIR, or --sprites DIR and --avatars DIR")
    if bool(args.sprites) != bool(args.avatars):
        raise ArtifactError("--sprites and --avatars belong together: the pictures, and the table of what they wear")
    for option in ("threads", "rooms"):
        if (value := getattr(args, option)) < 1:
            raise ArtifactError(f"--{option} {value}: give 1 or more")
    for path in (args.json, args.html):
        if path and not path.resolve().parent.is_dir():
            raise ArtifactError(f"cannot write {path}: there is no folder {path.resolve().parent}; make it first")
    missing = [name for name, module in _REPORTS.items() if importlib.util.find_spec(module) is None]
    if args.html and missing:
        raise ArtifactError(
            f"--html needs {' and '.join(missing)}, not installed here: install the extra `reports` "
            "(pip install 'vestibule[reports]'), or leave --html out"
        )
