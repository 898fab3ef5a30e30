"""What a rendered clip shows: the set, the camera, the people and their ways. Data; no rendering."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from vestibule_models.render_camera import Camera
from vestibule_models.render_paths import Step, Stop, walk
from vestibule_models.render_sprites import Tint

Role = Literal["customer", "staff", "mannequin"]
Floor = tuple[float, float]
Row = list[float] | None
"""x, y, heading (radians), gait phase (cycles), stride (m), time for idle sway (s); None: not on the stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody in a scene.

    Attributes:
        name: in the truth file.
        avatar: file name without its ending.
        role: customer, staff or mannequin.
        start_s: when the walk begins; before it and after its end the person is not there.
        stops: the way over the floor.
        speed_m_s: of walking.
        floor_m: height of what the person stands on.
        tints: new colours of the clothes.
    """

    name: str
    avatar: str
    role: Role
    start_s: float
    stops: tuple[Stop, ...]
    speed_m_s: float = 1.1
    floor_m: float = 0.0
    tints: tuple[Tint, ...] = ()

    def steps(self, frames: int, fps: float) -> list[Row]:
        """One row for every frame of the clip."""
        if self.role == "mannequin":
            stop = self.stops[0]
            return [[stop.x_m, stop.y_m, math.radians(stop.face_deg or 0.0), 0.0, 0.0, 0.0]] * frames
        walked = walk(self.stops, self.speed_m_s, fps)
        first = round(self.start_s * fps)
        offset_s = sum(map(ord, self.name)) % 50  # people do not sway in step
        return [
            _row(walked[k - first], offset_s + k / fps) if 0 <= k - first < len(walked) else None for k in range(frames)
        ]


def _row(step: Step, idle_s: float) -> Row:
    values = (step.x_m, step.y_m, step.heading_rad, step.phase, step.stride_m, idle_s)
    return [round(v, 5) for v in values]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One clip.

    Attributes:
        name: of the files.
        set: the function of `render_room` that builds it.
        seed: of the set and the sensor's noise.
        fps: frames per second.
        seconds: length.
        camera: where it hangs.
        line_m: the entrance line on the floor.
        inside_m: a point of the floor on the inside of the line.
        staff_m: corners (x, y, z) of the staff zone as it appears in the picture; empty: none.
        people: everybody.
        people_samples: light paths a pixel of the people.
        room_samples: light paths a pixel of the room.
        smooth: strength of the smoothing of a room rendered with few light paths; 0: none.
        exposure: of the whole picture, in stops.
        noise: standard deviation of the sensor's noise, of 255.
        crf: x264's quality; more is smaller.
    """

    name: str
    set: str
    seed: int
    fps: int
    seconds: float
    camera: Camera
    line_m: tuple[Floor, Floor]
    inside_m: Floor
    staff_m: tuple[tuple[float, float, float], ...] = ()
    people: tuple[Person, ...]
    people_samples: int = 16
    room_samples: int = 256
    smooth: float = 0.0
    exposure: float = -0.35
    noise: float = 1.6
    crf: int = 25

    @property
    def frames(self) -> int:
        """How many frames the clip has."""
        return round(self.seconds * self.fps)

    def as_job(self, avatars: Path, out: Path, frames: Sequence[int]) -> dict[str, object]:
        """The JSON object that the script inside Blender reads, to render only `frames`."""
        return {
            "mode": "clip",
            "avatars": str(avatars.resolve()),
            "out": str(out.resolve()),
            "set": self.set,
            "set_seed": self.seed,
            "camera": asdict(self.camera),
            "exposure": self.exposure,
            "people_samples": self.people_samples,
            "room_samples": self.room_samples,
            "frames": list(frames),
            "people": [
                {
                    "name": p.name,
                    "avatar": p.avatar,
                    "role": p.role,
                    "floor_m": p.floor_m,
                    "tints": [asdict(t) for t in p.tints],
                    "steps": p.steps(self.frames, self.fps),
                }
                for p in self.people
            ],
        }
