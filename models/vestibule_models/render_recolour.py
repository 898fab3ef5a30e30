"""Dye the clothes of an avatar, inside Blender, and leave skin, hair and eyes as they are."""

from typing import Any

import bpy
import numpy as np
import numpy.typing as npt

from vestibule_models.render_types import Bpy

SKIN_BONES = ("Head", "Neck", "Hand", "Finger", "Eye")
LEG_BONES = ("UpLeg", "Leg", "Foot", "Toe")
OTHER, SKIN, HIPS, LOWER, UPPER = 0, 1, 2, 3, 4

Pixels = npt.NDArray[np.float32]


class Dye:
    """Knows which texels of a body's texture are cloth, and of which part.

    Args:
        body: the mesh object with the texture, its vertex groups named after the bones.
    """

    def __init__(self, body: Bpy) -> None:
        nodes = body.material_slots[0].material.node_tree.nodes
        self._node: Bpy = next(n for n in nodes if n.type == "TEX_IMAGE")
        self._plain: Bpy = self._node.image
        width, height = self._plain.size
        flat = np.empty(width * height * 4, np.float32)
        self._plain.pixels.foreach_get(flat)
        self._own: Pixels = flat.reshape(height, width, 4)
        self._parts = _paint_parts(body, width, height)
        _part_hips(self._parts, self._own[..., :3])
        self._cloth = 1 - _skin_likeness(self._own[..., :3], self._parts)

    def restore(self) -> None:
        """Give the clothes their own colours back."""
        self._show(self._plain)

    def apply(self, tints: list[dict[str, Any]]) -> None:
        """Dye; each tint has `part` (whole, upper, lower, suit), `rgb`, `strength` and `gain`."""
        dyed = self._own.copy()
        for tint in tints:
            rgb = self._own[..., :3]
            light = rgb @ np.array([0.3, 0.59, 0.11], np.float32)
            wanted = np.array(tint["rgb"], np.float32)
            plain = light[..., None] * wanted / max(0.05, float(wanted @ [0.3, 0.59, 0.11]))
            new = (rgb + tint["strength"] * (plain - rgb)) * tint["gain"]
            weight = self._cloth * self._within(tint["part"], light)
            dyed[..., :3] += weight[..., None] * (np.clip(new, 0.01, 0.97) - rgb)
        # A new image each time: the renderer keeps the texels of one that it has seen.
        image = bpy.data.images.new("dyed", *self._plain.size)
        image.pixels.foreach_set(np.ascontiguousarray(dyed, np.float32).ravel())
        image.pack()
        self._show(image)

    def _within(self, part: str, light: Pixels) -> Pixels:
        inside = {"upper": self._parts == UPPER, "lower": self._parts == LOWER}.get(part, self._parts >= LOWER)
        mask = inside.astype(np.float32)
        if part == "suit":  # the shirt and the tie's stripes are lighter than the cloth
            mask *= np.clip((0.42 - light) / 0.1, 0, 1)
        return np.asarray(mask, np.float32)

    def _show(self, image: Bpy) -> None:
        before, self._node.image = self._node.image, image
        if before not in (image, self._plain):
            bpy.data.images.remove(before)


def _paint_parts(body: Bpy, width: int, height: int) -> npt.NDArray[np.uint8]:
    """Fill every triangle of the texture with the part of the body that its vertices hang on."""
    names = [g.name for g in body.vertex_groups]
    kind = np.zeros(len(body.data.vertices), np.uint8)
    for vertex in body.data.vertices:
        heaviest = max(vertex.groups, key=lambda g: g.weight, default=None)
        if heaviest is not None:
            kind[vertex.index] = _part(names[heaviest.group])
    body.data.calc_loop_triangles()
    layer = body.data.uv_layers.active.data
    uv = np.empty(len(layer) * 2, np.float32)
    layer.foreach_get("uv", uv)
    uv = uv.reshape(-1, 2) * (width, height)
    parts = np.zeros((height, width), np.uint8)
    for triangle in body.data.loop_triangles:
        part = np.bincount(kind[list(triangle.vertices)], minlength=5).argmax()
        _fill(parts, uv[list(triangle.loops)], int(part))
    return parts


def _part(bone: str) -> int:
    if any(word in bone for word in SKIN_BONES):
        return SKIN
    if bone in {"Hips", "Spine"}:
        return HIPS
    return LOWER if any(word in bone for word in LEG_BONES) else UPPER


def _part_hips(parts: npt.NDArray[np.uint8], rgb: Pixels) -> None:
    """About the hips a shirt's hem and the trousers meet: each texel goes with the cloth that it looks like."""
    hips = parts == HIPS
    away = [np.abs(rgb[hips] - np.median(rgb[parts == part], axis=0)).sum(-1) for part in (LOWER, UPPER)]
    parts[hips] = np.where(away[0] < away[1], LOWER, UPPER)


def _fill(canvas: npt.NDArray[np.uint8], corners: Pixels, value: int) -> None:
    low = np.maximum(np.floor(corners.min(0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(corners.max(0)).astype(int) + 2, canvas.shape[::-1])
    x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
    inside = np.ones(x.shape, bool)
    (ax, ay), (bx, by), (cx, cy) = corners
    turn = 1.0 if (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) >= 0 else -1.0
    for (px, py), (qx, qy) in (((ax, ay), (bx, by)), ((bx, by), (cx, cy)), ((cx, cy), (ax, ay))):
        length = max(1e-6, float(np.hypot(qx - px, qy - py)))
        inside &= turn * ((qx - px) * (y - py) - (qy - py) * (x - px)) / length >= -1  # a texel of margin
    canvas[low[1] : high[1], low[0] : high[0]][inside] = value


def _skin_likeness(rgb: Pixels, parts: npt.NDArray[np.uint8]) -> Pixels:
    """1 where a texel has the colour of this person's hands and face, 0 where it clearly has not."""
    known = rgb[parts == SKIN]
    tone = np.median(known, axis=0)
    chroma = rgb / np.maximum(rgb.sum(-1, keepdims=True), 0.06)
    away = np.abs(chroma - tone / tone.sum()).sum(-1) / 0.09
    ratio = rgb.sum(-1) / tone.sum()
    far = np.maximum(away, np.maximum(0.55 / np.maximum(ratio, 0.01), ratio / 1.6))
    return np.asarray(np.clip((1.6 - far) / 0.5, 0, 1), np.float32)
