"""Lay recorded runs side by side: Markdown tables for the docs, and loss and accuracy over the epochs as a picture."""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vestibule_models import records
from vestibule_models.artifact import ArtifactError
from vestibule_models.labels import LABELS

Record = dict[str, Any]
STREET = "ccp"
INTO = ("<!-- begin {} -->", "<!-- end {} -->")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add = parser.add_argument
    add("runs", type=Path, nargs="+", metavar="RUN", help="folders of runs, or their run.json")
    add("--table", choices=TABLES, default="methods", help="a row a run, or a row a run and source (%(default)s)")
    add("--speed", type=Path, help="JSON of `vestibule-models timing`, for the columns of crops/s")
    add("--into", type=Path, metavar="FILE", help="put the table between the lines <!-- begin TABLE --> and <!-- end")
    add("--plot", type=Path, metavar="FILE", help="draw loss and accuracy of the runs here, .svg or .png (Matplotlib)")


def run(args: argparse.Namespace) -> int:
    """Print the table, or put it into a file; draw the picture where one is asked for."""
    runs = [records.read(path) for path in args.runs]
    speeds = json.loads(args.speed.read_text(encoding="utf-8")) if args.speed else {}
    text = "\n".join(TABLES[args.table](runs, speeds))
    if args.into:
        insert(args.into, args.table, text)
    else:
        print(text)  # noqa: T201 - the command's answer
    if args.plot:
        plot(runs, args.plot)
    return 0


def methods(runs: Sequence[Record], speeds: Record) -> list[str]:
    """Return a row a run: what it is, what it learnt from, how good it is on the street, how fast and how large."""
    head = "| run | network | parameters | trained | photos | epochs | street top-1 | street macro AP | others top-1 | "
    lines = [head + "crops/s, batch 1 / 16 | MB |", "|---|---|---|---|---|---|---|---|---|---|---|"]
    for record in runs:
        street = record["test"].get(STREET)
        others = [
            f"{part} {_share(figures['top1'])}"
            for part, figures in record["test"].items()
            if part not in (STREET, "all", "clean", "cluttered") and figures["top1"]["value"] is not None
        ]
        speed = speeds.get("networks", {}).get(record["network"])
        cells = [
            record["method"],
            record["network"],
            f"{record['parameters']:,}",
            f"{record['trained_parameters']:,}",
            _known(record["data"]["train"])
            + (f" + {more} unlabelled" if (more := record["data"]["unlabelled"]) else ""),
            _known(record["epochs"]),
            _interval(street["top1"]) + ("" if len(record["labels"]) == len(LABELS) else " (other labels)")
            if street
            else "-",
            _interval(street["macro_ap"]) if street else "-",
            ", ".join(others) or "-",
            f"{speed['batch1']:.1f} / {speed['batch16']:.1f}" if speed else "-",
            f"{record['bytes_float32'] / 1e6:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def sources(runs: Sequence[Record], _speeds: Record) -> list[str]:
    """Return a row a run and part of the test photos, with every measure side by side."""
    head = "| run | test photos of | trained on it | photos | all no | binary accuracy | top-1 | top-3 "
    lines = [head + "| macro AP (categories) |", "|---|---|---|---|---|---|---|---|---|"]
    for record in runs:
        for part, figures in record["test"].items():
            cells = [
                record["method"],
                part,
                "yes" if part in record["data"]["train_sources"] else "mixed" if part in _MIXED else "no",
                str(figures["photos"]),
                _plain(figures["all_no_accuracy"], 4),
                _plain(figures["binary_accuracy"], 4),
                _interval(figures["top1"]),
                _interval(figures["top3"]),
                f"{_interval(figures['macro_ap'])} ({len(figures['counted'])})" if figures["macro_ap"] else "-",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def epochs(runs: Sequence[Record], _speeds: Record) -> list[str]:
    """Return a row a run and epoch."""
    lines = ["| run | epoch | loss | binary accuracy | validation loss | validation binary accuracy |"]
    lines.append("|---|---|---|---|---|---|")
    for record in runs:
        for row in record["history"]:
            cells = [_plain(_of(row, name), 4) for name in ("loss", "accuracy", "val_loss", "val_accuracy")]
            lines.append(f"| {record['method']} | {int(row['epoch'])} | {' | '.join(cells)} |")
    return lines


_MIXED = ("all", "clean", "cluttered")
TABLES: dict[str, Callable[[Sequence[Record], Record], list[str]]] = {
    "methods": methods,
    "sources": sources,
    "epochs": epochs,
}


def insert(path: Path, name: str, text: str) -> None:
    """Put a table between its two marks in a Markdown file.

    Raises:
        ArtifactError: the file lacks a mark.
    """
    begin, end = (mark.format(name) for mark in INTO)
    try:
        before, rest = path.read_text(encoding="utf-8").split(begin)
        _, after = rest.split(end)
    except ValueError as error:
        raise ArtifactError(f"{path} needs each of the lines {begin} and {end} once") from error
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def plot(runs: Sequence[Record], path: Path) -> None:
    """Draw loss (above) and binary accuracy (below) of each run over its epochs, training and validation.

    Raises:
        ArtifactError: Matplotlib is not installed.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415 - only who draws needs it
        from matplotlib.figure import Figure  # noqa: PLC0415 - see above
        from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - see above
    except ImportError as error:
        raise ArtifactError("--plot needs Matplotlib: pip install matplotlib") from error
    mpl.rcParams["svg.hashsalt"] = "vestibule"  # the same runs give the same file
    figure = Figure(figsize=(4.5 * len(runs), 6), layout="constrained")
    axes = figure.subplots(2, len(runs), squeeze=False, sharex="col", sharey="row")
    for column, record in enumerate(runs):
        counted = [int(row["epoch"]) for row in record["history"]]
        for row, name in enumerate(("loss", "accuracy")):
            axis = axes[row][column]
            for prefix, label in (("", "training"), ("val_", "validation")):
                axis.plot(counted, [_of(each, prefix + name) for each in record["history"]], marker=".", label=label)
            axis.set_ylabel("loss" if name == "loss" else "binary accuracy")
            axis.grid(alpha=0.3)
        axes[0][column].set_title(record["method"])
        axes[1][column].set_xlabel("epoch")
        axes[1][column].xaxis.set_major_locator(MaxNLocator(integer=True))
        no = record["test"].get(STREET, {}).get("all_no_accuracy")
        if no is not None:
            axes[1][column].axhline(no, linestyle=":", color="grey", label="all no, street test photos")
        axes[1][column].legend()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _of(row: dict[str, float], name: str) -> float:
    """Return a loss or an accuracy of one epoch; networks of several outputs name theirs `probs_...`."""
    prefix, plain = ("val_", name[4:]) if name.startswith("val_") else ("", name)
    kinds = ("loss",) if plain == "loss" else ("binary_accuracy", "accuracy")
    for kind in kinds:
        for key in (f"{prefix}probs_{kind}", f"{prefix}{kind}"):
            if key in row:
                return row[key]
    raise ArtifactError(f"an epoch of the history lacks {name}; it has {', '.join(row)}")


def _interval(figure: dict[str, float | None] | None) -> str:
    if not figure or figure["value"] is None:
        return "-"
    return f"{figure['value']:.2f} ({figure['low']:.2f}-{figure['high']:.2f})"


def _share(figure: dict[str, float | None]) -> str:
    return _plain(figure["value"], 2)


def _known(value: float | None) -> str:
    return "-" if value is None else str(value)


def _plain(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
