"""Write a trained network as a model folder."""

import argparse
import importlib

SUBJECTS = ("garments", "persons", "formats", "triton")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments; each subject's are in the module `export_SUBJECT`, as `configure` and `run`."""
    subjects = parser.add_subparsers(dest="what", required=True)
    for name in SUBJECTS:
        importlib.import_module(f"vestibule_models.export_{name}").configure(subjects.add_parser(name))


def run(args: argparse.Namespace) -> int:
    """Run the subject's command."""
    return int(importlib.import_module(f"vestibule_models.export_{args.what}").run(args))
