"""Against what people would write instead, on an empty-most-of-the-time clip and on a busy one.

    python benchmarks/rivals.py [--rounds 3] [--environment DIR]

*plain* is a loop over the same two networks; *supervision* is that with its makers' ByteTrack; *inference* is
roboflow's pipeline around it. See `rival_loop.py`. The last two are installed, with --environment, into throw-away
environments made there (minutes, 0.3 to 7 GB); what does not install is said and left out. Rounds are interleaved and
the fastest counts; loading is not counted for anybody.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

from clips import BUSY, quiet
from measuring import table

from vestibule.config import Settings
from vestibule.inline import run_inline
from vestibule.replay import choose_camera
from vestibule.sources.replay import ReplaySource
from vestibule.stages import Models, build_stages, load_models

LOOP = Path(__file__).with_name("rival_loop.py")
MODELS = Path(__file__).parents[1] / "models"
PACKAGES = {"supervision": "supervision", "inference": "inference"}
_NEEDED = ("ai-edge-litert", "numpy", "opencv-python-headless", "pydantic")
_INSTALL_S = 900.0
_RUN_S = 600.0


def install(folder: Path, name: str) -> Path | str:
    """Make an environment for one rival; return its Python, or why there is none."""
    python = folder / name / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", PACKAGES[name], "supervision", "trackers", *_NEEDED]
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder / name)], check=True, timeout=_INSTALL_S)
        subprocess.run(command, check=True, timeout=_INSTALL_S, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        check = [str(python), "-c", f"import {name}, supervision, trackers"]
        subprocess.run(check, check=True, timeout=_RUN_S, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        return f"not compared: {name} did not install here ({type(error).__name__})"
    return python


def run_rival(python: Path, mode: str, clip: Path, folder: Path) -> dict[str, float]:
    """Return what one run of the loop printed.

    Raises:
        SystemExit: it failed.
    """
    command = [str(python), str(LOOP), mode, str(clip), str(folder / "rival.jsonl")]
    environment = {**os.environ, "PYTHONPATH": str(MODELS)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=_RUN_S, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def write_line(file: BinaryIO, payload: bytes) -> None:
    """Write an event as a line."""
    file.write(payload + b"\n")


def run_ours(clip: Path, models: Models, folder: Path) -> dict[str, float]:
    """Return seconds and frames of the pipeline on a clip, its events written to a file."""
    settings = Settings()
    camera = choose_camera(settings, None)
    stages, frames = build_stages(settings, (camera,), models), 0

    def count(*_: object) -> None:
        nonlocal frames
        frames += 1

    with (folder / "events.jsonl").open("wb") as events:
        began_s = time.perf_counter()
        run_inline(ReplaySource(clip, camera, 0.0).frames(), stages, lambda m: write_line(events, m.payload), count)
        return {"seconds": time.perf_counter() - began_s, "frames": frames}


def rivals_table(folder: Path, rounds: int, environment: Path | None) -> str:
    """Measure; return the table and what could not be compared."""
    models, notes = load_models(Settings()), []
    pythons = {"plain": Path(sys.executable)}
    for name in PACKAGES:
        made = (
            f"not compared in this run: {name} (give --environment)"
            if environment is None
            else install(environment, name)
        )
        if isinstance(made, str):
            notes.append(f"- {made}")
        else:
            pythons[name] = made
    clips = {"mostly empty": quiet(folder), "busy": BUSY}
    best: dict[tuple[str, str], float] = {}
    for _ in range(rounds):
        for kind, clip in clips.items():
            for name in ("vestibule", *pythons):
                ours = name == "vestibule"
                found = run_ours(clip, models, folder) if ours else run_rival(pythons[name], name, clip, folder)
                rate = found["frames"] / found["seconds"]
                best[kind, name] = max(best.get((kind, name), 0.0), rate)
    rows = [
        [name, *(f"{best[kind, name]:.0f} ({best[kind, 'vestibule'] / best[kind, name]:.1f})" for kind in clips)]
        for name in ("vestibule", *pythons)
    ]
    header = [
        "frames/s (how many times as fast Vestibule is)",
        *(f"{kind}: {clip.name}" for kind, clip in clips.items()),
    ]
    return "\n".join([table(header, rows), "", *notes])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--environment", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(rivals_table(Path(folder), args.rounds, args.environment))


if __name__ == "__main__":
    main()
