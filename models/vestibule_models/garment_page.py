"""What `evaluate` found of a garment classifier, as a page with plots and its worst mistakes."""

import math
from html import escape

import numpy as np
from numpy.typing import NDArray

from vestibule_models import fairness_page, plots
from vestibule_models import garment_tables as tables
from vestibule_models import page as pages
from vestibule_models.calibration import Interval
from vestibule_models.dataset import STREET
from vestibule_models.evaluate_garments import Answered, GarmentReport
from vestibule_models.garment_metrics import MIN_POSITIVES, GarmentFigures
from vestibule_models.labels import LABELS
from vestibule_models.pictures import read_picture

_WORST = 12
"""Pictures of each kind of mistake."""
_BATCH = 8
"""Whose speed is shown in large."""
_TOLD = 3
"""Garments named below a picture."""


def page(report: GarmentReport) -> str:
    """Return the HTML. Pictures of the worst mistakes are in it: keep it where the photos may be kept."""
    head = report.sources.get(report.headline)
    sections = _figures(report, head) if head else []
    sections.append(pages.Section(heading="Speed", html=pages.markdown(tables.speed(report))))
    sections += fairness_page.sections(report.fairness)
    return pages.render(
        f"{report.manifest.name}, version {report.manifest.version}: the garments that it tells",
        tables.headline(report).replace("**", ""),
        _tiles(report, head),
        sections,
    )


def _tiles(report: GarmentReport, head: GarmentFigures | None) -> list[pages.Tile]:
    tiles = []
    if head:
        where = "street photos" if report.headline == STREET else "photos"
        tiles += [
            _tile("Macro AP", head.macro_ap, f"{len(head.macro_ap_over)} categories, {head.photos} {where}"),
            _tile("Groups", head.groups_macro_ap, "mean AP of light tops, knitwear, ..."),
            _tile("Best garment right", head.top1, "the highest answer is worn"),
        ]
        if head.calibration:
            error = head.calibration.expected_calibration_error
            tiles.append(pages.Tile(label="Calibration error", figure=f"{error:.3f}", note="expected; 0 is best"))
    shown = next(each for each in report.speed if each.batch == _BATCH)
    note = f"at batch {shown.batch}, {report.threads} threads"
    return [*tiles, pages.Tile(label="Crops a second", figure=f"{shown.crops_per_s:.0f}", note=note)]


def _tile(label: str, figure: Interval | None, note: str) -> pages.Tile:
    if figure is None or math.isnan(figure.value):
        return pages.Tile(label=label, figure="-", note="too few photos")
    return pages.Tile(label=label, figure=f"{figure.value:.2f}", note=f"{figure.low:.2f} to {figure.high:.2f}; {note}")


def _figures(report: GarmentReport, head: GarmentFigures) -> list[pages.Section]:
    counted = {name: ap for name in head.macro_ap_over if (ap := head.per_category[name].ap)}
    grouped = {name: row.ap for name, row in head.groups.items() if row.ap and row.positives >= MIN_POSITIVES}
    poorer = {name: _both(figures) for name, figures in {"as they are": head, **report.degraded}.items()}
    parts: list[tuple[str, str]] = [
        (
            "Categories",
            (plots.ranges(counted, label="average precision") if counted else "") + _md(tables.categories(head)),
        ),
        ("Groups", (plots.ranges(grouped, label="average precision") if grouped else "") + _md(tables.groups(head))),
    ]
    if report.answered and counted:
        parts.append(("Precision and recall", plots.precision_recall(_curves(report.answered, list(counted)))))
    if counted:
        parts.append(("Poorer pictures", plots.bars(poorer, label="mean AP") + _md(tables.degraded(report))))
    if head.confusion:
        explained = "Worn garments and what is told instead, in photos. " + tables.TOLD_INSTEAD
        parts.append(("What is told instead", _md(explained) + plots.matrix(LABELS, head.confusion)))
    if head.calibration:
        curves = {"of the network": head.calibration} | ({"as published": head.published} if head.published else {})
        explained = "Points on the dashed line are scores that mean what they say; the numbers are answers. "
        explained += tables.published_from(report.manifest) if head.published else ""
        parts.append(("Calibration", _md(explained) + plots.reliability(curves)))
    if report.answered:
        told, missed = (pages.sheet(worst(report.answered, missed=missed)) for missed in (False, True))
        parts.append(
            ("Worst mistakes", f"{_md(_WORST_TEXT)}<h3>Told, not worn</h3>{told}<h3>Worn, missed</h3>{missed}")
        )
    parts.append(("By source", _md(tables.sources(report))))
    return [pages.Section(heading=heading, html=html) for heading, html in parts]


_WORST_TEXT = "The scores farthest from the truth. Some of these are mistakes of the labels."


def _md(text: str) -> str:
    return pages.markdown(text)


def _both(figures: GarmentFigures) -> dict[str, Interval]:
    pairs = (("categories", figures.macro_ap), ("groups", figures.groups_macro_ap))
    return {name: figure for name, figure in pairs if figure}


def _curves(answered: Answered, names: list[str]) -> dict[str, tuple[NDArray[np.floating], NDArray[np.floating]]]:
    targets = np.stack([example.targets for example in answered.examples])
    known = np.stack([example.known for example in answered.examples])
    curves: dict[str, tuple[NDArray[np.floating], NDArray[np.floating]]] = {}
    for name in names:
        column = [str(label) for label in LABELS].index(name)
        rows = known[:, column] > 0
        worn = targets[rows, column][np.argsort(-answered.probs[rows, column], kind="stable")]
        hits = np.cumsum(worn)
        curves[name] = (hits / hits[-1], hits / np.arange(1, len(hits) + 1))
    return curves


def worst(answered: Answered, *, missed: bool, most: int = _WORST) -> list[str]:
    """Return photos as HTML figures, the worst first.

    Args:
        answered: photos and answers.
        missed: garments that are worn and score low; else garments that are not worn and score high.
        most: photos at most.
    """
    targets = np.stack([example.targets for example in answered.examples])
    known = np.stack([example.known for example in answered.examples])
    errors = np.abs(targets - answered.probs) * known * (targets == int(missed))
    figures = []
    for row in np.argsort(-errors.max(axis=1), kind="stable")[:most]:
        if errors[row].max() == 0:
            break
        example, probs = answered.examples[row], answered.probs[row]
        column = int(errors[row].argmax())
        worn = [f"{label} {probs[i]:.2f}" for i, label in enumerate(LABELS) if targets[row, i] and known[row, i]]
        told = [f"{LABELS[i]} {probs[i]:.2f}" for i in np.argsort(-probs)[:_TOLD]]
        caption = (
            f'<b class="{"missed" if missed else "wrong"}">{LABELS[column]} {probs[column]:.2f}</b><br>worn: '
            f"{escape(', '.join(worn) or 'none of the 15')}<br>told: {escape(', '.join(told))}<br>"
            f"<code>{escape(example.path.name)}</code>"
        )
        figures.append(pages.picture(read_picture(example.path), height_px=240, caption=caption))
    return figures
