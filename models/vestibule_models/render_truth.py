"""What is true in a rendered clip: who is seen when and where, who wears what, who enters and leaves."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from vestibule_models.render_camera import Camera
from vestibule_models.render_scene import Floor, Person, Row, Scene
from vestibule_models.render_sprites import Wardrobe

SEEN = 0.6
"""A person counts as visible while at least this share of the outline is in the frame and not hidden."""
BOXED = 0.05
"""Boxes are given from this share on."""
BLINK = 2
"""Shorter breaks of the visibility, in frames, are the measurement's noise."""


def side(point: Sequence[float], line: tuple[Floor, Floor]) -> float:
    """Positive on the left of the line, negative on its right, in square metres (twice the triangle's area)."""
    (ax, ay), (bx, by) = line
    return (bx - ax) * (point[1] - ay) - (by - ay) * (point[0] - ax)


def crossings(
    rows: Sequence[Row], fps: int, line: tuple[Floor, Floor], inside: Floor
) -> tuple[list[float], list[float]]:
    """When somebody's feet cross the line inwards, and when outwards, in seconds to a hundredth.

    Crossing the line's prolongation beyond its ends does not count.
    """
    inwards: list[float] = []
    outwards: list[float] = []
    sign = 1.0 if side(inside, line) > 0 else -1.0
    for frame, (before, after) in enumerate(pairwise(rows)):
        if before is None or after is None:
            continue
        here, there = sign * side(before, line), sign * side(after, line)
        if (here > 0) == (there > 0):
            continue
        share = here / (here - there)
        at = (before[0] + share * (after[0] - before[0]), before[1] + share * (after[1] - before[1]))
        if _within(at, line):
            (inwards if there > 0 else outwards).append(round((frame + share) / fps, 2))
    return inwards, outwards


def _within(point: Floor, line: tuple[Floor, Floor]) -> bool:
    (ax, ay), (bx, by) = line
    along = (point[0] - ax) * (bx - ax) + (point[1] - ay) * (by - ay)
    return 0 <= along <= (bx - ax) ** 2 + (by - ay) ** 2


def intervals(visible: Sequence[bool], fps: int) -> list[list[float]]:
    """Runs of True as [start, end] in seconds; breaks and runs of up to `BLINK` frames are smoothed away."""
    runs: list[list[int]] = []
    for frame in (k for k, seen in enumerate(visible) if seen):
        if runs and frame - runs[-1][1] <= BLINK + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    return [[round(a / fps, 2), round((b + 1) / fps, 2)] for a, b in runs if b - a >= BLINK]


def clipped(box: Sequence[float], size_px: tuple[int, int]) -> list[float]:
    """A box cut to the frame, to a tenth of a pixel."""
    width, height = size_px
    limits = ((0, width), (0, height), (0, width), (0, height))
    return [round(float(min(max(v, low), high)), 1) for v, (low, high) in zip(box, limits, strict=True)]


def outline(camera: Camera, corners_m: Sequence[tuple[float, float, float]]) -> list[list[float]]:
    """The convex polygon around these points in the picture, in fractions of the frame, cut to it."""
    seen = camera.project(np.array(corners_m, np.float64))[:, :2]
    hull = cv2.convexHull(seen.astype(np.float32))[:, 0]
    frame = np.array([[0, 0], [camera.size_px[0], 0], camera.size_px, [0, camera.size_px[1]]], np.float32)
    _, cut = cv2.intersectConvexConvex(hull, frame)
    return [[round(float(x), 4), round(float(y), 4)] for x, y in cut[:, 0] / camera.size_px]


def clip_facts(
    name: str, camera: Camera, length: tuple[int, int], entrance_m: tuple[tuple[Floor, Floor], Floor]
) -> dict[str, Any]:
    """What a truth file says of the clip itself.

    Args:
        name: of its file, without the ending.
        camera: that sees it.
        length: frames a second, and frames.
        entrance_m: the line on the floor and a point inside.
    """
    line_m, inside_m = entrance_m
    return {
        "clip": f"{name}.mp4",
        "size": list(camera.size_px),
        "fps": length[0],
        "frames": length[1],
        "entrance": {
            "line": camera.fractions(np.array([[*end, 0.0] for end in line_m])),
            "inside": camera.fractions(np.array([[*inside_m, 0.0]]))[0],
        },
    }


def truth(scene: Scene, facts: Sequence[dict[str, Any]], wardrobes: Sequence[Wardrobe]) -> dict[str, Any]:
    """The truth file of a clip.

    Args:
        scene: what was rendered.
        facts: for each frame what Blender wrote: `{"people": {name: {"box", "seen"}}}`.
        wardrobes: what the avatars wear.
    """
    worn = {w.name: w for w in wardrobes}
    names = dict.fromkeys(p.name for p in scene.people)
    camera = scene.camera
    made = clip_facts(scene.name, camera, (scene.fps, scene.frames), (scene.line_m, scene.inside_m))
    made["people"] = [_person(name, [p for p in scene.people if p.name == name], scene, facts, worn) for name in names]
    if scene.staff_m:
        made["staff_zone"] = outline(camera, scene.staff_m)
    return made


def _person(
    name: str,
    parts: Sequence[Person],
    scene: Scene,
    facts: Sequence[dict[str, Any]],
    worn: dict[str, Wardrobe],
) -> dict[str, Any]:
    seen = [f["people"].get(name, {"box": None, "seen": 0.0}) for f in facts]
    boxed = [(k, s) for k, s in enumerate(seen) if s["box"] is not None and s["seen"] >= BOXED]
    enters: list[float] = []
    leaves: list[float] = []
    for part in parts:
        inwards, outwards = crossings(part.steps(scene.frames, scene.fps), scene.fps, scene.line_m, scene.inside_m)
        enters += inwards
        leaves += outwards
    wardrobe = worn[parts[0].avatar]
    return {
        "name": name,
        "avatar": parts[0].avatar,
        "role": parts[0].role,
        "garments": list(wardrobe.garments),
        "garments_unknown": list(wardrobe.unknown),
        "visible_s": intervals([s["seen"] >= SEEN for s in seen], scene.fps),
        "enters_s": sorted(enters),
        "leaves_s": sorted(leaves),
        "boxes": [[k, *clipped(s["box"], scene.camera.size_px)] for k, s in boxed],
        "seen": [s["seen"] for _, s in boxed],
    }
