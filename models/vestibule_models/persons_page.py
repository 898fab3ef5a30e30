"""What `evaluate` found of a person detector, as a page with plots and its worst mistakes."""

from collections.abc import Sequence
from html import escape

import cv2
import numpy as np

from vestibule_models import fairness_page, plots
from vestibule_models import page as pages
from vestibule_models import persons_tables as tables
from vestibule_models.calibration import Interval
from vestibule_models.evaluate_persons import COMPARED_WIDTH_PX, PersonReport
from vestibule_models.persons_decode import Bytes, Floats
from vestibule_models.persons_frames import FRAMES
from vestibule_models.persons_metrics import Matched, curve
from vestibule_models.persons_sources import Photo

_WORST = 9
_RED, _GREEN, _YELLOW = (36, 54, 220), (90, 170, 60), (0, 190, 250)
"""BGR: a false box, one that found somebody, a labelled person."""


def page(report: PersonReport) -> str:
    """Return the HTML. Pictures of the worst mistakes are in it: keep it where the photos may be kept."""
    sections = [pages.Section(heading=pictures.capitalize(), html=_set(report, pictures)) for pictures in report.photos]
    if report.detectors:
        sections.append(pages.Section(heading="All figures", html=pages.markdown(tables.figures(report))))
    sections += fairness_page.sections(report.fairness)
    return pages.render(
        f"{report.manifest.name}, version {report.manifest.version}: the people that it finds",
        f"On {report.data or 'rendered people'}, split {report.split}. IoU 0.5; intervals are 95 %, bootstrap over "
        f"pictures. The shipped score threshold is {report.manifest.score_threshold}.",
        _tiles(report),
        sections,
    )


def _tiles(report: PersonReport) -> list[pages.Tile]:
    if not report.detectors:
        return []
    mine = report.detectors[0]
    name = FRAMES if FRAMES in mine.sets else next(iter(mine.sets))
    found = mine.sets[name]
    shown = (
        ("AP50", found.ap50),
        ("Recall, precision 0.9", found.recall_at_p90),
        ("Recall, 1 false a picture", found.recall_at_1_fppi),
    )
    tiles = [
        pages.Tile(label=label, figure=f"{each.value:.2f}", note=f"{each.low:.2f} to {each.high:.2f}; {name}")
        for label, each in shown
    ]
    return [*tiles, pages.Tile(label="CPU time", figure=f"{mine.cpu_ms:.1f} ms", note="a 640x360 frame, one thread")]


def _set(report: PersonReport, pictures: str) -> str:
    heights = {
        height: {each.name: each.by_height[pictures][height].ap50 for each in report.detectors}
        for height in report.detectors[0].by_height[pictures]
    }
    overall: dict[str, dict[str, Interval]] = {
        "AP50": {each.name: each.sets[pictures].ap50 for each in report.detectors},
        "recall, precision 0.9": {each.name: each.sets[pictures].recall_at_p90 for each in report.detectors},
        "recall, 1 false a picture": {each.name: each.sets[pictures].recall_at_1_fppi for each in report.detectors},
    }
    curves = {each.name: curve(each.frames[pictures]) for each in report.detectors}
    count = report.detectors[0].sets[pictures]
    parts = [
        f"<p>{count.pictures} pictures, {count.people} people.</p>",
        plots.bars(overall, label=""),
        "<h3>AP50 by height, in pictures 640 pixels wide</h3>",
        plots.bars(heights, label="AP50"),
        "<h3>Precision and recall</h3>",
        plots.precision_recall(curves),
    ]
    mistakes = worst(report.detectors[0].frames[pictures], report.photos[pictures], report.manifest.score_threshold)
    if mistakes:
        key = "Labelled people in yellow, boxes that found one in green, false ones in red."
        heading = f"<h3>Worst mistakes at the shipped threshold</h3><p>{key}</p>"
        parts.append(f"{heading}{pages.sheet(mistakes, wide=True)}")
    return "".join(parts)


def worst(frames: Sequence[Matched], photos: Sequence[Photo], threshold: float, *, most: int = _WORST) -> list[str]:
    """Return the pictures with most mistakes as HTML figures, the worst first.

    Args:
        frames: boxes as compared with each photo's people, in pictures `COMPARED_WIDTH_PX` wide.
        photos: as many.
        threshold: boxes with a lower score are not shown.
        most: photos at most.
    """
    mistakes = []
    for frame in frames:
        told = frame.scores >= threshold
        false = int((told & ~frame.right).sum())
        missed = frame.people - int((told & frame.right).sum())
        mistakes.append((false + missed, false, missed))
    order = sorted(range(len(photos)), key=lambda i: -mistakes[i][0])[:most]
    figures = []
    for index in order:
        total, false, missed = mistakes[index]
        if not total:
            break
        drawn = _draw(photos[index], frames[index], threshold)
        caption = (
            f'<b class="wrong">{false} false</b>, <b class="missed">{missed} missed</b> of '
            f"{len(photos[index].people)}<br><code>{escape(photos[index].name)}</code>"
        )
        figures.append(pages.picture(drawn[..., ::-1], height_px=300, caption=caption))
    return figures


def _draw(photo: Photo, frame: Matched, threshold: float) -> Bytes:
    image = photo.image.copy()
    scale = image.shape[1] / COMPARED_WIDTH_PX
    thick = max(1, round(scale * 2))
    for person in photo.people:
        cv2.rectangle(image, *_corners(person), _YELLOW, thick)
    for box, score, right in zip(frame.boxes, frame.scores, frame.right, strict=True):
        if score >= threshold:
            cv2.rectangle(image, *_corners(box * np.float32(scale)), _GREEN if right else _RED, thick)
    return image


def _corners(box: Floats) -> tuple[tuple[int, int], tuple[int, int]]:
    x0, y0, x1, y1 = (round(float(edge)) for edge in box)
    return (x0, y0), (x1, y1)
