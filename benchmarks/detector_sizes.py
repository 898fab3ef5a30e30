"""What the detector's input size costs, and what it finds.

    python benchmarks/detector_sizes.py --data DIR [--model DIR] [--sizes 288x160 ...] [--visits 352x192 ...] [--write]

For each size: CPU milliseconds of a 640x360 frame on one thread (letterbox and suppression included; sizes measured in
turn, the fastest round of each counts); AP50 and recall at a precision of 0.9 on the labelled frames of the real clips
and on the composed clips; AP50 by height on the everyday photos of split test. 95 % bootstrap intervals in brackets.
For the sizes of `--visits` also the visits and alerts of `accuracy.py`, all clips added up. `--write` puts the tables
into docs/benchmarks.md.
"""

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
from accuracy import measure as visits_of_clip
from measuring import put, table

from vestibule import config, demo
from vestibule.detectors import SHIPPED
from vestibule.stages import load_models
from vestibule_models.artifact import ZOO
from vestibule_models.evaluate import size_wh
from vestibule_models.evaluate_persons import (
    LOWEST_TIMED_SCORE,
    compare,
    load_detector,
    milliseconds,
    network_of,
    sum_up,
)
from vestibule_models.garment_tables import interval
from vestibule_models.persons_frames import EVERYDAY, FRAMES, read_sets
from vestibule_models.persons_metrics import HEIGHTS_PX, Matched, within
from vestibule_models.persons_sources import Photo

SIZES = ("288x160", "352x192", "416x224", "512x288", "640x384")
VISITS = ("288x160", "352x192", "512x288")
COMPOSED = "composed clips"
SMALL = ("under 64 px", "64 to 128 px", "128 to 256 px")
ROUNDS = 4
COUNTED = ("visitors", "counted once", "twice", "missed", "other visits", "id switches", "alerts right", "wrong")
COUNTED_TOO = ("duplicate", "alerts missed")


def cpu_ms(model: Path, sizes: Sequence[str]) -> dict[str, float]:
    """Return what a frame costs at each size."""
    finds = {size: network_of(model, input_wh=size_wh(size), lowest_score=LOWEST_TIMED_SCORE) for size in sizes}
    rounds = [{size: milliseconds(find, 20) for size, find in finds.items()} for _ in range(ROUNDS)]
    return {size: min(each[size] for each in rounds) for size in sizes}


def found_table(model: Path, sizes: Sequence[str], sets: dict[str, list[Photo]]) -> str:
    """Return a row for each size."""
    spent = cpu_ms(model, sizes)
    rows = []
    for size in sizes:
        frames = {name: compare(network_of(model, input_wh=size_wh(size)), sets[name]) for name in sets}
        cells = [cell for name in (FRAMES, COMPOSED) for cell in cells_of(frames[name])]
        cells += [interval(sum_up(of_height(frames[EVERYDAY], height)).ap50) for height in SMALL]
        rows.append([size, f"{spent[size]:.1f}", *cells])
    header = ["input", "CPU ms"]
    for name, short in ((FRAMES, "labelled frames"), (COMPOSED, "composed clips")):
        people = sum(len(photo.people) for photo in sets[name])
        header += [f"{short}, {people} people: AP50", "recall"]
    return table([*header, *(f"photos, {height}: AP50" for height in SMALL)], rows)


def of_height(frames: Sequence[Matched], height: str) -> list[Matched]:
    """Keep the people of a range of heights, in pictures 640 pixels wide."""
    return [within(frame, *HEIGHTS_PX[height]) for frame in frames]


def cells_of(frames: list[Matched]) -> list[str]:
    """Return AP50 and recall at a precision of 0.9."""
    found = sum_up(frames)
    return [interval(found.ap50), interval(found.recall_at_p90)]


def visits_table(model: Path, sizes: Sequence[str], data: Path) -> str:
    """Return a row for each size, the demo's clip and the composed ones added up."""
    rows = []
    for size in sizes:
        detector = {"model": model, "input_size": size}
        plain = config.Settings.model_validate({"detector": detector})
        of_demo = config.load(demo.HERE / "demo.toml")
        clips = [(demo.HERE / "demo.mp4", of_demo.model_copy(update={"detector": plain.detector}))]
        clips += [(clip, plain) for clip in sorted((data / "clips").glob("*.mp4"))]
        models = load_models(plain)
        total = Counter[str]()
        for clip, settings in clips:
            row: dict[str, Any] = visits_of_clip(clip, settings, None, models)
            total.update({name: row[name] for name in (*COUNTED, *COUNTED_TOO)})
        rows.append([size, *(total[name] for name in (*COUNTED, *COUNTED_TOO))])
    return table(["input", *COUNTED, *COUNTED_TOO], rows)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("VESTIBULE_DATA"))
    parser.add_argument("--model", type=Path, default=ZOO / SHIPPED)
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="WxH")
    parser.add_argument("--visits", nargs="*", default=VISITS, metavar="WxH")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    args = parser.parse_args()
    if not args.data:
        parser.error("name the folder of clips and persons-v1 with --data, or in VESTIBULE_DATA")
    cv2.setNumThreads(1)
    data, manifest = Path(args.data), load_detector(args.model)
    parts = [f"{manifest.name} {manifest.version}:", found_table(args.model, args.sizes, read_sets(data, "test"))]
    print("\n\n".join(parts), flush=True)
    if args.visits:
        parts.append(visits_table(args.model, args.visits, data))
        print(f"\n{parts[-1]}", flush=True)
    if args.write:
        put("sizes", "\n\n".join(parts))


if __name__ == "__main__":
    main()
