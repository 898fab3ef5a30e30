"""Composes the held-out clips: pictures, truth, configuration. The same seed gives the same pixels and truth."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from clips import Grain, write
from held_out_cast import HAND, Actor, Look, cast
from held_out_figure import Figure
from held_out_room import Room, draw_room

from vestibule_models.persons_decode import Bytes
from vestibule_models.render_paths import Step
from vestibule_models.render_truth import BOXED, SEEN, clip_facts, clipped, crossings, intervals

SIZES = ((640, 360), (1280, 720))
_LINE_M = 0.35
"""How far inside the wall the entrance line is."""
_OPAQUE = 127


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """One clip before it is drawn.

    Attributes:
        name: of the files.
        fps: frames a second.
        frames: how many.
        crf: of x264; more is smaller.
        room: where.
        actors: who.
        poster: the photo on the wall.
        seed: of light and noise.
    """

    name: str
    fps: int
    frames: int
    crf: int
    room: Room
    actors: tuple[Actor, ...]
    poster: str
    seed: tuple[int, int]

    @property
    def line_m(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The entrance line on the floor."""
        y_m = self.room.wall_m - _LINE_M
        return (self.room.door_m[0] - 0.1, y_m), (self.room.door_m[1] + 0.1, y_m)

    @property
    def inside_m(self) -> tuple[float, float]:
        """A point of the floor inside the line."""
        return sum(self.room.door_m) / 2, self.room.wall_m - 1.5


@dataclass(slots=True, kw_only=True)
class Seen:
    """Of one actor, frame by frame: the box of the whole figure, unclipped, and the share of it that is seen."""

    boxes: dict[int, tuple[float, float, float, float]] = field(default_factory=dict)
    shares: dict[int, float] = field(default_factory=dict)


def stage(
    number: int,
    seed: int,
    hand: Sequence[Look],
    places: Sequence[Bytes],
    *,
    size_wh: tuple[int, int] | None = None,
    seconds: float | None = None,
) -> Scene:
    """Decide on everything of one clip.

    Args:
        number: of the clip, from 1.
        seed: of the set.
        hand: the photos of this clip.
        places: photos in which nobody is.
        size_wh: of the picture; odd clips are small ones if absent.
        seconds: 40 to 60 if absent.
    """
    if len(hand) < HAND:
        raise ValueError(f"{len(hand)} photos for clip {number}; it takes {HAND}")
    rng = np.random.default_rng([seed, number])
    fps = int(rng.choice([10, 12, 15]))
    frames = round(fps * (seconds or float(rng.uniform(40, 60))))
    crf = int(rng.integers(25, 31))
    room = draw_room(rng, size_wh or SIZES[(number + 1) % 2], places, hand[-1].picture)
    return Scene(
        name=f"held-out-{number}",
        fps=fps,
        frames=frames,
        crf=crf,
        room=room,
        actors=tuple(cast(rng, room, hand, frames, fps)),
        poster=hand[-1].photo,
        seed=(seed, number),
    )


def pictures(scene: Scene, seen: Sequence[Seen]) -> Iterator[Bytes]:
    """Draw the frames, uint8 (H, W, 3) BGR, as they come from the sensor; fills in what is seen of each actor."""
    rng = np.random.default_rng([*scene.seed, 1])
    gains = _light(rng, scene)
    grain = Grain(scene.room.camera.size_px, int(rng.integers(2**31)), float(rng.uniform(1.5, 3.0)))
    figures = [Figure(actor, scene.room, rng) for actor in scene.actors]
    for number in range(scene.frames):
        image = _draw(scene, figures, seen, number)
        image = np.asarray(cv2.GaussianBlur(image, (3, 3), 0.55), np.uint8)
        yield grain.on(np.clip(image * gains[number], 0, 255).astype(np.uint8))


def _light(rng: np.random.Generator, scene: Scene) -> npt.NDArray[np.float32]:
    """Return a gain for each frame: slow drift, flicker, and one step, as when a lamp goes on."""
    at = np.arange(scene.frames) / scene.fps
    drift = rng.uniform(0.02, 0.06) * np.sin(2 * np.pi * (at / rng.uniform(8, 25) + rng.random()))
    flicker = rng.normal(0, 0.008, scene.frames)
    step = rng.choice([-1, 1]) * rng.uniform(0.06, 0.15) / (1 + np.exp(-(at - rng.uniform(0.2, 0.9) * at[-1]) / 0.1))
    return np.asarray(1 + drift + flicker + step, np.float32)


def _draw(scene: Scene, figures: Sequence[Figure], seen: Sequence[Seen], number: int) -> Bytes:
    """Draw one frame from the back to the front, without light and noise."""
    image, owner = scene.room.image.copy(), np.zeros(scene.room.image.shape[:2], np.int16)
    layers: list[tuple[float, int]] = [(rack.y_m[0], -1 - i) for i, rack in enumerate(scene.room.racks)]
    places = [actor.steps[number] for actor in scene.actors]
    layers += [(step.y_m, i) for i, step in enumerate(places) if step is not None]
    sizes: dict[int, int] = {}
    for _, index in sorted(layers, reverse=True):
        step = places[index] if index >= 0 else None
        if step is None:
            rack = scene.room.racks[-1 - index].picture
            cover = rack[..., 3] > 0
            image[cover], owner[cover] = rack[..., :3][cover], 0
            continue
        patch, corner = figures[index].at(step, number)
        opaque = patch[..., 3] > _OPAQUE
        if not opaque.any():
            continue
        sizes[index] = int(np.count_nonzero(opaque))
        seen[index].boxes[number] = _box(opaque, corner)
        behind = scene.room.opening if step.y_m > scene.room.wall_m else None
        _shade(image, scene.room, step, behind)
        _lay(image, owner, (patch, index + 1), corner, behind)
    for index, size in sizes.items():
        seen[index].shares[number] = np.count_nonzero(owner == index + 1) / size
    return image


def _box(opaque: npt.NDArray[np.bool_], corner: tuple[int, int]) -> tuple[float, float, float, float]:
    columns, rows = np.flatnonzero(opaque.any(axis=0)), np.flatnonzero(opaque.any(axis=1))
    x, y = corner
    return float(x + columns[0]), float(y + rows[0]), float(x + columns[-1] + 1), float(y + rows[-1] + 1)


def _lay(
    image: Bytes,
    owner: npt.NDArray[np.int16],
    figure: tuple[Bytes, int],
    corner: tuple[int, int],
    behind: npt.NDArray[np.bool_] | None,
) -> None:
    """Lay a figure (BGR times cover, and cover) over the image, in place; one behind in the door's opening."""
    (patch, name), (x, y) = figure, corner
    height, width = owner.shape
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + patch.shape[1], width), min(y + patch.shape[0], height)
    if left >= right or top >= bottom:
        return
    part = patch[top - y : bottom - y, left - x : right - x]
    if behind is not None:
        part = part * behind[top:bottom, left:right, np.newaxis]
    under = image[top:bottom, left:right]
    under[:] = np.clip(under * (1 - part[..., 3:].astype(np.float32) / 255) + part[..., :3], 0, 255)
    owner[top:bottom, left:right][part[..., 3] > _OPAQUE] = name


def _shade(image: Bytes, room: Room, step: Step, behind: npt.NDArray[np.bool_] | None) -> None:
    """Darken the floor under somebody, in place; round on the floor, an ellipse in the picture."""
    middle_m = np.array([step.x_m, step.y_m + 0.1, 0])  # the lowest point of a cut-out is a toe
    around_m = middle_m + np.array([[-0.34, 0, 0], [0.34, 0, 0], [0, 0.22, 0], [0, -0.22, 0]])
    (x0, _), (x1, _), (_, y0), (_, y1) = np.rint(room.camera.project(around_m)[:, :2]).astype(int).tolist()
    height, width = image.shape[:2]
    left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    if left >= right or top >= bottom:
        return
    x = (np.arange(left, right) - (x0 + x1) / 2) / ((x1 - x0) / 2)
    y = (np.arange(top, bottom) - (y0 + y1) / 2) / ((y1 - y0) / 2)
    away = x[np.newaxis] ** 2 + y[:, np.newaxis] ** 2
    dark = 0.5 * np.exp(-3 * away) * (away < 1)
    if behind is not None:
        dark = dark * behind[top:bottom, left:right]
    under = image[top:bottom, left:right]
    under[:] = under * (1 - dark[..., np.newaxis])


def truth(scene: Scene, seen: Sequence[Seen]) -> dict[str, Any]:
    """Return the truth as in the other clips' files, once the frames are drawn."""
    camera = scene.room.camera
    return {
        **clip_facts(scene.name, camera, (scene.fps, scene.frames), (scene.line_m, scene.inside_m)),
        "people": [_person(scene, actor, of_them) for actor, of_them in zip(scene.actors, seen, strict=True)],
        "posters": [{"photo": scene.poster, "box": clipped(scene.room.poster_px, camera.size_px)}],
    }


def _person(scene: Scene, actor: Actor, seen: Seen) -> dict[str, Any]:
    rows = [None if step is None else [step.x_m, step.y_m] for step in actor.steps]
    enters, leaves = crossings(rows, scene.fps, scene.line_m, scene.inside_m)
    boxed = [number for number, share in seen.shares.items() if share >= BOXED]
    size_px = scene.room.camera.size_px
    return {
        "name": actor.name,
        "photo": actor.look.photo,
        "role": actor.role,
        "garments": list(actor.look.garments),
        "garments_unknown": list(actor.look.unknown),
        "visible_s": intervals([seen.shares.get(k, 0.0) >= SEEN for k in range(scene.frames)], scene.fps),
        "enters_s": enters,
        "leaves_s": leaves,
        "boxes": [[number, *clipped(seen.boxes[number], size_px)] for number in boxed],
        "seen": [round(seen.shares[number], 3) for number in boxed],
    }


def write_clip(scene: Scene, folder: Path) -> Path:
    """Write NAME.mp4, NAME.truth.json and NAME.toml (the camera with its entrance line); returns the first."""
    clip = folder / f"{scene.name}.mp4"
    seen = [Seen() for _ in scene.actors]
    write(clip, pictures(scene, seen), scene.fps, scene.crf)
    told = truth(scene, seen)
    clip.with_suffix(".truth.json").write_text(json.dumps(told), encoding="utf-8")
    line, inside = told["entrance"]["line"], told["entrance"]["inside"]
    clip.with_suffix(".toml").write_text(
        f'[site]\nid = "held-out"\n\n[[cameras]]\nid = "entrance"\nsource = "{clip.name}"\n\n'
        f"[cameras.entrance]\nline = {line}\ninside = {inside}\n",
        encoding="utf-8",
    )
    return clip
