"""All figures of docs/benchmarks.md but those that need photos: `make bench`, within 15 minutes on two cores.

    python benchmarks/bench.py [--parts replay cameras ...] [--quick] [--rivals DIR]

Each part is a script of its own that can be run alone. What is measured replaces what stands between the part's
markers on the page. `--quick` tries whether everything runs, and writes nothing. `--rivals` names a folder in which
throw-away environments for the other programs are made (GB, minutes; without it the plain loop alone is compared).
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog
from cameras import STEPS, cameras_table
from growth import growth_tables
from latency import latency_table
from measuring import Load, machine, put
from pipeline import sizes_table
from rivals import rivals_table
from start import start_table


def parts(folder: Path, environment: Path | None, *, quick: bool) -> dict[str, Callable[[], str]]:
    """Return what there is to measure, by name, in the order in which it is done."""
    return {
        "start": lambda: start_table(folder, 1 if quick else 7),
        "growth": lambda: growth_tables(folder, 16 if quick else 160),  # early: others leave memory behind
        "replay": lambda: sizes_table(folder, 24 if quick else 120, 1 if quick else 3),
        "rivals": lambda: rivals_table(folder, 1 if quick else 2, environment),
        "cameras": lambda: cameras_table(folder, 2 if quick else 10, 1 if quick else STEPS[-1]),
        "latency": lambda: latency_table(folder, 15 if quick else 150, 1 if quick else 3),
    }


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", help="some only")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rivals", type=Path)
    args = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))  # errors only: tables are the output
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        work = parts(Path(place), args.rivals, quick=args.quick)
        if unknown := set(args.parts or ()) - work.keys():
            sys.exit(f"--parts {' '.join(sorted(unknown))}: unknown; there are {' '.join(work)}")
        for name in args.parts or work:
            with Load() as load:
                text = work[name]()
            text = f"{text.strip()}\n\n{datetime.now(UTC):%d %B %Y}; {load}."
            print(f"\n== {name}\n{text}", flush=True)
            if not args.quick:
                put(name, text)
    if not args.quick and not args.parts:
        put("machine", f"{machine()}. The whole run took {(time.monotonic() - began_s) / 60:.0f} minutes.")


if __name__ == "__main__":
    main()
