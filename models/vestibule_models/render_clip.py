"""The frames of a clip, inside Blender: the room once, then only the people, cut out to be laid over it."""

import json
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import numpy.typing as npt
from mathutils import Vector

from vestibule_models import render_room
from vestibule_models.render_avatar import Avatar
from vestibule_models.render_camera import Camera
from vestibule_models.render_cuts import parts
from vestibule_models.render_gait import walking
from vestibule_models.render_recolour import Dye
from vestibule_models.render_setup import aim, cut_to, empty_scene
from vestibule_models.render_types import Bpy

RAYS = 160
"""Points of a person's near side that are looked at to tell how much of the person is seen (about +-4 %)."""
BEHIND_M = 0.1
"""What is nearer to the camera than this does not count."""

Triangles = npt.NDArray[np.float32]


def clip(job: dict[str, Any]) -> None:
    """Render `room.png`, `floor.png`, `people/NNNNN.json` for every frame N of the job, and `people/NNNNN.K.png`.

    `floor.png` is opaque where the floor is seen: there the people's shadows may fall. The JSON file has the
    parts of the frame that the pictures K cover and, of each person, the box around the posed mesh (not
    clipped, pixels), the share of the near side that the camera sees and where the feet are (x, y, z, metres).
    Frames that are there already are skipped.
    """
    out = Path(job["out"])
    (out / "people").mkdir(parents=True, exist_ok=True)
    scene = empty_scene(samples=job["people_samples"])
    scene.cycles.max_bounces, scene.cycles.sample_clamp_indirect = 2, 2.0
    scene.view_settings.view_transform, scene.view_settings.look = "Filmic", "Medium High Contrast"
    scene.view_settings.exposure = job["exposure"]
    camera = Camera(**job["camera"])
    aim(scene, camera)
    getattr(render_room, job["set"])(job["set_seed"])
    furniture = [o for o in scene.objects if o.type in {"MESH", "FONT"}]
    cast = [(person, _dressed(job, person)) for person in job["people"]]
    if not (out / "room.png").exists():
        _room(scene, cast, job["room_samples"], out / "room.png")
    scene.render.film_transparent = True
    for obj in furniture:
        obj.is_holdout = not obj.name.startswith(render_room.FLOOR_NAME)
    if not (out / "floor.png").exists():
        _picture(scene, 1, out / "floor.png")
    for obj in furniture:
        obj.is_holdout = True
        _plain(obj)
    scene.cycles.samples = job["people_samples"]
    for frame in job["frames"]:
        path = out / "people" / f"{frame:05d}.json"
        if not path.exists():
            path.write_text(json.dumps(_frame(scene, camera, cast, frame, path)))


def _dressed(job: dict[str, Any], person: dict[str, Any]) -> Avatar:
    avatar = Avatar(f"{job['avatars']}/{person['avatar']}.glb")
    if person["tints"]:
        Dye(avatar.body).apply(person["tints"])
    return avatar


def _room(scene: Bpy, cast: list[tuple[dict[str, Any], Avatar]], samples: int, path: Path) -> None:
    """The room with those who never move."""
    scene.render.film_transparent = False
    scene.render.use_border = False
    for person, avatar in cast:
        avatar.show(person["role"] == "mannequin")
        if person["role"] == "mannequin":
            _stand(person, avatar, 0)
    _picture(scene, samples, path)
    for _, avatar in cast:
        avatar.show(False)


def _picture(scene: Bpy, samples: int, path: Path) -> None:
    scene.cycles.samples = samples
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def _stand(person: dict[str, Any], avatar: Avatar, frame: int) -> bool:
    """Put a person where the frame has them; False if they are not on the stage."""
    step = person["steps"][frame] if frame < len(person["steps"]) else None
    if step is not None:
        x, y, heading, phase, stride, idle_s = step
        avatar.place(x, y, heading, walking(avatar.legs, phase, stride, idle_s), person["floor_m"])
    return step is not None


def _frame(
    scene: Bpy, camera: Camera, cast: list[tuple[dict[str, Any], Avatar]], frame: int, path: Path
) -> dict[str, Any]:
    present = []
    for person, avatar in cast:
        on_stage = _stand(person, avatar, frame)
        avatar.show(on_stage)
        if on_stage:
            present.append((person, avatar))
    bpy.context.view_layer.update()
    surfaces = [avatar.triangles() for _, avatar in present]
    people = {
        person["name"]: {
            "box": _box(camera, surface),
            "seen": _seen(scene, camera, avatar, surface, frame),
            "feet": avatar.feet(),
            "moves": person["role"] != "mannequin",
        }
        for (person, avatar), surface in zip(present, surfaces, strict=True)
    }
    moving = []
    for person, avatar in present:
        avatar.show(person["role"] != "mannequin")  # already in the room's picture
        if person["role"] != "mannequin" and people[person["name"]]["box"] is not None:
            moving.append(people[person["name"]]["box"])
    scene.cycles.seed = frame
    cuts = parts(moving, camera.size_px)
    for number, (x0, y0, x1, y1) in enumerate(cuts):
        cut_to(scene, camera, (x0, y0), (x1, y1))
        _picture(scene, scene.cycles.samples, path.with_suffix(f".{number}.png"))
    return {"cuts": cuts, "people": people}


def _plain(obj: Bpy) -> None:
    """Give furniture one even colour: once it only reflects light on people, its grain costs time for nothing."""
    for slot in obj.material_slots:
        tree = slot.material.node_tree
        for link in list(tree.nodes["Principled BSDF"].inputs["Base Color"].links):
            tree.links.remove(link)


def _box(camera: Camera, surface: Triangles) -> list[float] | None:
    """Around the whole projected surface, unclipped; None if it is behind the camera or out of the picture."""
    seen = camera.project(surface).reshape(-1, 3)
    seen = seen[seen[:, 2] > BEHIND_M]
    if not len(seen):
        return None
    x0, y0, x1, y1 = (float(v) for v in (*seen[:, :2].min(0), *seen[:, :2].max(0)))
    width, height = camera.size_px
    if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
        return None
    return [round(v, 2) for v in (x0, y0, x1, y1)]


def _seen(scene: Bpy, camera: Camera, avatar: Avatar, surface: Triangles, frame: int) -> float:
    """Share of the person's outline that the camera sees: neither outside the frame nor behind anything.

    Rays from the camera to points drawn from the triangles that face it, by their area in the picture.
    """
    flat = camera.project(surface)
    ahead = (flat[..., 2] > BEHIND_M).all(-1)
    ab, ac = flat[:, 1, :2] - flat[:, 0, :2], flat[:, 2, :2] - flat[:, 0, :2]
    area = ab[:, 1] * ac[:, 0] - ab[:, 0] * ac[:, 1]  # y points down: facing triangles have it positive
    area = np.where(ahead & (area > 0), area, 0)
    if not area.sum():
        return 0.0
    drawn = np.random.default_rng(frame).choice(len(area), RAYS, p=area / area.sum())
    targets, places = surface[drawn].mean(1), flat[drawn].mean(1)
    width, height = camera.size_px
    inside = (places[:, 0] >= 0) & (places[:, 1] >= 0) & (places[:, 0] < width) & (places[:, 1] < height)
    depsgraph, eye = bpy.context.evaluated_depsgraph_get(), Vector(camera.at_m)
    own = {mesh.name for mesh in avatar.meshes}
    hits = 0
    for target in targets[inside]:
        hit, *_, obj, _ = scene.ray_cast(depsgraph, eye, (Vector(target) - eye).normalized())
        hits += bool(hit and obj.name in own)
    return round(hits / RAYS, 3)
