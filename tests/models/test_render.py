import argparse
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from vestibule_models import render
from vestibule_models.render_demo import DEMO

CSV = "file,seen,unknown\nA.glb,Tee,\n"


def _args(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    render.configure(parser)
    return parser.parse_args(words)


@pytest.fixture
def avatars(tmp_path: Path) -> Path:
    folder = tmp_path / "avatars"
    folder.mkdir()
    (folder / "garments.csv").write_text(CSV, encoding="utf-8")
    return folder


def test_missing_blender_is_named_with_the_remedy(avatars: Path, tmp_path: Path) -> None:
    args = _args("demo", "--avatars", str(avatars), "--out", str(tmp_path), "--blender", "no-such-blender")
    with pytest.raises(FileNotFoundError, match=r"no-such-blender.*apt-get install blender"):
        render.run(args)


def test_missing_avatars_are_named(tmp_path: Path) -> None:
    args = _args("demo", "--avatars", str(tmp_path / "none"), "--out", str(tmp_path), "--blender", "true")
    with pytest.raises(FileNotFoundError, match=r"none has no garments\.csv"):
        render.run(args)


def test_unknown_clip_is_refused_with_the_names_there_are(avatars: Path, tmp_path: Path) -> None:
    args = _args("footage", "--avatars", str(avatars), "--out", str(tmp_path), "--only", "x", "--blender", "true")
    with pytest.raises(FileNotFoundError, match=r"'x'.*line.*steep"):
        render.run(args)


def test_failure_of_blender_names_the_log(avatars: Path, tmp_path: Path) -> None:
    args = _args("sprites", "--avatars", str(avatars), "--out", str(tmp_path / "out"), "--blender", "false")
    with pytest.raises(ChildProcessError, match=r"blender\.log"):
        render.run(args)


def test_a_blender_without_numpy_says_what_to_install(avatars: Path, tmp_path: Path) -> None:
    blender = tmp_path / "blender"
    blender.write_text("#!/bin/sh\necho \"ModuleNotFoundError: No module named 'numpy'\"\nexit 1\n", encoding="utf-8")
    blender.chmod(0o755)
    args = _args("sprites", "--avatars", str(avatars), "--out", str(tmp_path / "out"), "--blender", str(blender))
    with pytest.raises(ChildProcessError, match="apt-get install python3-numpy") as refused:
        render.run(args)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_one_tiny_frame_of_the_demo_really_renders(tmp_path: Path) -> None:
    blender, data = shutil.which("blender"), os.environ.get("VESTIBULE_DATA")
    if blender is None or data is None:
        pytest.skip("needs blender on the PATH and VESTIBULE_DATA with avatars/")
    frame = 60
    scene = replace(
        DEMO,
        camera=replace(DEMO.camera, size_px=(160, 90)),
        people=tuple(p for p in DEMO.people if p.name == "dress"),
        people_samples=1,
        room_samples=1,
    )
    render.call_blender(blender, scene.as_job(Path(data) / "avatars", tmp_path, [frame]), tmp_path)
    room = cv2.imread(str(tmp_path / "room.png"))
    assert room is not None
    assert room.shape == (90, 160, 3)
    assert room.std() > 10  # not an even grey
    facts = json.loads((tmp_path / "people" / f"{frame:05d}.json").read_text(encoding="utf-8"))
    person, (cut,) = facts["people"]["dress"], facts["cuts"]
    layer = cv2.imread(str(tmp_path / "people" / f"{frame:05d}.0.png"), cv2.IMREAD_UNCHANGED)
    assert layer is not None
    assert layer.shape == (cut[3] - cut[1], cut[2] - cut[0], 4)
    assert person["seen"] > 0.9
    # The box from the posed mesh is where the rendered person is, to a pixel of the renderer's filter.
    rows, columns = np.nonzero(layer[..., 3] > 127)
    found = [columns.min() + cut[0], rows.min() + cut[1], columns.max() + 1 + cut[0], rows.max() + 1 + cut[1]]
    assert found == pytest.approx(person["box"], abs=2)
