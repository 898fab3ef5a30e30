"""One person of the held-out clips as the camera sees them: cut out of a photo, at the right size, in mid-stride."""

import cv2
import numpy as np
from held_out_cast import Actor
from held_out_room import Room

from vestibule_models.persons_decode import Bytes
from vestibule_models.render_camera import SENSOR_MM
from vestibule_models.render_paths import STRIDE_M, Step

_BOB_M = 0.03
_LIFT = 0.04
"""Of a person's height, by which a foot is lifted."""


class Figure:
    """An actor's cut-out at several sizes, in the room's light; moves its feet, bobs and sways."""

    def __init__(self, actor: Actor, room: Room, rng: np.random.Generator) -> None:
        self._camera, self._height_m, self._moves = room.camera, actor.height_m, actor.role == "customer"
        cutout = actor.look.picture.astype(np.float32)
        cutout[..., 3] = cv2.GaussianBlur(cutout[..., 3], (3, 3), 0)
        lit = np.clip(cutout[..., :3] * room.light * rng.uniform(0.85, 1.1), 0, 255)
        whole = np.dstack([lit * cutout[..., 3:] / 255, cutout[..., 3]])
        whole = cv2.copyMakeBorder(whole, 0, 0, 3, 3, cv2.BORDER_CONSTANT)
        legs = whole[3 * whole.shape[0] // 4 :, :, 3].sum(axis=0)
        self._middle = float((legs * np.arange(legs.size)).sum() / max(legs.sum(), 1)) / legs.size
        self._levels = [whole.astype(np.uint8)]
        while self._levels[-1].shape[0] > 40:  # noqa: PLR2004 - pixels; nobody is seen smaller
            height, width = (max(2, round(side * 0.7)) for side in self._levels[-1].shape[:2])
            smaller = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
            self._levels.append(smaller.astype(np.uint8))

    def at(self, step: Step, number: int) -> tuple[Bytes, tuple[int, int]]:
        """Return the figure (BGR times cover, and cover) and where its upper left corner belongs."""
        going = min(1.0, step.stride_m / STRIDE_M) if self._moves else 0.0
        swing = float(np.sin(2 * np.pi * step.phase))
        bob_m = going * _BOB_M * abs(swing)
        idle_m = 0.012 * float(np.sin(number / 9)) * (1 - going) * self._moves
        sway_m = going * 0.02 * swing + idle_m
        ends_m = [
            [step.x_m, step.y_m, 0],
            [step.x_m + sway_m, step.y_m, bob_m + self._height_m],
            [step.x_m, step.y_m, self._height_m / 2],
        ]
        feet, head, belly = self._camera.project(np.array(ends_m))
        tall = float(feet[1] - head[1])
        level = next((one for one in reversed(self._levels) if one.shape[0] >= tall), self._levels[0])
        height, width = level.shape[:2]
        level = self._lifted(level, going * swing)
        px_a_m = self._camera.lens_mm / SENSOR_MM * self._camera.size_px[0] / belly[2]
        turned = 1 - 0.2 * abs(float(np.cos(step.heading_rad))) * going
        half = width / height * self._height_m * px_a_m * turned / 2
        x, y = (int(np.floor(v)) for v in (min(feet[0], head[0]) - half - 2, head[1] - 2))
        size_wh = (int(np.ceil(abs(feet[0] - head[0]) + 2 * half)) + 5, int(np.ceil(tall)) + 5)
        corners = np.array([[width / 2, height], [width / 2, 0], [width, height]], np.float32)
        places = np.array([feet[:2], head[:2], [feet[0] + half, feet[1]]]) - [x, y]
        onto = cv2.getAffineTransform(corners, places.astype(np.float32))
        return np.asarray(cv2.warpAffine(level, onto, size_wh, flags=cv2.INTER_LINEAR), np.uint8), (x, y)

    def _lifted(self, level: Bytes, swing: float) -> Bytes:
        """Lift the feet of one side, the more the lower, by up to a share of the height."""
        if abs(swing) < 0.05:  # noqa: PLR2004 - stands
            return level
        height, width = level.shape[:2]
        across, down = np.arange(width, dtype=np.float32) / width, np.arange(height, dtype=np.float32) / height
        side = np.clip(np.sign(swing) * (across - self._middle) / 0.15, 0, 1)
        lift = _LIFT * height * abs(swing) * np.clip((down - 0.6) / 0.4, 0, 1)[:, np.newaxis] * side
        map_x = np.tile(np.arange(width, dtype=np.float32), (height, 1))
        map_y = (np.arange(height, dtype=np.float32)[:, np.newaxis] + lift).astype(np.float32)
        return np.asarray(cv2.remap(level, map_x, map_y, cv2.INTER_LINEAR, borderValue=(0, 0, 0, 0)), np.uint8)
