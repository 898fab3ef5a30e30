"""What `evaluate` found of a garment classifier, as the Markdown of its model card."""

import math
from collections.abc import Sequence

from vestibule_models.artifact import GarmentManifest
from vestibule_models.calibration import Interval, wilson
from vestibule_models.dataset import STREET
from vestibule_models.evaluate_garments import ALL, GarmentReport
from vestibule_models.fairness import BEYOND_CHANCE, Fairness
from vestibule_models.garment_metrics import MIN_POSITIVES, AtThreshold, GarmentFigures

TOLD_INSTEAD = (
    "Told instead is the highest garment that is not worn, covers the same half of the body and scores above the "
    "worn one."
)

_GROUPS_TOLD = (
    "`likely` and `certain`: at these thresholds of the group's score; `alone`: at that threshold, on the photos on "
    "which no member is likely; `asked`: what a rule that asks for the group at `likely` gets, members included."
)

_FAIRNESS = (
    "Rendered people say how alike the networks treat them, not how well they read real clothes. `unseen` avatars "
    "(split `demo`) are never learnt from; `all` holds those of split `train`, which the model has learnt from "
    "unless it was trained without rendered people, so there only the comparison counts. Recall has Wilson's "
    "interval, too narrow because views of one avatar are alike. p: how often avatars that exchange their sides "
    "with others dressed alike differ as much (permutation test); - where nobody is. Dressed alike means in the "
    "same garments of those that have a threshold, or, for people found, in the same style: business, casual, work."
)


def summary(report: GarmentReport) -> str:
    """Return the headline's tables, speed, and what was looked at beside."""
    head = report.sources.get(report.headline)
    parts = [headline(report)]
    if head:
        parts += [categories(head), groups(head), degraded(report)]
    return "\n\n".join([*parts, speed(report), *_beside(report)])


def card(report: GarmentReport) -> str:
    """Return all sections of the model card that one run can fill."""
    parts = ["## Figures", headline(report)]
    if report.sources:
        parts.append(sources(report))
    for source, figures in sorted(report.sources.items(), key=lambda pair: pair[0] != report.headline):
        parts += [f"### {source}, {figures.photos} photos", f"Best garment right: {interval(figures.top1)}."]
        if figures.macro_ap:
            parts.append(f"Mean AP of {', '.join(figures.macro_ap_over)}: {interval(figures.macro_ap)}.")
        parts += [categories(figures), groups(figures)]
    head = report.sources.get(report.headline)
    if head:
        parts += ["### Poorer pictures", degraded(report)]
        parts += ["### What is told instead", _confusion(head), "### Calibration", _calibration(report, head)]
    return "\n\n".join([*parts, "### Speed", speed(report), *_beside(report)])


def headline(report: GarmentReport) -> str:
    """Return one paragraph: the macro AP, of what, and what could not be read."""
    head = report.sources.get(report.headline)
    if not head:
        return f"{report.manifest.name}, version {report.manifest.version}: no photos were looked at."
    photos = f"{head.photos} {'street photos' if report.headline == STREET else 'photos, of all sources,'}"
    lines = [f"{report.manifest.name}, version {report.manifest.version}, on {report.data}, split {report.split}."]
    if head.macro_ap:
        lines.append(
            f"**Macro AP over the {len(head.macro_ap_over)} categories with at least {MIN_POSITIVES} positives on "
            f"{photos}: {interval(head.macro_ap)}.**"
        )
    else:
        lines.append(f"No category has {MIN_POSITIVES} positives on {photos}: no macro AP.")
    if report.headline == ALL:
        lines.append(f"There are no street photos (source `{STREET}`) here, so it is over all photos.")
    if report.skipped:
        lines.append(f"{len(report.skipped)} photos could not be read and do not count.")
    lines.append("Intervals are 95 %: bootstrap over photos for AP, Wilson for shares.")
    return " ".join(lines)


def categories(figures: GarmentFigures) -> str:
    """Return a row for each category that is worn."""
    lines = [
        "| category | positives | AP | precision, likely | recall, likely | precision, certain | recall, certain |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in figures.per_category.items():
        if row.positives:
            cells = " | ".join([*_at(row.likely), *_at(row.certain)])
            lines.append(f"| {name} | {row.positives} | {interval(row.ap)} | {cells} |")
    return "\n".join(lines)


def groups(figures: GarmentFigures) -> str:
    """Return a row for each group that is worn, the mean over those with enough positives, and what is told."""
    lines = ["| group | positives | AP |", "|---|---|---|"]
    worn = {name: row for name, row in figures.groups.items() if row.positives}
    lines += [f"| {name} | {row.positives} | {interval(row.ap)} |" for name, row in worn.items()]
    if figures.groups_macro_ap:
        lines.append(f"| mean of those with {MIN_POSITIVES} positives | | {interval(figures.groups_macro_ap)} |")
    told = [
        f"| {name} | {what} | {at.told} | {' | '.join(_at(at))} |"
        for name, row in worn.items()
        for what, at in (("likely", row.likely), ("certain", row.certain), ("alone", row.alone), ("asked", row.asked))
        if at
    ]
    if told:
        lines += [
            "",
            _GROUPS_TOLD,
            "",
            "| group | told | answers | precision | recall |",
            "|---|---|---|---|---|",
            *told,
        ]
    return "\n".join(lines)


def degraded(report: GarmentReport) -> str:
    """Return a row for the photos as they are and one for each way of making them poorer."""
    rows = {"as they are": report.sources[report.headline], **report.degraded}
    lines = ["| pictures | macro AP | groups | likely, told | of them right | certain, told | of them right |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, figures in rows.items():
        told = [_told(figures, word) for word in ("likely", "certain")]
        cells = " | ".join(cell for pair in told for cell in pair)
        lines.append(f"| {name} | {interval(figures.macro_ap)} | {interval(figures.groups_macro_ap)} | {cells} |")
    return "\n".join(lines)


def speed(report: GarmentReport) -> str:
    """Return a row for each size of batch."""
    how = (
        f"LiteRT, {report.threads} threads of this CPU, letterboxing not counted; {report.load:.1f} programs wanted to "
        "run meanwhile."
    )
    lines = [how, "", "| batch | crops/s by the clock | CPU ms a crop, all threads |", "|---|---|---|"]
    lines += [f"| {each.batch} | {each.crops_per_s:.0f} | {each.cpu_ms_per_crop:.1f} |" for each in report.speed]
    return "\n".join(lines)


def fairness(found: Sequence[Fairness]) -> str:
    """Return the model card's table of how women, men and groups are treated, with what is beyond chance."""
    lines = [
        "| asked | avatars | who | avatars, trials | recall | beside others dressed alike | p |",
        "|---|---|---|---|---|---|---|",
    ]
    named = []
    for one in found:
        p_value = "-" if one.p_value is None else f"{one.p_value:.3f}"
        lines += [
            f"| {one.what} | {one.avatars} | {side.name} | {side.avatars}, {side.trials} | {interval(side.recall)} "
            f"| {side.beside_equals:+.3f} | {p_value} |"
            for side in one.sides
        ]
        if one.p_value is not None and one.p_value < BEYOND_CHANCE:
            named.append(f"{one.what}, {one.avatars} avatars, by {one.by}: p = {one.p_value:.3f}")
    tested = sum(one.p_value is not None for one in found)
    verdict = (
        f"**Beyond chance (p < {BEYOND_CHANCE}; {tested} tests were made): {'; '.join(named)}.**"
        if named
        else f"No difference beyond chance (p < {BEYOND_CHANCE}) in {tested} tests."
    )
    return "\n\n".join([_FAIRNESS, "\n".join(lines), verdict])


def interval(figure: Interval | None) -> str:
    """Return a figure with its interval, or a dash where there is none or it rests on nothing."""
    if figure is None or math.isnan(figure.value):
        return "-"
    return f"{figure.value:.2f} ({figure.low:.2f}-{figure.high:.2f})"


def sources(report: GarmentReport) -> str:
    """Return a row for each source."""
    lines = ["| source | photos | macro AP | over | groups | best garment right |", "|---|---|---|---|---|---|"]
    for source, row in report.sources.items():
        over = ", ".join(row.macro_ap_over) or "-"
        cells = [interval(row.macro_ap), over, interval(row.groups_macro_ap), interval(row.top1)]
        lines.append(f"| {source} | {row.photos} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _at(found: AtThreshold | None) -> tuple[str, str]:
    return (interval(found.precision), interval(found.recall)) if found else ("-", "-")


def _told(figures: GarmentFigures, word: str) -> tuple[str, str]:
    rows = [found for row in figures.per_category.values() if (found := getattr(row, word))]
    told = sum(row.told for row in rows)
    right = sum(round(row.precision.value * row.told) for row in rows if row.precision)
    return str(told), interval(wilson(right, told) if told else None)


def _confusion(figures: GarmentFigures) -> str:
    lines = [
        TOLD_INSTEAD,
        "",
        "| worn | photos | nothing above it | told instead |",
        "|---|---|---|---|",
    ]
    for worn, told in figures.confusion.items():
        others = sorted(((n, name) for name, n in told.items() if name != worn), key=lambda pair: (-pair[0], pair[1]))
        named = ", ".join(f"{name} {n}" for n, name in others)
        lines.append(f"| {worn} | {sum(told.values())} | {told.get(worn, 0)} | {named or '-'} |")
    return "\n".join(lines)


def _calibration(report: GarmentReport, figures: GarmentFigures) -> str:
    if not figures.calibration:
        return "No category has enough positives."
    lines = []
    for what, found in (("of the network", figures.calibration), ("as published", figures.published)):
        if not found:
            continue
        error = found.expected_calibration_error
        lines += [
            f"Scores {what}, all answers on the categories of the macro AP: expected calibration error {error:.3f}."
        ]
        lines += ["", "| answers | mean score | worn |", "|---|---|---|"]
        lines += [f"| {b.answers} | {b.mean_score:.2f} | {b.share_true:.2f} |" for b in found.bins]
        lines.append("")
    if figures.published:
        lines.append(published_from(report.manifest))
    return "\n".join(lines).rstrip()


def published_from(manifest: GarmentManifest) -> str:
    """Say what the map of scores was fitted on, and how it is measured on other photos than those."""
    fitted = manifest.provenance.get("score_maps", "fitted on photos that the manifest does not name")
    return (
        f"What is published was {fitted}; where those are the photos looked at here, the second error flatters. "
        "`vestibule-models calibrate` tells it for photos not fitted on."
    )


def _beside(report: GarmentReport) -> list[str]:
    parts = []
    if report.clips:
        lines = ["### Re-identification", "", "| clip | pictures | people | same person below | two people below |"]
        lines.append("|---|---|---|---|---|")
        lines += [
            f"| {name} | {row['pictures']} | {row['people']} | {row['same_below']:.0%} | {row['different_below']:.0%} |"
            for name, row in report.clips.items()
        ]
        parts.append("\n".join(lines))
    if report.rendered:
        lines = [
            "### The demo's people",
            "",
            "| category | pictures | told of worn | told of not worn |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {name} | {row['worn']} | {row['told_of_worn']:.0%} | {row['told_of_absent']:.0%} |"
            for name, row in report.rendered.items()
            if row["likely"] is not None
        ]
        parts.append("\n".join(lines))
    if report.fairness:
        parts += ["### Women and men, and groups", fairness(report.fairness)]
    return parts
