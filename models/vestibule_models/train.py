"""Train a network on a folder of photos: `train --data DIR --network NAME --out DIR`, persons by `--task persons`.

`train --from-zoo MODEL` goes on from a shipped network, as `finetune` does.
"""

import argparse
import importlib
from collections.abc import Sequence

from vestibule_models.networks import efficientnet_lite

SHIPPED = "efficientnet_lite0"
NETWORKS: dict[str, str] = {
    **dict.fromkeys(efficientnet_lite.SCALES, "train_garments"),
    "vgg16_paper": "train_network",
    "lenet5": "train_network",
    "alexnet": "train_network",
    "landmark_attention": "train_network",
}
"""Networks that see garments, each with the module that trains it by its `configure` and `run`."""
TASKS = ("garments", "persons")


def configure(parser: argparse.ArgumentParser, words: Sequence[str] = ()) -> None:
    """Add the arguments that fit the task and the network which the command names.

    Args:
        parser: of `train`.
        words: of the whole command.
    """
    early = argparse.ArgumentParser(prog=parser.prog, add_help=False, allow_abbrev=False)
    _add_task(early)
    _add_network(early)
    early.add_argument("--from-zoo")
    chosen, _ = early.parse_known_args([word for word in words if word not in ("-h", "--help")])
    if chosen.from_zoo is not None:
        name = "finetune"
    else:
        name = "train_persons" if chosen.task == "persons" else NETWORKS[chosen.network]
    module = importlib.import_module(f"vestibule_models.{name}")
    _add_task(parser)
    if name not in ("train_garments", "finetune"):  # which have their own choice of networks
        _add_network(parser)
    module.configure(parser)
    parser.epilog = f"Networks: {', '.join(NETWORKS)}; each has options of its own, `--network NAME --help` shows them."
    parser.set_defaults(trains=module.run)


def run(args: argparse.Namespace) -> int:
    """Run what `configure` chose."""
    return int(args.trains(args))


def _add_task(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", choices=TASKS, default="garments", help="what is looked for (%(default)s)")


def _add_network(parser: argparse.ArgumentParser) -> None:
    words = f"of {', '.join(NETWORKS)} (%(default)s); garments only"
    parser.add_argument("--network", choices=NETWORKS, default=SHIPPED, metavar="NAME", help=words)
