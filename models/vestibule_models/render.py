"""Rendered people and shops: the demo clip, the tests' footage, and cut-out people for training.

Needs Debian's `blender` (3.4) with `python3-numpy`, and the folder of VALID avatars with its `garments.csv`; no GPU.
Every command goes on where it was stopped: what is rendered already is kept in the output folder.
"""

import argparse
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from vestibule_models.render_compose import encode, pictures
from vestibule_models.render_demo import DEMO
from vestibule_models.render_footage import FOOTAGE
from vestibule_models.render_pairs import PAIRS
from vestibule_models.render_scene import Scene
from vestibule_models.render_sprites import as_job, plan, read_wardrobes
from vestibule_models.render_truth import truth

START = """
import sys
sys.path.insert(0, {root!r})
from vestibule_models.render_blender import main
main({job!r})
"""
"""What Blender's own Python runs: this package is not installed there."""
_NO_NUMPY = b"No module named 'numpy'"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `vestibule-models render`."""
    parser.add_argument("what", choices=("demo", "footage", "sprites"), help="what to render")
    parser.add_argument("--avatars", type=Path, required=True, help="folder of the avatars (*.glb, garments.csv)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the clips and truth files, or sprites")
    parser.add_argument("--only", help="of the footage, only the clip of this name")
    parser.add_argument("--seed", type=int, default=7, help="of the sprites' plan (default %(default)s)")
    parser.add_argument("--blender", default="blender", help="the program (default: %(default)s on the PATH)")


def run(args: argparse.Namespace) -> int:
    """Render; return 0.

    Raises:
        FileNotFoundError: Blender, the avatars or the clip asked for do not exist.
        ChildProcessError: Blender failed.
    """
    blender = shutil.which(args.blender)
    if blender is None:
        raise FileNotFoundError(f"blender: no program {args.blender!r} on the PATH; apt-get install blender")
    if not (args.avatars / "garments.csv").is_file():
        raise FileNotFoundError(f"--avatars: {args.avatars} has no garments.csv; give the avatars' folder")
    wardrobes = read_wardrobes(args.avatars)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.what == "sprites":
        call_blender(blender, as_job(args.avatars, args.out, plan(wardrobes, args.seed)), args.out)
        return 0
    scenes = [s for s in ((DEMO,) if args.what == "demo" else (*FOOTAGE, *PAIRS)) if args.only in {None, s.name}]
    if not scenes:
        names = ", ".join(s.name for s in (*FOOTAGE, *PAIRS))
        raise FileNotFoundError(f"--only: no clip {args.only!r}; there are {names}")
    for scene in scenes:
        folder = args.out / "frames" / scene.name
        folder.mkdir(parents=True, exist_ok=True)
        call_blender(blender, scene.as_job(args.avatars, folder, range(scene.frames)), folder)
        finish(scene, folder, args.avatars, args.out)
    return 0


def call_blender(blender: str, job: dict[str, Any], folder: Path) -> None:
    """Do a job inside Blender; its chatter goes to `blender.log` in the folder.

    Raises:
        ChildProcessError: Blender failed; the message names the log.
    """
    path, log = folder / "job.json", folder / "blender.log"
    path.write_text(json.dumps(job), encoding="utf-8")
    with log.open("wb") as chatter:
        start = START.format(root=str(Path(__file__).resolve().parents[1]), job=str(path.resolve()))
        command = [blender, "-b", "--python-exit-code", "1", "--python-expr", start]
        code = subprocess.run(command, stdout=chatter, stderr=subprocess.STDOUT, check=False).returncode
    if code:
        if _NO_NUMPY in log.read_bytes():
            raise ChildProcessError(
                f"blender: its Python has no numpy; apt-get install python3-numpy where Blender is Debian's, else "
                f"install numpy into Blender's own Python (see {log})"
            )
        raise ChildProcessError(f"blender: exit code {code}; see {log}")


def finish(scene: Scene, folder: Path, avatars: Path, out: Path) -> None:
    """Compose the rendered parts in `folder` into NAME.mp4 and NAME.truth.json in `out`."""
    encode(scene, pictures(scene, folder), out / f"{scene.name}.mp4")
    facts = [
        json.loads((folder / "people" / f"{frame:05d}.json").read_text(encoding="utf-8"))
        for frame in range(scene.frames)
    ]
    found = truth(scene, facts, read_wardrobes(avatars))
    (out / f"{scene.name}.truth.json").write_text(json.dumps(found, separators=(",", ":")) + "\n", encoding="utf-8")
