"""What `evaluate` found of a person detector, as the Markdown of its model card."""

from vestibule_models.evaluate_persons import Detected, Found, PersonReport
from vestibule_models.garment_tables import fairness, interval

_HOW = (
    "IoU 0.5; 95 % bootstrap intervals (frames drawn with replacement, 1,000 times) in brackets. CPU ms: median CPU "
    "time of a 640x360 frame on one thread, letterbox and suppression included."
)


def summary(report: PersonReport) -> str:
    """Return a row for each detector and set of pictures, and how women, men and groups fare."""
    manifest = report.manifest
    size = f"{manifest.input.width}x{manifest.input.height}"
    parts = [f"{manifest.name}, version {manifest.version}, {size}, split {report.split} of {report.data or '-'}."]
    if report.detectors:
        parts += [_table(report.detectors), _empty(report)]
    if report.fairness:
        parts += ["### Women and men, and groups", fairness(report.fairness)]
    return "\n\n".join(parts)


def card(report: PersonReport) -> str:
    """Return all sections of the model card that one run can fill."""
    parts = ["## How good it is"]
    if report.detectors:
        parts.append(figures(report))
    if report.fairness:
        parts += ["### Women and men, and groups", fairness(report.fairness)]
    return "\n\n".join(parts)


def figures(report: PersonReport) -> str:
    """Return the figures of all detectors, by set of pictures and by height."""
    parts = [_HOW, _table(report.detectors), _empty(report), "### By height", "Of people in pictures 640 pixels wide."]
    return "\n\n".join([*parts, _heights(report.detectors)])


def _table(detectors: tuple[Detected, ...]) -> str:
    lines = [
        "| detector | pictures | people | AP50 | recall at precision 0.9 | recall at 1 false box a picture | CPU ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for detector in detectors:
        for name, found in detector.sets.items():
            lines.append(f"| {detector.name} | {name} | {found.people} | {_cells(found)} | {detector.cpu_ms:.1f} |")
    return "\n".join(lines)


def _empty(report: PersonReport) -> str:
    lines = ["| pictures that show nobody | how many | share with a box at the shipped threshold |", "|---|---|---|"]
    for kind, empty in report.empty.items():
        share = empty.with_box
        lines.append(f"| {kind} | {empty.pictures} | {share.value:.3f} ({share.low:.3f}-{share.high:.3f}) |")
    return "\n".join(lines)


def _heights(detectors: tuple[Detected, ...]) -> str:
    lines = [
        "| detector | pictures | height | people | AP50 | recall at precision 0.9 | recall at 1 false box a picture |",
        "|---|---|---|---|---|---|---|",
    ]
    for detector in detectors:
        for name, heights in detector.by_height.items():
            for height, found in heights.items():
                lines.append(f"| {detector.name} | {name} | {height} | {found.people} | {_cells(found)} |")
    return "\n".join(lines)


def _cells(found: Found) -> str:
    return " | ".join(interval(each) for each in (found.ap50, found.recall_at_p90, found.recall_at_1_fppi))
