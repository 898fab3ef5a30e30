"""Lay the rendered people over the rendered room, with their shadows and the sensor's noise, and encode the clip."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

from vestibule_models.render_camera import Camera
from vestibule_models.render_scene import Scene

Picture = npt.NDArray[np.float32]
FOOT_SHADOW = (0.5, 0.13)
"""Darkening under a foot on the floor, and its radius in metres."""
BODY_SHADOW = (0.32, 0.42)
"""Darkening under the middle of the body: the ceiling light that it keeps off."""


def floor_points(camera: Camera) -> Picture:
    """Where on the floor (z = 0) each pixel looks: float32 (H, W, 2), metres; far away above the horizon."""
    width, height = camera.size_px
    corners_m = np.array([[-1.0, 3.0, 0], [1.0, 3.0, 0], [1.0, 6.0, 0], [-1.0, 6.0, 0]])
    corners_m[:, :2] += camera.at_m[:2]
    seen = camera.project(corners_m)[:, :2].astype(np.float32)
    back = cv2.getPerspectiveTransform(seen, corners_m[:, :2].astype(np.float32))
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    cast = np.stack([x, y, np.ones_like(x)], -1) @ back.T
    # The sign of the last coordinate tells the floor from its mirror image above the horizon.
    middle = np.array([*seen.mean(0), 1.0]) @ back[2]
    last = np.where(cast[..., 2] * np.sign(middle) > 1e-9, cast[..., 2], np.inf)  # noqa: PLR2004 - no division by 0
    points = cast[..., :2] / last[..., None]
    return np.where(np.isfinite(last)[..., None], points, 1e6).astype(np.float32)


def shade(floor_m: Picture, feet_m: list[list[list[float]]]) -> Picture:
    """How much of the light reaches each pixel of the floor, 0 to 1, past people with these feet (x, y, z)."""
    light = np.ones(floor_m.shape[:2], np.float32)
    for feet in feet_m:
        middle = np.mean(feet, axis=0)
        light *= 1 - BODY_SHADOW[0] * _blob(floor_m, middle[:2], BODY_SHADOW[1])
        for x, y, z in feet:
            contact = np.exp(-max(0.0, z - 0.05) / 0.05)
            light *= 1 - FOOT_SHADOW[0] * float(contact) * _blob(floor_m, np.array([x, y]), FOOT_SHADOW[1])
    return light


def _blob(floor_m: Picture, at_m: npt.NDArray[Any], radius_m: float) -> Picture:
    away = ((floor_m - at_m.astype(np.float32)) ** 2).sum(-1)
    return np.asarray(np.exp(-np.minimum(away / radius_m**2, 50)), np.float32)


def lay_over(room: Picture, people: npt.NDArray[np.uint8], cut: list[int]) -> Picture:
    """The room (H, W, 3) with the people's picture (h, w, 4), BGR and alpha, over the part `cut` (x0, y0, x1, y1)."""
    x0, y0, x1, y1 = cut
    alpha = people[..., 3:].astype(np.float32) / 255
    made = room.copy()
    made[y0:y1, x0:x1] = room[y0:y1, x0:x1] * (1 - alpha) + people[..., :3] * alpha
    return made


def pictures(scene: Scene, folder: Path) -> Iterator[npt.NDArray[np.uint8]]:
    """The finished frames of a scene rendered into `folder`: uint8 (H, W, 3) BGR."""
    room = _read(folder / "room.png", cv2.IMREAD_COLOR).astype(np.float32)
    if scene.smooth:
        smoothed = cv2.fastNlMeansDenoisingColored(room.astype(np.uint8), None, scene.smooth, scene.smooth)
        room = smoothed.astype(np.float32)
    floor = _read(folder / "floor.png", cv2.IMREAD_UNCHANGED)[..., 3:].astype(np.float32) / 255
    points = floor_points(scene.camera)
    chance = np.random.default_rng(scene.seed)
    for frame in range(scene.frames):
        facts = json.loads((folder / "people" / f"{frame:05d}.json").read_text(encoding="utf-8"))
        feet = [p["feet"] for p in facts["people"].values() if p["box"] is not None and p["moves"]]
        made = np.asarray(room * (1 - floor * (1 - shade(points, feet)[..., None])), np.float32)
        for number, cut in enumerate(facts["cuts"]):
            layer = _read(folder / "people" / f"{frame:05d}.{number}.png", cv2.IMREAD_UNCHANGED)
            made = lay_over(made, layer, cut)
        noisy = made + chance.normal(0, scene.noise, made.shape[:2])[..., None]
        yield np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def encode(scene: Scene, frames: Iterable[npt.NDArray[np.uint8]], path: Path) -> None:
    """Write the scene's frames (BGR) as H.264 (yuv420p, no sound), the same bytes each time for the same encoder."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=scene.fps)
        stream.pix_fmt = "yuv420p"
        stream.width, stream.height = scene.camera.size_px
        stream.options = {"crf": str(scene.crf), "preset": "slow", "threads": "1"}
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())


def _read(path: Path, flags: int) -> npt.NDArray[np.uint8]:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise FileNotFoundError(f"{path}: not a picture; render the scene first")
    return image.astype(np.uint8)
