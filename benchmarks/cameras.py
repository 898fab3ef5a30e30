"""How many cameras one box serves: 1080p25 H.264 over RTSP, analysed at 5 frames/s.

    python benchmarks/cameras.py [--seconds 8] [--most 28]

Cameras are added until the 95th percentile of a frame's age, when what follows from it is published, is above 500 ms,
or more than one frame in a hundred is dropped for lack of time, twice in a row. *busy* has people in view all the time
(the demo's scene), *quiet* shows an empty store. Both have a sensor's grain. CPU is in per cent of one core and camera.

The RTSP server runs on the same cores as what is measured, in a process of its own: what it takes is shown, and the
limit would be that much higher with cameras that bring their own processor.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from clips import camera
from live import SHARES, LiveRun, RtspServer, run_live
from measuring import cpu_s_of, percentiles, table

from vestibule.config import Settings
from vestibule.cores import available_cores
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.stages import Models, load_models

STEPS = (1, 2, 4, 8, 10, 12, 16, 20, 24, 28)
MOST_AGE_S, MOST_DROPPED = 0.5, 0.01
_WARM_UP_S, _OPENING_S = 2.0, 0.35


def measure(clip: Path, count: int, seconds: float, models: Models) -> tuple[LiveRun, float]:
    """Run so many cameras on one clip; returns the run, and the server's CPU seconds a second."""
    with RtspServer(clip) as server:
        settings = Settings(
            cameras=tuple(CameraConfig(id=f"camera-{number}", source=server.address) for number in range(count)),
            capture=CaptureConfig(analysed_fps=5),
        )
        before_s = cpu_s_of(server.process.pid)
        warm_up_s = _WARM_UP_S + _OPENING_S * count
        run = run_live(settings, models, seconds=seconds, warm_up_s=warm_up_s)
        return run, (cpu_s_of(server.process.pid) - before_s) / (warm_up_s + seconds)


def steps(clip: Path, seconds: float, most: int, models: Models) -> Iterator[tuple[int, LiveRun, float]]:
    """Yield (cameras, run, server's cores) for more and more cameras, the first that are too many included."""
    for count in STEPS:
        if count > most:
            return
        run, server = measure(clip, count, seconds, models)
        if not_kept_up(run):  # something else may have kept the machine busy just then
            run, server = measure(clip, count, seconds, models)
        yield count, run, server
        if not_kept_up(run):
            return


def not_kept_up(run: LiveRun) -> bool:
    """Whether these were too many cameras."""
    ages = sorted(run.ages_s) or [float("inf")]
    return ages[int(0.95 * (len(ages) - 1))] > MOST_AGE_S or run.dropped > MOST_DROPPED


def cameras_table(folder: Path, seconds: float, most: int) -> str:
    """Measure both scenes; return the table."""
    models, rows, kept = load_models(Settings()), [], {}
    for kind in ("quiet", "busy"):
        for count, run, server in steps(camera(folder, kind), seconds, most, models):
            total_s = sum(run.split_s.values())
            each = [f"{100 * run.split_s[name] / run.seconds / count:.1f}" for name in SHARES]
            rest = run.split_s["rest"] / total_s
            kept_up = not not_kept_up(run)
            if kept_up:
                kept[kind] = (count, total_s / run.seconds / count, server / count)
            rows.append(
                [
                    kind,
                    f"{count}{'' if kept_up else ', too many'}",
                    percentiles(run.ages_s),
                    f"{run.dropped:.1%}",
                    *each,
                    f"{rest:.1%}",
                    f"{100 * server / count:.1f}",
                ]
            )
    header = ["scene", "cameras", "age, ms: p50 / p95 / p99", "dropped", *SHARES, "rest, share of all", "RTSP server"]
    return table(header, rows) + "\n\n" + "\n".join(_summary(kind, *found) for kind, found in kept.items())


def _summary(kind: str, count: int, own: float, server: float) -> str:
    alone, cameras = available_cores() / own, "camera" if count == 1 else "cameras"
    return (
        f"- {kind}: **{count} {cameras}** kept up beside the server; one takes {own:.0%} of a core and its server "
        f"{server:.0%}, so that by CPU alone {alone:.0f} would fill these {available_cores()} cores"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--most", type=int, default=STEPS[-1])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(cameras_table(Path(folder), args.seconds, args.most))


if __name__ == "__main__":
    main()
