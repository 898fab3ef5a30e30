"""The rooms of the held-out clips, in true perspective: a door onto the street, walls, posters, racks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vestibule_models.persons_decode import Bytes
from vestibule_models.persons_places import colour, draw_place, furnish
from vestibule_models.render_camera import SENSOR_MM, Camera

Metres = tuple[float, float]

_PX_A_M = 90
_SIDE_M = 4.8
"""From the middle to the walls left and right."""
_HIGH_M = 3.2
_NEAR_M = 0.8
"""Floor and side walls are drawn from here on; nearer ones are below the picture."""
_STREET_M = 3.0
"""From the door to the other side of the street."""
_DOOR_HIGH_M = 2.25
_POSTER_M = (0.8, 1.5)
_POSTER_TOP_M = 0.9
"""Below the walls' upper end."""
_HALF = 0.5
_OPAQUE = 127


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rack:
    """Something that stands about and hides who is behind it.

    Attributes:
        x_m: its left and right side.
        y_m: its front and its back.
        picture: uint8 (H, W, 4), of the frame's size: BGR as drawn, and cover.
    """

    x_m: Metres
    y_m: Metres
    picture: Bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Room:
    """An empty shop before its camera; x is to the right, y into the depth, z up.

    Attributes:
        camera: where it hangs.
        wall_m: y of the back wall, in which the door is.
        door_m: x of the door's sides.
        image: uint8 (H, W, 3) BGR, everything but racks.
        opening: bool (H, W), where the street is seen through the door.
        racks: what stands about.
        light: factors on blue, green and red of whatever is in the room.
        poster_px: box xyxy of the picture of a person on the wall.
    """

    camera: Camera
    wall_m: float
    door_m: Metres
    image: Bytes
    opening: npt.NDArray[np.bool_]
    racks: tuple[Rack, ...]
    light: npt.NDArray[np.float64]
    poster_px: tuple[float, float, float, float]

    @property
    def near_m(self) -> float:
        """Y of the nearest floor that the picture shows."""
        width, height = self.camera.size_px
        half = math.atan(height / 2 / (self.camera.lens_mm / SENSOR_MM * width))
        return self.camera.at_m[2] / math.tan(math.radians(self.camera.pitch_deg) + half)

    def half_width_m(self, y_m: float) -> float:
        """Return how far from the middle the picture reaches on the floor at a depth."""
        edge, middle = self.camera.project(np.array([[1.0, y_m, 0.0], [0.0, y_m, 0.0]]))[:, 0]
        return float(self.camera.size_px[0] / 2 / (edge - middle))


def draw_room(rng: np.random.Generator, size_wh: tuple[int, int], places: Sequence[Bytes], portrait: Bytes) -> Room:
    """Draw a room.

    Args:
        rng: decides on everything.
        size_wh: of the picture, pixels.
        places: photos in which nobody is, uint8 (h, w, 3) BGR, for some of the walls and the street; may be empty.
        portrait: uint8 (h, w, 4), the person who is on the poster.
    """
    camera = _hang_camera(rng, size_wh)
    wall_m, middle_m, half_m = (float(rng.uniform(*limits)) for limits in ((5.2, 6.6), (-1.5, 1.5), (0.7, 0.95)))
    door_m = (middle_m - half_m, middle_m + half_m)
    image = _street(rng, camera, wall_m + _STREET_M, places)
    poster_m = door_m[0] - 0.5 - _POSTER_M[0] if middle_m > 0 else door_m[1] + 0.5
    inside = _inside(rng, camera, wall_m, places, (portrait, poster_m))
    doorway = camera.project(_upright(*door_m, wall_m, _DOOR_HIGH_M))[:, :2]
    opening = cv2.fillConvexPoly(np.zeros(image.shape[:2], np.uint8), np.rint(doorway).astype(np.int32), 1) > 0
    image[~opening] = inside[~opening]
    cv2.polylines(image, [np.rint(doorway[[3, 0, 1, 2]]).astype(np.int32)], False, colour(rng), 2, cv2.LINE_AA)
    light = rng.uniform(0.6, 1.0) * (1 + rng.normal(0, 0.04, 3))
    return Room(
        camera=camera,
        wall_m=wall_m,
        door_m=door_m,
        image=np.clip(image * light, 0, 255).astype(np.uint8),
        opening=np.asarray(opening, np.bool_),
        racks=tuple(_rack(rng, camera, x_m, wall_m, light) for x_m in _rack_places(rng, middle_m)),
        light=light,
        poster_px=_poster_px(camera, wall_m, poster_m),
    )


def _hang_camera(rng: np.random.Generator, size_wh: tuple[int, int]) -> Camera:
    return Camera(
        at_m=(0.0, 0.0, float(rng.uniform(2.4, 2.8))),
        pitch_deg=float(rng.uniform(16, 21)),
        yaw_deg=0.0,
        lens_mm=float(rng.uniform(22, 26)),
        size_px=size_wh,
    )


def _street(rng: np.random.Generator, camera: Camera, far_m: float, places: Sequence[Bytes]) -> Bytes:
    """Draw what is seen through the door, as if there were no wall: brighter than inside."""
    image: Bytes = np.full((camera.size_px[1], camera.size_px[0], 3), 150, np.uint8)
    _lay(image, _floor(rng, 2 * _SIDE_M, far_m - _NEAR_M), _flat(-_SIDE_M, _SIDE_M, far_m, _NEAR_M), camera)
    _lay(image, _wall(rng, 2 * _SIDE_M, places), _upright(-_SIDE_M, _SIDE_M, far_m, _HIGH_M), camera)
    return np.asarray(np.clip(image * 1.2, 0, 255), np.uint8)


def _inside(
    rng: np.random.Generator, camera: Camera, wall_m: float, places: Sequence[Bytes], poster: tuple[Bytes, float]
) -> Bytes:
    """Draw what is on this side of the back wall, without a hole for the door; the poster comes with its left side."""
    image: Bytes = np.full((camera.size_px[1], camera.size_px[0], 3), colour(rng), np.uint8)  # the ceiling
    _lay(image, _floor(rng, 2 * _SIDE_M, wall_m - _NEAR_M), _flat(-_SIDE_M, _SIDE_M, wall_m, _NEAR_M), camera)
    back = _wall(rng, 2 * _SIDE_M, places)
    _hang(rng, back, poster[0], round((poster[1] + _SIDE_M) * _PX_A_M))
    _lay(image, back, _upright(-_SIDE_M, _SIDE_M, wall_m, _HIGH_M), camera)
    for x_m in (-_SIDE_M, _SIDE_M):
        corners = [[x_m, wall_m, _HIGH_M], [x_m, _NEAR_M, _HIGH_M], [x_m, _NEAR_M, 0], [x_m, wall_m, 0]]
        _lay(image, _wall(rng, wall_m - _NEAR_M, places), np.array(corners), camera)
    return image


def _poster_px(camera: Camera, wall_m: float, left_m: float) -> tuple[float, float, float, float]:
    top_m = _HIGH_M - _POSTER_TOP_M
    corners_m = np.array([[left_m, wall_m, top_m], [left_m + _POSTER_M[0], wall_m, top_m - _POSTER_M[1]]])
    (x0, y0), (x1, y1) = camera.project(corners_m)[:, :2].tolist()
    return x0, y0, x1, y1


def _hang(rng: np.random.Generator, wall: Bytes, portrait: Bytes, left: int) -> None:
    """Put the poster onto a wall's picture, in place."""
    width, height = (round(side * _PX_A_M) for side in _POSTER_M)
    top = round(_POSTER_TOP_M * _PX_A_M)
    sheet = np.full((height, width, 3), colour(rng), np.uint8)
    tall = round(0.9 * height)
    figure = cv2.resize(portrait, (max(2, min(width, portrait.shape[1] * tall // portrait.shape[0])), tall))
    cover = figure[..., 3:].astype(np.float32) / 255
    y, x = height - tall, (width - figure.shape[1]) // 2
    under = sheet[y:, x : x + figure.shape[1]]
    under[:] = under * (1 - cover) + figure[..., :3] * cover
    cv2.rectangle(sheet, (0, 0), (width - 1, height - 1), colour(rng), 3)
    wall[top : top + height, left : left + width] = sheet


def _rack_places(rng: np.random.Generator, door_middle_m: float) -> list[float]:
    """Choose the middles of one or two racks, aside from the way through the door."""
    sides = [-1.0, 1.0] if rng.random() < _HALF else [float(rng.choice([-1.0, 1.0]))]
    return [door_middle_m / 2 + side * float(rng.uniform(1.7, 2.3)) for side in sides]


def _rack(rng: np.random.Generator, camera: Camera, x_m: float, wall_m: float, light: npt.NDArray[np.float64]) -> Rack:
    """Draw a chest-high box with a top."""
    half_m, high_m, front_m = rng.uniform(0.35, 0.6), rng.uniform(0.8, 1.15), rng.uniform(3.4, wall_m - 1.6)
    left, right, back_m = float(x_m - half_m), float(x_m + half_m), float(front_m + 0.45)
    drawn: Bytes = np.zeros((camera.size_px[1], camera.size_px[0], 3), np.uint8)
    shelf = draw_place(rng, round(high_m * _PX_A_M), round(2 * half_m * _PX_A_M))
    cover = _lay(drawn, shelf, _upright(left, right, float(front_m), float(high_m)), camera)
    top = np.full((8, 8, 3), colour(rng), np.uint8)
    cover |= _lay(drawn, top, _flat(left, right, back_m, float(front_m), float(high_m)), camera)
    lit = np.clip(drawn * light, 0, 255).astype(np.uint8)
    picture = np.dstack([lit, np.where(cover, 255, 0).astype(np.uint8)])
    return Rack(x_m=(left, right), y_m=(float(front_m), back_m), picture=picture)


def _wall(rng: np.random.Generator, wide_m: float, places: Sequence[Bytes]) -> Bytes:
    """Draw a wall: half of them photos of somewhere, the others drawn, with shelves and posters."""
    width, height = round(wide_m * _PX_A_M), round(_HIGH_M * _PX_A_M)
    if places and rng.random() < _HALF:
        place = places[int(rng.integers(len(places)))]
        tall = min(place.shape[0], place.shape[1] * height // width)
        top = int(rng.integers(place.shape[0] - tall + 1))
        place = place[top : top + tall]
        return np.asarray(cv2.resize(place, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    wall = draw_place(rng, height, width)
    furnish(rng, wall)
    return wall


def _floor(rng: np.random.Generator, wide_m: float, deep_m: float) -> Bytes:
    """Draw a floor of tiles, patchy."""
    width, height = round(wide_m * _PX_A_M), round(deep_m * _PX_A_M)
    patches = rng.normal(0, 6, (max(2, height // 60), max(2, width // 60), 1)).astype(np.float32)
    uneven = np.asarray(cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    floor: Bytes = np.clip(np.array(colour(rng), np.float32) + uneven[..., np.newaxis], 0, 255).astype(np.uint8)
    line = tuple(max(0, value - 25) for value in floor[0, 0].tolist())
    step = round(rng.uniform(0.4, 1.2) * _PX_A_M)
    for x in range(0, width, step):
        cv2.line(floor, (x, 0), (x, height), line, 2)
    for y in range(0, height, step):
        cv2.line(floor, (0, y), (width, y), line, 2)
    return floor


def _upright(left_m: float, right_m: float, y_m: float, high_m: float) -> npt.NDArray[np.float64]:
    """Corners of a rectangle that stands on the floor and faces the camera, from its upper left clockwise."""
    return np.array([[left_m, y_m, high_m], [right_m, y_m, high_m], [right_m, y_m, 0], [left_m, y_m, 0]])


def _flat(left_m: float, right_m: float, far_m: float, near_m: float, z_m: float = 0.0) -> npt.NDArray[np.float64]:
    """Corners of a rectangle that lies, its far side first."""
    return np.array([[left_m, far_m, z_m], [right_m, far_m, z_m], [right_m, near_m, z_m], [left_m, near_m, z_m]])


def _lay(image: Bytes, texture: Bytes, corners_m: npt.NDArray[np.float64], camera: Camera) -> npt.NDArray[np.bool_]:
    """Draw a flat picture where its corners are in the room, in place; return where that is."""
    height, width = texture.shape[:2]
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    onto = cv2.getPerspectiveTransform(flat, camera.project(corners_m)[:, :2].astype(np.float32))
    size_wh = (image.shape[1], image.shape[0])
    drawn = cv2.warpPerspective(texture, onto, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = np.asarray(cv2.warpPerspective(np.full((height, width), 255, np.uint8), onto, size_wh) > _OPAQUE, np.bool_)
    image[cover] = drawn[cover]
    return cover
