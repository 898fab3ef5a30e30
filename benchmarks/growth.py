"""What grows with the number of cameras, with the people in view, and with the length of a recording.

    python benchmarks/growth.py [--frames 120]

- *cameras*: the demo's clip from 1 to 16 cameras at once, frames interleaved, through one set of stages; CPU
  milliseconds a frame, and resident memory.
- *people*: 0 to 30 boxes that walk about over a noisy picture stand in for the detector, all else is real: what
  tracking, cropping, colours, visits and reading cost a frame.
- *length*: memory resident while the quiet clip is replayed again and again as one long recording.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import numpy as np
from clips import BUSY, quiet
from measuring import resident_mib, table

from vestibule.config import Settings
from vestibule.inline import run_inline
from vestibule.motion_section import MotionConfig
from vestibule.sections import CameraConfig
from vestibule.sources.replay import ReplaySource
from vestibule.stages import Models, build_stages, load_models
from vestibule.types import Detections, Frame

CAMERAS, PEOPLE, LENGTHS = (1, 2, 4, 8, 16), (0, 1, 5, 10, 20, 30), (1, 2, 4, 8)
_SIZE_WH = (1280, 720)
_PERSON_WH = (60, 160)


class Walkers:
    """In place of the detector: so many boxes that walk to and fro, in rows."""

    def __init__(self, models: Models, people: int) -> None:
        self.manifest, self.runtime = models.detector.manifest, "none"
        self._numbers = np.arange(people)

    def detect(self, frame: Frame) -> Detections:
        """Return where they are now."""
        room = _SIZE_WH[0] - _PERSON_WH[0]
        way = (self._numbers * 211 + frame.captured_at_s * (40 + 5 * (self._numbers % 7))) % (2 * room)
        left = np.where(way < room, way, 2 * room - way)
        top = 20 + self._numbers % 4 * 170
        boxes = np.stack([left, top, left + _PERSON_WH[0], top + _PERSON_WH[1]], axis=1).astype(np.float32)
        return Detections(frame=frame, boxes_xyxy=boxes.reshape(-1, 4), scores=np.full(len(boxes), 0.9, np.float32))


def cpu_ms_a_frame(play: Callable[[], Iterator[Frame]], settings: Settings, models: Models) -> float:
    """Return CPU milliseconds a frame, decoding included; the second of two runs, as the first warms up."""
    for _ in range(2):
        frames = list(play())
        began_s = time.process_time()
        run_inline(iter(frames), build_stages(settings, settings.cameras, models), lambda _: None)
        taken_s = time.process_time() - began_s
    return 1000 * taken_s / len(frames)


def by_cameras(frames: int, models: Models) -> str:
    """Measure one to sixteen cameras; return the table."""
    rows = []
    for count in CAMERAS:
        cameras = tuple(CameraConfig(id=f"camera-{number}", source="replay") for number in range(count))
        each = list(islice(ReplaySource(BUSY, cameras[0], 0.0).frames(), max(12, frames // count)))

        def play(each: list[Frame] = each, cameras: tuple[CameraConfig, ...] = cameras) -> Iterator[Frame]:
            return (replace(frame, camera_id=camera.id) for frame in each for camera in cameras)

        ms = cpu_ms_a_frame(play, Settings(cameras=cameras), models)
        rows.append([count, f"{ms:.2f}", f"{resident_mib():.0f}"])
    return table(["cameras", "CPU ms a frame", "resident MiB, this script's frames included"], rows)


def by_people(frames: int, models: Models) -> str:
    """Measure an empty to a crowded picture; return the table."""
    noise = np.random.default_rng(1).integers(40, 200, (_SIZE_WH[1], _SIZE_WH[0], 3), np.uint8)
    settings = Settings(cameras=(CameraConfig(id="camera", source="replay"),), motion=MotionConfig(enabled=False))

    def play() -> Iterator[Frame]:
        return (Frame(camera_id="camera", seq=n, captured_at_s=n / 10, image=noise) for n in range(frames))

    rows = []
    for people in PEOPLE:
        ms = cpu_ms_a_frame(play, settings, replace(models, detector=Walkers(models, people)))
        rows.append([people, f"{ms:.2f}", f"{ms / people:.2f}" if people else "-"])
    return table(["people", "CPU ms a frame, without decoding and detector", "a person"], rows)


def by_length(folder: Path, models: Models) -> str:
    """Measure longer and longer recordings; return the table."""
    clip, camera = quiet(folder), CameraConfig(id="camera", source="replay")
    settings = Settings(cameras=(camera,))
    rows = []
    for length in LENGTHS:
        end_s = 0.0

        def one(start_s: float) -> Iterator[Frame]:
            nonlocal end_s
            source = ReplaySource(clip, camera, start_s)
            yield from source.frames()
            end_s = source.end_s

        play = chain.from_iterable(one(end_s) for _ in range(length))
        run_inline(play, build_stages(settings, settings.cameras, models), lambda _: None)
        rows.append([f"{end_s:.0f}", f"{resident_mib():.0f}"])
    return table(["seconds of recording", "resident MiB at its end"], rows)


def growth_tables(folder: Path, frames: int) -> str:
    """Measure all three; return the tables."""
    models = load_models(Settings())
    lengths = by_length(folder, models)  # first: while nothing else has used memory
    return "\n\n".join([by_cameras(frames, models), by_people(frames, models), lengths])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=120)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(growth_tables(Path(folder), args.frames))


if __name__ == "__main__":
    main()
