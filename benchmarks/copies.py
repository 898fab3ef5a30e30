"""How many bytes are allocated for a frame, for a crop and for a batch.

    python benchmarks/copies.py [--person 900]

By Python's memory profiler, `tracemalloc`, which sees what NumPy and OpenCV hand out: the most that a step holds at
once beyond what it finds, the second time that it is done. (What FFmpeg, LiteRT and OpenCV's inside take for themselves
is not seen.) A frame is noise of 1920x1080 with one person of `--person` pixels. What is kept is counted too: a crop's
own picture, which is its share of the memory that it is written into with others.
"""

import argparse
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from measuring import machine, table

from vestibule.batching import Batcher
from vestibule.config import Settings
from vestibule.cropping import Cropper
from vestibule.gating import MotionGate
from vestibule.motion_section import MotionConfig
from vestibule.privacy_sections import MaskConfig
from vestibule.sections import BatchingConfig, CameraConfig, CroppingConfig
from vestibule.sources.decoding import to_bgr
from vestibule.sources.framing import Framing
from vestibule.stages import load_models
from vestibule.tracking import Tracker
from vestibule.types import Crop, CropBatch, Detections, Frame, Tracks

HEIGHT, WIDTH, CROPS, MANY = 1080, 1920, 8, 64


def allocated(work: Callable[[], object]) -> int:
    """Return the most bytes that a piece of work holds at once beyond what there was, when it is done again."""
    kept = work()
    tracemalloc.start()
    try:
        kept = work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        del kept


class Steps:
    """One frame with a person, and what is done with it."""

    def __init__(self, person_px: int) -> None:
        self.models = load_models(Settings())
        self.picture = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        image = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        self.frame = Frame(camera_id="door", seq=0, captured_at_s=0.0, image=image)
        self.box = np.array([[600, 100, 600 + person_px / 2.25, 100 + person_px]], np.float32)

    def tracks(self) -> Tracks:
        """Return the person."""
        return Tracks(
            frame=self.frame,
            ids=np.array([1]),
            boxes_xyxy=self.box,
            scores=np.full(1, 0.9, np.float32),
            colours=np.zeros((1, 1), np.float32),
        )

    def crops(self, count: int) -> list[Crop]:
        """Return the crops of so many frames."""
        cropper = Cropper(CroppingConfig(min_interval_s=0, max_per_track=100), self.models.classifier.manifest.input)
        return [crop for _ in range(count) for crop in cropper.crops(self.tracks())]

    def batch(self, crops: Sequence[Crop]) -> CropBatch:
        """Return crops as a batch."""
        batcher = Batcher(BatchingConfig(max_crops=len(crops)))
        batcher.add(crops, 0.0)
        batch = batcher.take(0.0)
        assert batch is not None, "it is full"  # noqa: S101
        return batch

    def rows(self) -> list[tuple[str, int]]:
        """Return each step and its bytes."""
        reformatter, frame = VideoReformatter(), self.frame
        mask = MaskConfig(polygon=((0.7, 0.0), (1.0, 0.0), (1.0, 0.4)))
        framing = Framing(CameraConfig(id="door", source="0", masks=(mask,)))
        gate = MotionGate(MotionConfig())
        tracker = Tracker(Settings().tracking, 0.4)
        found = Detections(frame=frame, boxes_xyxy=self.box, scores=np.full(1, 0.9, np.float32))
        writable, crops = np.array(frame.image), self.crops(CROPS)
        batch, small = self.batch(crops), replace(frame, image=frame.image[::3, ::3].copy())
        return [
            ("BGR out of FFmpeg", allocated(lambda: to_bgr(self.picture, reformatter))),
            ("masks", allocated(lambda: framing.frame(seq=0, captured_at_s=0.0, image=writable))),
            ("motion gate", allocated(lambda: gate.opens(frame))),
            ("detector", allocated(lambda: self.models.detector.detect(frame))),
            ("detector, frame of 640x360", allocated(lambda: self.models.detector.detect(small))),
            ("tracker, one person", allocated(lambda: tracker.update(found))),
            ("a crop", allocated(lambda: self.crops(MANY)) // MANY),
            (f"a batch of {CROPS} crops", allocated(lambda: self.batch(crops))),
            ("classifier, that batch", allocated(lambda: self.models.classifier.classify(batch))),
        ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--person", type=int, default=900, help="height in pixels (default %(default)s)")
    args = parser.parse_args()
    steps = Steps(args.person)
    print(f"{machine()}\n")
    print(table(["step", "kB"], [[name, f"{size / 1000:.1f}"] for name, size in steps.rows()]))
    crop_bytes = steps.crops(1)[0].image.nbytes
    print(f"\na frame is {steps.frame.image.nbytes / 1000:.0f} kB, a crop {crop_bytes / 1000:.1f} kB")


if __name__ == "__main__":
    main()
