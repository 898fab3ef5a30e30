"""What runs inside Blender; `main(JOB.json)` does what the job says.

Debian's Blender 3.4 brings its own Python 3.11 with numpy; nothing else may be imported here.
"""

import csv
import json
import math
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from vestibule_models.render_avatar import Avatar
from vestibule_models.render_camera import SENSOR_MM, Camera
from vestibule_models.render_clip import clip
from vestibule_models.render_gait import walking
from vestibule_models.render_recolour import Dye
from vestibule_models.render_setup import aim, cut_to, empty_scene
from vestibule_models.render_types import Bpy

SPRITE_PX_PER_M = 256 / 1.8
SPRITE_SPAN_M = 4.0
"""What a sprite's whole picture would span at the body's distance; only the body's part is rendered."""
INDEX_COLUMNS = ("file", "avatar", "pitch_deg", "heading_deg", "recoloured", "split")


def add_lamp(scene: Bpy, at: tuple[float, float, float], size_m: float, power_w: float) -> Bpy:
    """A square lamp that shines straight down."""
    light = bpy.data.lights.new("lamp", "AREA")
    light.energy, light.size = power_w, size_m
    lamp = bpy.data.objects.new("lamp", light)
    lamp.location = at
    scene.collection.objects.link(lamp)
    return lamp


def sprites(job: dict[str, Any]) -> None:
    """Render each view tightly cut; append its row to `index.csv` at once; skip what is there already."""
    out = Path(job["out"])
    out.mkdir(parents=True, exist_ok=True)
    index = out / "index.csv"
    fresh = not index.exists()
    with index.open("a", encoding="utf-8", newline="", buffering=1) as file:
        rows = csv.writer(file, lineterminator="\n")
        if fresh:
            rows.writerow(INDEX_COLUMNS)
        for name in dict.fromkeys(v["avatar"] for v in job["views"]):
            todo = [v for v in job["views"] if v["avatar"] == name and not (out / v["file"]).exists()]
            if not todo:
                continue
            scene = empty_scene(samples=12)
            lamp = add_lamp(scene, (0, 0, 3), 1.5, 0)
            avatar = Avatar(f"{job['avatars']}/{name}.glb")
            dye = Dye(avatar.body)
            for view in todo:
                _light(scene, lamp, view)
                if view["tints"]:
                    dye.apply(view["tints"])
                else:
                    dye.restore()
                _sprite(scene, avatar, view, out / view["file"])
                recoloured = int(bool(view["tints"]))
                rows.writerow([view["file"], name, view["pitch_deg"], view["heading_deg"], recoloured, view["split"]])


def _light(scene: Bpy, lamp: Bpy, view: dict[str, Any]) -> None:
    warmth, azimuth = view["warmth"], math.radians(view["lamp_azimuth_deg"])
    background = scene.world.node_tree.nodes["Background"].inputs
    background[0].default_value = (1 + warmth, 1, 1 - warmth, 1)
    background[1].default_value = view["sky"]
    lamp.data.energy = view["lamp_w"]
    lamp.data.color = (1, 1 - max(0.0, warmth), 1 - 2 * max(0.0, warmth))
    lamp.location = (1.5 * math.sin(azimuth), -1.5 * math.cos(azimuth), 2.9)


def _sprite(scene: Bpy, avatar: Avatar, view: dict[str, Any], path: Path) -> None:
    """One picture: the camera is aimed at the body's middle, the picture cut to the body's exact outline."""
    pose = walking(avatar.legs, view["phase"], view["stride_m"])
    avatar.place(0, 0, math.radians(view["heading_deg"] - 90), pose)
    pitch, away_m = math.radians(view["pitch_deg"]), view["distance_m"]
    side_px = round(SPRITE_SPAN_M * SPRITE_PX_PER_M)
    camera = Camera(
        at_m=(0, -away_m * math.cos(pitch), 0.9 + away_m * math.sin(pitch)),
        pitch_deg=view["pitch_deg"],
        yaw_deg=0,
        lens_mm=SENSOR_MM * away_m / SPRITE_SPAN_M,
        size_px=(side_px, side_px),
    )
    aim(scene, camera)
    bpy.context.view_layer.update()
    seen = camera.project(avatar.triangles()).reshape(-1, 3)
    cut_to(scene, camera, np.floor(seen[:, :2].min(0)), np.ceil(seen[:, :2].max(0)))
    path.parent.mkdir(parents=True, exist_ok=True)
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def main(job_path: str) -> None:
    """Read the job and do it: `mode` is sprites or clip, the rest is its plan."""
    for name, builtin in (("bool", bool), ("object", object), ("float", float), ("int", int)):
        if name not in np.__dict__:  # Blender 3.4's glTF importer uses names that numpy 1.24 dropped
            setattr(np, name, builtin)
    job = json.loads(Path(job_path).read_text(encoding="utf-8"))
    {"sprites": sprites, "clip": clip}[job["mode"]](job)
