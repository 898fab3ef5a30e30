"""What is missed by not looking: the boxes that stand in for a look, against those of the detector on the same frame.

    python benchmarks/unlooked.py CLIP [CLIP ...] [--frames 600]

For each clip with motion gating alone, and with regions: how much was looked at, in whole pictures' worth of columns;
of the people whom the detector finds in each whole frame, how far the boxes used instead overlap theirs (mean, and
fifth percentile), how many had none (overlap 0.5 or less), and how many boxes were of nobody.
"""

import argparse
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from measuring import table

from vestibule.config import Settings
from vestibule.detectors import RegionDetector
from vestibule.replay import choose_camera
from vestibule.sources.replay import ReplaySource
from vestibule.stages import Models, Vision, load_models
from vestibule.types import Columns, Detections, Frame
from vestibule_models.persons_decode import overlaps

SAME = 0.5


@dataclass(kw_only=True)
class Watched:
    """The detector, and what it last said.

    Attributes:
        inner: the detector.
        looked: whole pictures' worth of columns that it looked at.
        boxes: (N, 4) of those it believes in, of the frame it last looked at.
    """

    inner: RegionDetector
    looked: float = 0.0
    boxes: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))

    def __post_init__(self) -> None:
        self.manifest, self.runtime = self.inner.manifest, self.inner.runtime

    def detect(self, frame: Frame) -> Detections:
        """Note and pass on."""
        return self._note(self.inner.detect(frame))

    def detect_region(self, frame: Frame, columns: Columns, known: Detections) -> Detections:
        """Note and pass on."""
        return self._note(self.inner.detect_region(frame, columns, known))

    def _note(self, found: Detections) -> Detections:
        self.looked += found.columns[1] - found.columns[0]
        self.boxes = self.believed(found)
        return found

    def believed(self, found: Detections) -> npt.NDArray[np.float32]:
        """Return the boxes at the detector's own threshold."""
        return found.boxes_xyxy[found.scores >= self.manifest.score_threshold]


def compare(clip: Path, frames: int, models: Models, *, regions: bool) -> list[object]:
    """Return a row of the table."""
    settings = Settings.model_validate({"motion": {"regions": regions}})
    assert isinstance(models.detector, RegionDetector)  # noqa: S101 - for the types
    watched = Watched(inner=models.detector)
    vision, camera = Vision(settings, watched, models.classifier), choose_camera(settings, None)
    best, of_nobody, count = [], 0, 0
    for frame in islice(ReplaySource(clip, camera, 0.0).frames(), frames):
        vision.look([frame], lambda _: frozenset())
        truth = watched.believed(watched.inner.detect(frame))
        best += [float(overlaps(box, watched.boxes).max(initial=0)) for box in truth]
        of_nobody += sum(overlaps(box, truth).max(initial=0) <= SAME for box in watched.boxes)
        count += 1
    same = np.array([overlap for overlap in best if overlap > SAME])
    spread = f"{same.mean():.3f}, {np.percentile(same, 5):.3f}" if len(same) else "-"
    how = "regions" if regions else "gating alone"
    return [clip.name, how, count, round(watched.looked), len(best), spread, len(best) - len(same), of_nobody]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--frames", type=int, default=600)
    args = parser.parse_args()
    models = load_models(Settings())
    rows = [compare(clip, args.frames, models, regions=regions) for clip in args.clips for regions in (False, True)]
    print(table(["clip", "", "frames", "looked at", "people", "overlap", "without a box", "of nobody"], rows))


if __name__ == "__main__":
    main()
