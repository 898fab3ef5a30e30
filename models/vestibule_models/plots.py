"""Plots of an evaluation and their style, each as the text of an SVG picture that can stand in a page."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vestibule_models.calibration import Interval
from vestibule_models.reliability import Calibration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY, INK = "#2a5db0", "#d9822b", "#2f8f6b", "#8a94a6", "#1f2733"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "vestibule",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": "#c3cad5",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "text.color": INK,
    "xtick.color": "#566073",
    "ytick.color": "#566073",
    "grid.color": "#e6eaf0",
    "axes.grid": True,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def ranges(rows: Mapping[str, Interval], *, label: str, goal: float | None = None) -> str:
    """Plot a point with its interval for each row, from above in the order given; 0 to 1 from the left."""

    def draw(axes: "Axes") -> None:
        places = np.arange(len(rows))[::-1]
        for place, figure in zip(places, rows.values(), strict=True):
            axes.plot([figure.low, figure.high], [place, place], color=BLUE, linewidth=5, alpha=0.25)
            axes.plot([figure.value], [place], "o", color=BLUE, markersize=8)
            axes.text(1.02, place, f"{figure.value:.2f}", va="center", fontweight="bold")
        if goal is not None:
            axes.axvline(goal, color=GREEN, linewidth=1.2, linestyle="--")
        axes.set_yticks(places, list(rows))
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlabel(label)
        axes.grid(visible=False, axis="y")

    return svg_of(draw, 7.2, 0.7 + 0.34 * len(rows))


def reliability(curves: Mapping[str, Calibration]) -> str:
    """Plot for one or two names the share that was right against the score, a point's area after its answers."""

    def draw(axes: "Axes") -> None:
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
        styles = ((BLUE, (8, -12)), (ORANGE, (-22, 7)))  # colour, and where the numbers stand beside a point
        for (name, found), (colour, place) in zip(curves.items(), styles, strict=False):
            x = [each.mean_score for each in found.bins]
            y = [each.share_true for each in found.bins]
            answers = np.array([each.answers for each in found.bins])
            label = f"{name}, error {found.expected_calibration_error:.3f}"
            axes.plot(x, y, color=colour, linewidth=1.5, label=label)
            axes.scatter(x, y, s=20 + 160 * np.sqrt(answers / answers.max()), color=colour, alpha=0.8)
            for at_x, at_y, count in zip(x, y, answers, strict=True):
                axes.annotate(str(count), (at_x, at_y), place, textcoords="offset points", fontsize=8, color=colour)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="score", ylabel="share worn", aspect="equal")
        axes.legend(loc="upper left")

    return svg_of(draw, 5.2, 5.0)


def precision_recall(
    curves: Mapping[str, tuple[NDArray[np.floating], NDArray[np.floating]]], *, columns: int = 5
) -> str:
    """Plot precision over recall, a small picture a name.

    Args:
        curves: name -> recall and precision, each (K,).
        columns: small pictures beside each other.
    """
    import matplotlib as mpl  # noqa: PLC0415 - an extra
    from matplotlib.figure import Figure  # noqa: PLC0415

    wide = min(columns, len(curves))
    high = -(-len(curves) // wide)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(2.15 * wide, 2.2 * high), layout="constrained")
        for number, (name, (recall, precision)) in enumerate(curves.items()):
            axes = figure.add_subplot(high, wide, number + 1)
            axes.plot(recall, precision, color=BLUE, linewidth=1.8)
            axes.fill_between(recall, precision, color=BLUE, alpha=0.1, linewidth=0)
            axes.set(xlim=(0, 1), ylim=(0, 1.04), title=name, xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
            axes.set_xlabel("recall" if number >= len(curves) - wide else "")
            axes.set_ylabel("precision" if number % wide == 0 else "")
        return _svg(figure)


def bars(groups: Mapping[str, Mapping[str, Interval]], *, label: str) -> str:
    """Plot bars with intervals: a cluster a name, a bar in it for each of the inner names; 0 to 1."""
    inner = list(dict.fromkeys(name for rows in groups.values() for name in rows))
    colours = (BLUE, ORANGE, GREEN, GREY)

    def draw(axes: "Axes") -> None:
        width = 0.8 / len(inner)
        for number, name in enumerate(inner):
            places = [i for i, rows in enumerate(groups.values()) if name in rows]
            found = [rows[name] for rows in groups.values() if name in rows]
            x = np.array(places) - 0.4 + width * (number + 0.5)
            spread = np.array([[f.value - f.low for f in found], [f.high - f.value for f in found]]).clip(0)
            axes.bar(x, [f.value for f in found], width * 0.9, color=colours[number % len(colours)], label=name)
            axes.errorbar(x, [f.value for f in found], spread, fmt="none", ecolor=INK, elinewidth=1, capsize=2)
        axes.set_xticks(np.arange(len(groups)), list(groups))
        axes.set(ylim=(0, 1), ylabel=label)
        axes.grid(visible=False, axis="x")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(inner))

    return svg_of(draw, 9.2, 3.2)


def matrix(names: Sequence[str], counts: Mapping[str, Mapping[str, int]]) -> str:
    """Plot what was told instead of what: a row a worn garment, shades after the share of its photos."""
    rows = [name for name in names if name in counts]
    columns = [name for name in names if any(name in counts[row] for row in rows)]
    table = np.array([[counts[row].get(column, 0) for column in columns] for row in rows], float)
    share = table / table.sum(axis=1, keepdims=True)

    def draw(axes: "Axes") -> None:
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for y, x in np.argwhere(table > 0):
            colour = "white" if share[y, x] > 0.55 else INK  # noqa: PLR2004 - dark enough for white
            bold = "bold" if rows[y] == columns[x] else "normal"
            axes.text(x, y, f"{table[y, x]:.0f}", ha="center", va="center", color=colour, fontsize=9, fontweight=bold)
        axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right")
        axes.set_yticks(range(len(rows)), rows)
        axes.set(xlabel="told", ylabel="worn")
        axes.grid(visible=False)

    return svg_of(draw, 1.6 + 0.52 * len(columns), 1.2 + 0.34 * len(rows))


def svg_of(draw: Callable[["Axes"], None], width: float, height: float) -> str:
    """Return what `draw` puts on a pair of axes, in the house style; inches. The same drawing gives the same text."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.add_subplot())
        return _svg(figure)


def _svg(figure: "Figure") -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    found = text.getvalue()
    return found[found.index("<svg") :]
