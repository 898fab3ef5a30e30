"""Write a trained network as a model folder."""

import argparse
import importlib
from pathlib import Path

from vestibule_models.artifact import ArtifactError

_SHIPPED = "garments-efflite0"
SUBJECTS = ("garments", "persons", "formats", "triton")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments; each subject's are in the module `export_SUBJECT`, as `configure` and `run`."""
    parser.add_argument(
        "--triton",
        type=Path,
        metavar="DIR",
        help="the shipped classifier as a Triton repository: `triton` with its defaults",
    )
    subjects = parser.add_subparsers(dest="what")
    for name in SUBJECTS:
        importlib.import_module(f"vestibule_models.export_{name}").configure(subjects.add_parser(name))


def run(args: argparse.Namespace) -> int:
    """Run the subject's command.

    Raises:
        ArtifactError: nothing was named, or two things were.
    """
    if (args.what is None) == (args.triton is None):
        raise ArtifactError(f"name what to export: one of {', '.join(SUBJECTS)}, or --triton DIR")
    if args.triton is not None:
        triton = argparse.ArgumentParser()
        importlib.import_module("vestibule_models.export_triton").configure(triton)
        args = triton.parse_args([_SHIPPED, "--out", str(args.triton)], argparse.Namespace(what="triton"))
    return int(importlib.import_module(f"vestibule_models.export_{args.what}").run(args))
