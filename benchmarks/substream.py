"""A camera's sub-stream for detection and its main stream for crops, against its main stream alone.

    python benchmarks/substream.py [--seconds 10] [--rounds 3] [--parts cpu skew views] [--data DIR]

- *cpu*: one camera over RTSP, 1080p25 H.264, with and without 640x360 beside it, analysed at 5 frames/s; *quiet* shows
  an empty store, *busy* the demo's scene. In per cent of one core; of several rounds the one with the least counts.
- *skew*: `substream_skew.py`.
- *views* (needs `--data` or VESTIBULE_DATA): `substream_views.py`.
"""

import argparse
import os
import tempfile
from pathlib import Path

import structlog
from clips import camera, sub_stream
from live import SHARES, LiveRun, RtspServer, run_live
from measuring import Load, table
from substream_skew import skew_table
from substream_views import views_table

from vestibule.config import Settings
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.stages import Models, load_models

_WARM_UP_S = 6.0
"""Both streams have begun, and those who stand about in the busy scene are known."""


def run(main: Path, sub: Path | None, seconds: float, models: Models) -> LiveRun:
    """Run one camera; with both streams if there are two."""
    with RtspServer(main, *([] if sub is None else ["--sub", str(sub)])) as server:
        detect_source = None if sub is None else server.sub_address
        one = CameraConfig(id="door", source=server.address, detect_source=detect_source)
        settings = Settings(cameras=(one,), capture=CaptureConfig(analysed_fps=5))
        return run_live(settings, models, seconds=seconds, warm_up_s=_WARM_UP_S)


def cpu_table(folder: Path, seconds: float, rounds: int) -> str:
    """Measure both scenes with one stream and with two, in turn; return the table."""
    models, rows = load_models(Settings()), []
    for kind in ("quiet", "busy"):
        main = camera(folder, kind)
        subs = {"1920x1080": None, "1920x1080 and 640x360": sub_stream(folder, main)}
        runs = [(name, run(main, sub, seconds, models)) for _ in range(rounds) for name, sub in subs.items()]
        best = {name: min((r for n, r in runs if n == name), key=_core) for name in subs}
        alone = _core(best["1920x1080"])
        for name, found in best.items():
            each = [f"{100 * found.split_s[share] / found.seconds:.1f}" for share in SHARES]
            fates = found.fates
            rows.append(
                [
                    kind,
                    name,
                    f"**{100 * _core(found):.1f}**",
                    *each,
                    f"{_core(found) / alone:.2f}",
                    f"{fates['crops'] / found.seconds:.1f}",
                    f"{fates['main_decoded'] / found.seconds:.1f}",
                    f"{fates['detailed']} / {fates['undetailed']}",
                ]
            )
    header = ["scene", "streams", "all", *SHARES, "of one stream's", "crops/s"]
    header += ["main pictures decoded/s", "detailed / undetailed"]
    return table(header, rows)


def _core(found: LiveRun) -> float:
    return sum(found.split_s.values()) / found.seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=("cpu", "skew", "views"), default=("cpu", "skew", "views"))
    parser.add_argument("--data", type=Path, default=os.environ.get("VESTIBULE_DATA"))
    args = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))  # errors only: tables are the output
    with tempfile.TemporaryDirectory() as place:
        parts = {
            "cpu": lambda: cpu_table(Path(place), args.seconds, args.rounds),
            "skew": lambda: skew_table(Path(place), args.seconds),
            "views": lambda: views_table(args.data),
        }
        for name in args.parts:
            with Load() as load:
                text = parts[name]()
            print(f"\n== {name}\n{text}\n\n{load}", flush=True)


if __name__ == "__main__":
    main()
