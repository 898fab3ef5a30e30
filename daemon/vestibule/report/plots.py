"""Plots of a report, each as the text of an SVG picture. Counts that are not shown have a mark and no height."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from vestibule.report import words
from vestibule.report.cells import Cell
from vestibule.report.figures import DayCount, GarmentShare
from vestibule_models.plots import BLUE, GREY, INK, ORANGE, svg_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (ORANGE, BLUE)
_WIDTH = 10.4
_FEW_DAYS = 16
_SATURDAY = 5
_DARK = 0.7
_FILL, _WEEKEND = "#8fb0e3", "#f1f4f9"


def by_day(days: Sequence[DayCount]) -> str:
    """Plot the customers of each day; weekends are shaded."""

    def draw(axes: "Axes") -> None:
        for place, each in enumerate(days):
            if each.day.weekday() >= _SATURDAY:
                axes.axvspan(place - 0.5, place + 0.5, color=_WEEKEND, linewidth=0, zorder=0)
        _bars(axes, [each.customers for each in days], colour=BLUE, numbers=len(days) <= 2 * _FEW_DAYS)
        _name_days(axes, [each.day for each in days])
        axes.set_ylabel("customers")

    return svg_of(draw, _WIDTH, 2.7)


def _name_days(axes: "Axes", days: Sequence[date]) -> None:
    if len(days) <= _FEW_DAYS:
        shown = list(enumerate(days))
    else:  # every Monday, and of a year every fourth
        mondays = [(place, day) for place, day in enumerate(days) if day.weekday() == 0]
        shown = mondays[:: max(1, len(mondays) // _FEW_DAYS)]
    axes.set_xticks(
        [place for place, _ in shown], [f"{words.WEEKDAYS[day.weekday()]}\n{day.day} {day:%b}" for _, day in shown]
    )
    axes.set_xlim(-0.6, len(days) - 0.4)
    axes.grid(visible=False, axis="x")


def by_hour(counts: Mapping[str, Sequence[Cell]], hours: range) -> str:
    """Plot counts by hour of the day, a colour a name.

    Args:
        counts: name -> by hour, 0 to 23.
        hours: those to show.
    """

    def draw(axes: "Axes") -> None:
        width = 0.84 / len(counts)
        for number, (name, each) in enumerate(counts.items()):
            shift = width * (number + 0.5) - 0.42
            colour = BLUE if len(counts) == 1 else _COLOURS[number % len(_COLOURS)]
            _bars(axes, [each[hour] for hour in hours], colour=colour, shift=shift, width=width, label=name)
        axes.set_xticks(range(len(hours)), [words.hour(hour) for hour in hours])
        axes.set_xlim(-0.6, len(hours) - 0.4)
        axes.set_ylabel("customers")
        axes.grid(visible=False, axis="x")
        if len(counts) > 1:
            axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(counts))

    return svg_of(draw, _WIDTH, 2.5)


def _bars(
    axes: "Axes",
    counts: Sequence[Cell],
    *,
    colour: str,
    shift: float = 0.0,
    width: float = 0.72,
    label: str | None = None,
    numbers: bool = True,
) -> None:
    """Draw bars with their numbers above; what is hidden has its mark in place of one."""
    heights = [count if isinstance(count, int) else 0 for count in counts]
    places = [place + shift for place in range(len(counts))]
    axes.bar(places, heights, width * 0.92, color=colour, label=label)
    axes.set_ylim(0, max(axes.get_ylim()[1], 1.16 * max([*heights, 1])))
    for place, count in zip(places, counts, strict=True):
        hidden = not isinstance(count, int)
        if numbers or hidden:
            told = "···" if count == "withheld" else str(count)
            height = 0 if hidden else count
            ink = GREY if hidden else INK
            axes.annotate(told, (place, height), (0, 2), textcoords="offset points", ha="center", fontsize=8, color=ink)


def by_weekday(bands: Mapping[int, Sequence[str]], hours: range) -> str:
    """Plot which hours of the week are busy, as shades.

    Args:
        bands: weekday (Monday is 0) -> by hour, 0 to 23, between which numbers the count lies.
        hours: those to show.
    """

    def draw(axes: "Axes") -> None:
        most = max(_low(row[hour]) for row in bands.values() for hour in hours)
        shades = [[_shade(_low(row[hour]), most) for hour in hours] for row in bands.values()]
        axes.pcolormesh(shades, cmap="Blues", vmin=0, vmax=1.25, edgecolors="white", linewidth=1)
        axes.invert_yaxis()
        for y, row in enumerate(bands.values()):
            for x, hour in enumerate(hours):
                shade, told = shades[y][x], row[hour].replace("-", words.NONE)
                ink = "white" if shade > _DARK else INK if shade else GREY
                axes.text(x + 0.5, y + 0.5, told, ha="center", va="center", color=ink, fontsize=8)
        axes.set_xticks([n + 0.5 for n in range(len(hours))], [words.hour(hour) for hour in hours])
        axes.set_yticks([n + 0.5 for n in range(len(bands))], [words.WEEKDAYS[weekday] for weekday in bands])
        axes.tick_params(length=0)
        axes.grid(visible=False)

    return svg_of(draw, _WIDTH, 0.7 + 0.3 * len(bands))


def _low(band: str) -> int:
    return 0 if band.startswith("<") else int(band.split("-", maxsplit=1)[0])


def _shade(low: int, most: int) -> float:
    return 0.0 if not low else 0.25 + 0.75 * low / most


def garments(rows: Sequence[GarmentShare]) -> str:
    """Plot each garment's share with its interval, and that of the period before as a stroke."""
    rows = [row for row in rows if row.share is not None]

    def draw(axes: "Axes") -> None:
        most = 0.0
        for place, row in zip(range(len(rows) - 1, -1, -1), rows, strict=True):
            if row.share is None:
                continue
            axes.plot([100 * row.share.low, 100 * row.share.high], [place, place], color=_FILL, linewidth=6)
            axes.plot([100 * row.share.value], [place], "o", color=BLUE, markersize=7)
            most = max(most, 100 * row.share.high)
            if row.share_before is not None:
                before = 100 * row.share_before.value
                axes.plot([before], [place], "|", color=ORANGE, markersize=14, markeredgewidth=2.2)
                most = max(most, before)
        for place, row in zip(range(len(rows) - 1, -1, -1), rows, strict=True):
            if row.share is not None:
                axes.text(1.01 * most, place, words.percent(row.share.value), va="center", fontweight="bold")
        axes.set_yticks(range(len(rows) - 1, -1, -1), [row.label for row in rows])
        axes.set_xlim(0, most)
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlabel(
            "% of the customers whose garments could be told, with 95 % interval; stroke: the period before"
        )
        axes.grid(visible=False, axis="y")

    return svg_of(draw, _WIDTH, 0.8 + 0.28 * len(rows))
