"""The pinhole camera of a rendered scene: where points of the world lie in the picture."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SENSOR_MM = 36.0
"""Width of the sensor, as Blender has it by default."""
NEAR_M = 0.05
"""Points nearer than this are taken to be this far away; the picture cannot show them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A camera without lens distortion.

    Attributes:
        at_m: x, y, z in the world; z is up.
        pitch_deg: how far it looks down from the horizontal.
        yaw_deg: 0 looks along +Y; positive turns left.
        lens_mm: focal length on a 36 mm wide sensor.
        size_px: width and height of the picture.
    """

    at_m: tuple[float, float, float]
    pitch_deg: float
    yaw_deg: float
    lens_mm: float
    size_px: tuple[int, int]

    def project(self, points_m: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """World points (..., 3) to the picture: float64 (..., 3): x and y in pixels, depth in metres.

        The depth of a point behind the camera is negative and its x and y mean nothing.
        """
        pitch, yaw = math.radians(self.pitch_deg), math.radians(self.yaw_deg)
        ahead = np.array([-math.sin(yaw) * math.cos(pitch), math.cos(yaw) * math.cos(pitch), -math.sin(pitch)])
        right = np.array([math.cos(yaw), math.sin(yaw), 0.0])
        offset = np.asarray(points_m, np.float64) - self.at_m
        depth = offset @ ahead
        scale = self.lens_mm / SENSOR_MM * self.size_px[0] / np.maximum(depth, NEAR_M)
        x_px = self.size_px[0] / 2 + offset @ right * scale
        y_px = self.size_px[1] / 2 - offset @ np.cross(right, ahead) * scale
        return np.stack([x_px, y_px, depth], axis=-1)

    def fractions(self, points_m: npt.NDArray[Any]) -> list[list[float]]:
        """Points (N, 3) as [x, y] fractions of the frame, rounded to a ten-thousandth."""
        seen = self.project(points_m)[:, :2] / self.size_px
        return [[round(float(x), 4), round(float(y), 4)] for x, y in seen]
