"""Seconds and memory from the start of the process to the first frame analysed.

    python benchmarks/start.py [--runs 5]

Each run is `vestibule replay` of a clip of one frame, as its user runs it, from nothing to the exit: Python, imports,
networks, the frame, and the events file. The median counts. Beside it stands Python alone with the imports of numpy
and OpenCV, below which nothing that uses them can get.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from clips import BUSY, pictures, write
from measuring import table


def run(command: list[str]) -> tuple[float, float, float]:
    """Return (wall seconds, CPU seconds, peak MiB) of a command.

    Raises:
        SystemExit: it failed.
    """
    began_s = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - began_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def start_table(folder: Path, runs: int) -> str:
    """Measure; return the table."""
    clip, settings = folder / "one-frame.mp4", folder / "vestibule.toml"
    write(clip, pictures(BUSY, 1), 12)
    settings.touch()
    replay = ["-m", "vestibule", "replay", str(clip), "--config", str(settings), "--out", str(folder / "events.jsonl")]
    commands = {"`vestibule replay` of one frame": replay, "Python, numpy, OpenCV": ["-c", "import numpy, cv2"]}
    rows = []
    for name, arguments in commands.items():
        figures = [run([sys.executable, *arguments]) for _ in range(runs + 1)][1:]
        wall_s, cpu_s, peak_mib = (statistics.median(column) for column in zip(*figures, strict=True))
        rows.append([name, f"{wall_s:.2f}", f"{cpu_s:.2f}", f"{peak_mib:.0f}"])
    return table(["", "seconds", "of CPU", "peak MiB"], rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(start_table(Path(folder), args.runs))


if __name__ == "__main__":
    main()
