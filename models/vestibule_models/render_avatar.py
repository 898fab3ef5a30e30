"""One rendered person, inside Blender: import, pose, project, recolour."""

import math
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Quaternion

from vestibule_models.render_gait import Legs, Pose
from vestibule_models.render_types import Bpy


class Avatar:
    """A rigged person standing on the floor at the origin, facing -Y, until told otherwise.

    Attributes:
        root: empty that moves the whole person.
        legs: measured from the skeleton.
        meshes: body, eyes and hair.
        body: the mesh that carries the clothes.
    """

    def __init__(self, path: str) -> None:
        before = set(bpy.data.objects)
        bpy.ops.import_scene.gltf(filepath=path)
        new = [o for o in bpy.data.objects if o not in before]
        self.root: Bpy = bpy.data.objects.new("root", None)
        bpy.context.scene.collection.objects.link(self.root)
        for obj in new:
            if obj.parent is None:
                obj.parent = self.root
            if obj.type == "EMPTY":
                bpy.data.objects.remove(obj)
        alive = [o for o in bpy.data.objects if o not in before and o is not self.root]
        self.armature: Bpy = next(o for o in alive if o.type == "ARMATURE")
        self.meshes: list[Bpy] = [o for o in alive if o.type == "MESH"]
        self.body: Bpy = max(self.meshes, key=lambda m: len(m.data.vertices))
        for mesh in self.meshes:
            mesh.data.use_auto_smooth = False
            mesh.data.polygons.foreach_set("use_smooth", [True] * len(mesh.data.polygons))
            for slot in mesh.material_slots:
                _matt(slot.material)
        self._rest = {b.name: b.bone.matrix_local.to_3x3() for b in self.armature.pose.bones}
        bpy.context.view_layer.update()
        self.legs = self._measure()

    def _measure(self) -> Legs:
        bones, world = self.armature.pose.bones, self.armature.matrix_world
        hip, knee, ankle = (world @ bones[f"Left{n}"].head for n in ("UpLeg", "Leg", "Foot"))
        return Legs(thigh_m=hip.z - knee.z, shank_m=knee.z - ankle.z, hip_m=hip.z)

    def place(self, x_m: float, y_m: float, heading_rad: float, pose: Pose, floor_m: float = 0.0) -> None:
        """Stand at a point of the floor, facing `heading_rad` (0 is +X, counter-clockwise), in `pose`."""
        self.root.location = (x_m, y_m, floor_m - pose.drop_m)
        self.root.rotation_euler = (0, 0, heading_rad + math.pi / 2)
        for name, turns in pose.turns.items():
            rotation = Matrix.Identity(3)
            for axis, degrees in turns:
                rotation = Matrix.Rotation(math.radians(degrees), 3, axis) @ rotation
            rest, bone = self._rest[name], self.armature.pose.bones[name]
            bone.rotation_mode = "QUATERNION"
            local: Quaternion = (rest.inverted() @ rotation @ rest).to_quaternion()
            bone.rotation_quaternion = local

    def show(self, visible: bool) -> None:
        """Take part in the next render, or not."""
        for mesh in self.meshes:
            mesh.hide_render = mesh.hide_viewport = not visible

    def feet(self) -> list[list[float]]:
        """Middle of the left and of the right foot: x, y, z in metres."""
        bones, world = self.armature.pose.bones, self.armature.matrix_world
        middles = (
            world @ ((bones[f"{side}Foot"].head + bones[f"{side}ToeBase"].tail) / 2) for side in ("Left", "Right")
        )
        return [[round(v, 3) for v in middle] for middle in middles]

    def triangles(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The posed surface: float32 (T, 3, 3), metres in the world."""
        depsgraph = bpy.context.evaluated_depsgraph_get()
        parts = []
        for obj in self.meshes:
            posed = obj.evaluated_get(depsgraph)
            mesh = posed.to_mesh()
            mesh.calc_loop_triangles()
            points = np.empty(len(mesh.vertices) * 3, np.float32)
            mesh.vertices.foreach_get("co", points)
            corners = np.empty(len(mesh.loop_triangles) * 3, np.int32)
            mesh.loop_triangles.foreach_get("vertices", corners)
            matrix = np.array(posed.matrix_world, np.float32)
            points = points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]
            parts.append(points[corners.reshape(-1, 3)])
            posed.to_mesh_clear()
        return np.concatenate(parts).astype(np.float32)


def _matt(material: Bpy) -> None:
    """Cloth, not plastic: the files come with a default gloss that reads as wet."""
    shader = material.node_tree.nodes.get("Principled BSDF")
    if shader is not None:
        shader.inputs["Roughness"].default_value = 0.85
        shader.inputs["Specular"].default_value = 0.15
        shader.inputs["Metallic"].default_value = 0.0
