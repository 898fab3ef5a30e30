"""Train a network on a folder of photos."""

import argparse
import importlib

SUBJECTS = ("garments", "persons")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments; each subject's are in the module `train_SUBJECT`, as `configure` and `run`."""
    subjects = parser.add_subparsers(dest="what", required=True)
    for name in SUBJECTS:
        importlib.import_module(f"vestibule_models.train_{name}").configure(subjects.add_parser(name))


def run(args: argparse.Namespace) -> int:
    """Run the subject's command."""
    return int(importlib.import_module(f"vestibule_models.train_{args.what}").run(args))
