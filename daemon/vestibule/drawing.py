"""People and words drawn on a picture, for the annotated video and the installer's page."""

import cv2
import numpy as np
import numpy.typing as npt

from vestibule.payloads import told_groups
from vestibule.types import Visit

Image = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

FONT = cv2.FONT_HERSHEY_DUPLEX
# BGR. Blue: seen, being read; green: garments settled; orange: an alert was sent; grey: staff, or no visit.
GREY, BLUE, GREEN, ORANGE, WHITE = (150, 150, 150), (220, 140, 40), (90, 170, 40), (20, 120, 245), (255, 255, 255)


def draw_person(
    canvas: Image, track_id: int, box_xyxy: npt.NDArray[np.float32], visit: Visit | None, *, alerted: bool
) -> None:
    """Draw somebody's box with the track's number and what is worn.

    Args:
        canvas: uint8 (H, W, 3) BGR, drawn on.
        track_id: of the track.
        box_xyxy: float32 (4,) pixels of the canvas.
        visit: the track's; None where it is none.
        alerted: whether staff were told of that visit.
    """
    colour, text = GREY, f"#{track_id}"
    if visit is not None:
        told = (*visit.garments, *told_groups(visit.garments, visit.groups))
        worn = ", ".join(f"{garment.label} {garment.score:.2f}" for garment in told)
        state = "staff" if visit.silent else worn or ("-" if visit.phase != "new" else "...")
        text = f"{text} {state}"
        colour = GREEN if visit.phase == "confirmed" else BLUE
        colour = GREY if visit.silent else ORANGE if alerted else colour
    x0, y0, x1, y1 = np.rint(box_xyxy).astype(int).tolist()
    cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, 2, cv2.LINE_AA)
    draw_label(canvas, text, (x0, y0), colour)


def draw_label(canvas: Image, text: str, at: tuple[int, int], colour: Colour) -> None:
    """Write text on a filled box whose bottom left is `at`, kept inside the picture."""
    (width, height), _ = cv2.getTextSize(text, FONT, 0.5, 1)
    x = max(0, min(at[0], canvas.shape[1] - width - 8))
    y = max(height + 8, min(at[1], canvas.shape[0]))
    cv2.rectangle(canvas, (x, y - height - 8), (x + width + 8, y), colour, cv2.FILLED)
    cv2.putText(canvas, text, (x + 4, y - 5), FONT, 0.5, WHITE, 1, cv2.LINE_AA)
