"""An empty scene inside Blender: renderer, camera, and the part of the picture to render."""

import math
from typing import Any

import bpy

from vestibule_models.render_camera import NEAR_M, SENSOR_MM, Camera
from vestibule_models.render_types import Bpy

Pixel = Any
"""Two numbers, x and y from the upper left: a tuple or an array."""


def empty_scene(samples: int) -> Bpy:
    """A scene with nothing in it that renders people before a transparent background on one CPU core."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.world = bpy.data.worlds.new("sky")
    scene.world.use_nodes = True
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples, scene.cycles.max_bounces = samples, 2
    scene.cycles.use_adaptive_sampling = scene.cycles.use_denoising = False
    scene.render.film_transparent = True
    scene.render.use_persistent_data = True
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.image_settings.compression = 30
    scene.view_settings.view_transform = "Standard"
    return scene


def aim(scene: Bpy, camera: Camera) -> None:
    """Make the scene's camera and picture size those of `camera`."""
    if scene.camera is None:
        data = bpy.data.cameras.new("camera")
        data.sensor_width, data.clip_start = SENSOR_MM, NEAR_M
        scene.camera = bpy.data.objects.new("camera", data)
        scene.collection.objects.link(scene.camera)
    scene.camera.data.lens = camera.lens_mm
    scene.camera.location = camera.at_m
    scene.camera.rotation_euler = (math.radians(90 - camera.pitch_deg), 0, math.radians(camera.yaw_deg))
    scene.render.resolution_x, scene.render.resolution_y = camera.size_px


def cut_to(scene: Bpy, camera: Camera, low_px: Pixel, high_px: Pixel) -> None:
    """Render only the part of the picture between these corners (x, y from the upper left)."""
    width, height = camera.size_px
    (x0, y0), (x1, y1) = low_px, high_px
    scene.render.use_border = scene.render.use_crop_to_border = True
    # Blender multiplies these by the size in single precision and drops the fraction: stay clear of whole numbers.
    scene.render.border_min_x, scene.render.border_max_x = (x0 + 0.25) / width, (x1 + 0.25) / width
    scene.render.border_min_y, scene.render.border_max_y = 1 - (y1 - 0.25) / height, 1 - (y0 - 0.25) / height
