"""`vestibule-models COMMAND`: train, evaluate, export, install and fetch networks, label photos, render footage."""

import argparse
import importlib
import sys

from vestibule_models.artifact import ArtifactError

COMMANDS = {
    "train": "train a network on a folder of photos",
    "finetune": "go on training a shipped network on a store's own photos",
    "evaluate": "measure a network on a test split or on labelled frames",
    "calibrate": "turn a classifier's scores into probabilities, on photos it has not learnt from",
    "export": "write a trained network as a model folder, or a model folder in another format",
    "install": "put a model folder into a running store's folder, checked",
    "label": "correct a network's answers on a store's own photos, in the browser",
    "predict": "print the ranked garments of photos",
    "render": "render people who walk through a shop (needs Blender)",
    "compare": "lay recorded training runs side by side, as Markdown and as a plot",
    "record": "measure an exported classifier, for the tables of `compare`",
    "timing": "measure the networks' crops a second on this CPU",
    "fetch": "download a public model with a pinned hash",
}
"""Each is a module of this package with `configure(parser)` and `run(args) -> exit code`, imported when asked for."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; errors of the user's making are one line on standard error and exit code 1."""
    parser = argparse.ArgumentParser(prog="vestibule-models", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    arguments = sys.argv[1:] if argv is None else argv
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    for name, text in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        if name == chosen:
            module = importlib.import_module(f"vestibule_models.{name}")
            if name == "train":  # its arguments depend on the network that is asked for
                module.configure(sub, arguments)
            else:
                module.configure(sub)
            sub.set_defaults(run=module.run)
    args = parser.parse_args(arguments)
    try:
        return int(args.run(args))
    except (ArtifactError, OSError) as error:
        print(f"vestibule-models: {error}", file=sys.stderr)  # noqa: T201 - a command line's one line of error
        return 1


if __name__ == "__main__":
    sys.exit(main())
