"""Speed of a replay, and its share of the ideal.

    python benchmarks/pipeline.py [CLIP] [--frames 300] [--rounds 3]

- *ideal*: decoding all frames, the detector on those that it looked at and the classifier on its batches, each alone
  and in one thread, added up.
- *share of the ideal*: that over the pipeline's own time; 1 would mean that motion, tracking, cropping, batching,
  visits, rules and payloads cost nothing. The pipeline decodes the next frame while one is looked at, so that on two
  cores it can exceed 1. In CPU time it cannot, and other programs change it less: both are told.

Rounds are interleaved, and the fastest of each kind counts, since other work on the machine only slows.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from clips import BUSY, SIZES, scaled
from measuring import table

from vestibule import config
from vestibule.detectors import RegionDetector
from vestibule.inline import run_inline
from vestibule.replay import choose_camera
from vestibule.sources.replay import ReplaySource
from vestibule.stages import Models, build_stages, load_models
from vestibule.types import Columns, CropBatch, Detections, Frame, Reading


class RecordingDetector:
    """The real detector, keeping what it was asked.

    Attributes:
        looks: each does once more what was done.
        worth: whole pictures' worth of columns that were looked at.
    """

    def __init__(self, inner: RegionDetector) -> None:
        self._inner = inner
        self.manifest, self.runtime = inner.manifest, inner.runtime
        self.looks: list[Callable[[], Detections]] = []
        self.worth = 0.0

    def detect(self, frame: Frame) -> Detections:
        """Note and pass on."""
        return self._note(lambda: self._inner.detect(frame))

    def detect_region(self, frame: Frame, columns: Columns, known: Detections) -> Detections:
        """Note and pass on."""
        return self._note(lambda: self._inner.detect_region(frame, columns, known))

    def _note(self, look: Callable[[], Detections]) -> Detections:
        self.looks.append(look)
        found = look()
        self.worth += found.columns[1] - found.columns[0]
        return found


class RecordingClassifier:
    """The real classifier, keeping the batches that it was given."""

    def __init__(self, models: Models) -> None:
        self._inner = models.classifier
        self.manifest, self.runtime = self._inner.manifest, self._inner.runtime
        self.batches: list[CropBatch] = []

    def classify(self, batch: CropBatch) -> tuple[Reading, ...]:
        """Note and pass on."""
        self.batches.append(batch)
        return self._inner.classify(batch)


@dataclass(kw_only=True)
class Replay:
    """What one clip took.

    Attributes:
        frames: of the clip that were replayed.
        looks: of these, frames that the detector looked at.
        worth: whole pictures' worth of columns that it looked at.
        crops: that were classified.
        best_s: seconds of the fastest round, by part.
        cpu_s: CPU seconds of the round that took fewest, by part.
    """

    frames: int = 0
    looks: int = 0
    worth: float = 0.0
    crops: int = 0
    best_s: dict[str, float] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)

    def keep(self, name: str, work: Callable[[], object]) -> None:
        """Do a piece of work, and remember how long it took if that was less than before."""
        began_s, cpu_began_s = time.perf_counter(), time.process_time()
        work()
        taken_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_began_s
        self.best_s[name] = min(self.best_s.get(name, taken_s), taken_s)
        self.cpu_s[name] = min(self.cpu_s.get(name, cpu_s), cpu_s)

    def ms(self, name: str) -> float:
        """Return milliseconds a frame, by the clock."""
        return 1000 * self.best_s[name] / self.frames

    @property
    def share(self) -> float:
        """Of the ideal, by the clock."""
        return _share(self.best_s)

    @property
    def cpu_share(self) -> float:
        """Of the ideal, in CPU time."""
        return _share(self.cpu_s)


def _share(seconds: dict[str, float]) -> float:
    return sum(seconds[name] for name in ("decode", "detect", "classify")) / seconds["pipeline"]


def measure(clip: Path, count: int, rounds: int, models: Models) -> Replay:
    """Replay a clip's first frames in rounds, and each part of the work alone."""
    settings, replay = config.Settings(), Replay()
    camera = choose_camera(settings, None)

    def source() -> "islice[Frame]":
        return islice(ReplaySource(clip, camera, 0.0).frames(), count)

    def pipeline(models: Models) -> None:
        run_inline(source(), build_stages(settings, (camera,), models), lambda _: None)

    assert isinstance(models.detector, RegionDetector), "what ships is one"  # noqa: S101 - for the types
    detector, classifier = RecordingDetector(models.detector), RecordingClassifier(models)
    pipeline(Models(detector=detector, classifier=classifier))
    replay.frames, replay.looks, replay.worth = sum(1 for _ in source()), len(detector.looks), detector.worth
    replay.crops = sum(len(batch.crops) for batch in classifier.batches)
    for _ in range(rounds):
        replay.keep("pipeline", lambda: pipeline(models))
        replay.keep("decode", lambda: sum(1 for _ in source()))
        replay.keep("detect", lambda: [look() for look in detector.looks])
        replay.keep("classify", lambda: [models.classifier.classify(batch) for batch in classifier.batches])
    return replay


def sizes_table(folder: Path, frames: int, rounds: int) -> str:
    """Measure the busy clip at three sizes; return the table."""
    models = load_models(config.Settings())
    runs = [measure(scaled(folder, size, frames), frames, rounds, models) for size in SIZES]
    rows = [["**share of the ideal**", *(f"**{run.share:.2f}**" for run in runs)]]
    rows += [["the same in CPU time", *(f"{run.cpu_share:.2f}" for run in runs)]]
    rows += [["replay, frames/s", *(f"{1000 / run.ms('pipeline'):.0f}" for run in runs)]]
    rows += [[f"{part}, ms a frame", *(f"{run.ms(part):.2f}" for run in runs)] for part in runs[0].best_s]
    rows += [["looked at, crops read", *(f"{run.looks} of {run.frames}, {run.crops}" for run in runs)]]
    rows += [["as much as so many whole pictures", *(f"{run.worth:.0f}" for run in runs)]]
    return table(["", *(f"{width}x{height}" for width, height in SIZES)], rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", nargs="?", type=Path, default=BUSY)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    run = measure(args.clip, args.frames, args.rounds, load_models(config.Settings()))
    print(f"clip {args.clip.name}: {run.frames} frames, {run.looks} looked at, {run.crops} crops")
    print(f"as much as {run.worth:.0f} whole pictures")
    for name in run.best_s:
        print(f"{name}: {run.ms(name):.2f} ms a frame")
    print(f"replay: {1000 / run.ms('pipeline'):.1f} frames/s")
    print(f"share of the ideal: {run.share:.2f}")
    print(f"the same in CPU time: {run.cpu_share:.2f}")


if __name__ == "__main__":
    main()
