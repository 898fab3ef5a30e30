"""What masks, snapshots and the installer's page cost, for one frame with five people in it.

    python benchmarks/privacy.py

Prints a Markdown table, milliseconds of processor time, the median of many. Masks are drawn into every frame of their
camera; a snapshot's cut-out is made for each crop that is better than those before it; a picture for the installer's
page five times a second at most, and only while somebody watches.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from measuring import machine

from vestibule.installer import LiveView
from vestibule.privacy_sections import MaskConfig, SnapshotsConfig
from vestibule.sections import CameraConfig
from vestibule.snapshots import Album
from vestibule.sources.framing import Framing
from vestibule.types import Crop, Frame, Tracks

SIZES = ((640, 360), (1280, 720), (1920, 1080))
PEOPLE = 5
TIMES = 200
MASKS = (
    MaskConfig(polygon=((0.7, 0.0), (1.0, 0.0), (1.0, 0.4), (0.7, 0.3))),
    MaskConfig(polygon=((0.0, 0.0), (0.2, 0.0), (0.1, 0.5))),
)


def cost_ms(work: Callable[[], object]) -> float:
    """Return the processor time of one call, the median of many."""
    took = []
    for _ in range(TIMES):
        began_s = time.thread_time()
        work()
        took.append(time.thread_time() - began_s)
    return median(took) * 1000


def crowd(frame: Frame) -> Tracks:
    """Five people side by side, each half as high as the frame."""
    height, width = frame.image.shape[:2]
    left = np.arange(PEOPLE) * width / PEOPLE
    boxes = np.stack([left, np.full(PEOPLE, 0.3 * height), left + 0.2 * height, np.full(PEOPLE, 0.8 * height)], axis=1)
    return Tracks(
        frame=frame,
        ids=np.arange(1, PEOPLE + 1),
        boxes_xyxy=boxes.astype(np.float32),
        scores=np.full(PEOPLE, 0.9, np.float32),
        colours=np.zeros((PEOPLE, 1), np.float32),
    )


def costs(width: int, height: int, folder: Path) -> tuple[float, float, float]:
    """Return those of two masks, of one cut-out, and of one picture for the page, milliseconds."""
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    framing = Framing(CameraConfig(id="door", source="0", masks=MASKS))
    tracks = crowd(framing.frame(seq=0, captured_at_s=0.0, image=image))
    crop = Crop(camera_id="door", track_id=3, captured_at_s=0.0, quality=0.5, image=image[:1, :1])
    album = Album(SnapshotsConfig(mode="blurred", folder=folder), time.time)
    view, clock_s = LiveView(lambda: clock_s), 0.0

    def picture() -> None:
        nonlocal clock_s
        clock_s += 1.0
        frame = Frame(camera_id="door", seq=0, captured_at_s=clock_s, image=image)
        view.picture("door")
        view.saw(crowd(frame), [])
        view.picture("door")

    try:
        return (
            cost_ms(lambda: framing.frame(seq=0, captured_at_s=0.0, image=image)),
            cost_ms(lambda: album.saw(tracks, [crop])),
            cost_ms(picture),
        )
    finally:
        album.close()


def main() -> None:
    """Print the table."""
    cv2.setNumThreads(1)  # the time of one thread is all there is
    print("| frame | two masks, each frame | a snapshot's cut-out | a picture for the page |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for width, height in SIZES:
            masks_ms, cut_ms, picture_ms = costs(width, height, Path(folder))
            print(f"| {width} x {height} | {masks_ms:.2f} ms | {cut_ms:.2f} ms | {picture_ms:.1f} ms |")
    print(f"\n{machine()}.")


if __name__ == "__main__":
    main()
