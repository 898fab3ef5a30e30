"""Who walks through the held-out clips, and where: photos dealt to clips, ways over the floor."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accuracy import ALERTED
from held_out_room import Metres, Room

from vestibule_models.dataset import STREET, Example, read_photos
from vestibule_models.labels import LABELS
from vestibule_models.persons_decode import Bytes
from vestibule_models.persons_sources import cut_out
from vestibule_models.render_paths import Step, Stop, walk

CUSTOMERS = 8
HAND = CUSTOMERS + 2
"""Photos of a clip: the customers, the mannequin, the person on the poster."""
_KINDS = ("ahead", "behind", "returns", "approaches", *["strolls"] * (CUSTOMERS - 4))
_CLEARANCE_M = 0.45
_TALLEST = 448
"""Pixels that a cut-out keeps: all that the photos have."""
_TRIES = 60
_BACK_OUT = 0.35
"""Share of those who stroll that leave by the door; the others walk on into the store."""
_PAST_CAMERA = 0.5
"""Share of these that pass below the camera; the others leave the picture at a side."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """One person of a photo.

    Attributes:
        photo: its name.
        picture: uint8 (h, w, 4) BGR and cover.
        garments: worn.
        unknown: in doubt; every other category is absent.
    """

    photo: str
    picture: Bytes
    garments: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Actor:
    """Somebody in a clip.

    Attributes:
        name: in the truth.
        role: customer or mannequin.
        look: what is seen.
        height_m: with shoes.
        steps: a place on the floor for each frame; None: not there.
    """

    name: str
    role: str
    look: Look
    height_m: float
    steps: tuple[Step | None, ...]


def read_looks(data: Path) -> list[Look]:
    """Read the people with outlines of split test whom no clip of `data/clips` shows, each person once.

    Raises:
        ArtifactError: garments-v1 is missing or not whole.
    """
    shown = {
        person.get("photo")
        for path in (data / "clips").glob("*.truth.json")
        for person in json.loads(path.read_text(encoding="utf-8"))["people"]
    }
    chosen: dict[str, Example] = {}
    for example in read_photos(data / "garments-v1"):
        if example.split == "test" and example.source == STREET and example.outline is not None:
            chosen.setdefault(example.group, example)
    unseen = [e for e in chosen.values() if e.path.stem.removeprefix(f"{STREET}_") not in shown]
    return [_look(example, example.outline) for example in unseen if example.outline is not None]


def _look(example: Example, outline: Path) -> Look:
    told = list(zip(LABELS, example.targets, example.known, strict=True))
    return Look(
        photo=example.path.stem,
        picture=cut_out(example.path, outline, _TALLEST),
        garments=tuple(str(label) for label, worn, known in told if worn and known),
        unknown=tuple(str(label) for label, _, known in told if not known),
    )


def deal(looks: Sequence[Look], clips: int, rng: np.random.Generator) -> list[list[Look]]:
    """Deal `HAND` photos to each clip, who may alert as evenly as they go round; no photo twice while there are others.

    The customers are a hand's first ones, in no order of their garments.
    """
    shuffled = [looks[i] for i in rng.permutation(len(looks))]
    due = [look for look in shuffled if ALERTED & set(look.garments)]
    others = [look for look in shuffled if not ALERTED & set(look.garments)]
    hands, rest = [], list(others)
    for number in range(clips):
        hand = (due[number::clips] or due[number % max(1, len(due)) :])[: CUSTOMERS // 2]
        while len(hand) < HAND:
            rest = rest or [look for look in others if look not in hand]
            if not rest:
                raise ValueError(f"{len(looks)} people are too few for a clip; it takes {HAND}")
            hand.append(rest.pop(0))
        hands.append([hand[i] for i in rng.permutation(CUSTOMERS)] + hand[CUSTOMERS:])
    return hands


def cast(rng: np.random.Generator, room: Room, hand: Sequence[Look], frames: int, fps: int) -> list[Actor]:
    """Give each of a hand, but the one on the poster, a way.

    The second follows the first closely; the third comes back after some seconds; the fourth comes up to the camera
    until the frame cuts them; the others stroll. The mannequin stands.
    """
    stand = _mannequins_place(rng, room)
    kept_clear = (*((rack.x_m, rack.y_m) for rack in room.racks), _around(stand))
    ways = _Ways(rng=rng, room=room, clear=kept_clear)
    seconds = frames / fps
    starts = seconds * (0.03 + 0.7 * (np.arange(CUSTOMERS) + rng.random(CUSTOMERS)) / CUSTOMERS)
    order = rng.permutation(CUSTOMERS)
    made = []
    for number, kind in enumerate(_KINDS):
        start_s = float(starts[order[number]])
        if kind == "behind":
            start_s = float(starts[order[0]] + rng.uniform(0.7, 1.4))
        elif kind == "returns":  # early, so that there is time
            start_s = float(rng.uniform(0.02, 0.25) * seconds)
        legs = _legs(ways, kind, start_s)
        steps = _steps(legs, float(rng.uniform(0.8, 1.35)), frames, fps)
        height_m = float(rng.uniform(1.6, 1.9))
        made.append(Actor(name=f"{kind}-{number}", role="customer", look=hand[number], height_m=height_m, steps=steps))
    still = Step(x_m=stand.x_m, y_m=stand.y_m, heading_rad=-np.pi / 2, phase=0.0, stride_m=0.0)
    steps = (still,) * frames
    made.append(Actor(name="mannequin", role="mannequin", look=hand[CUSTOMERS], height_m=1.85, steps=steps))
    return made


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ways:
    """Ways through a room that pass racks and the mannequin."""

    rng: np.random.Generator
    room: Room
    clear: tuple[tuple[Metres, Metres], ...]

    def enter(self) -> list[Stop]:
        """Come along the street and through the door."""
        middle, wall = self._in_door(), self.room.wall_m
        beside = middle + float(self.rng.choice([-1.0, 1.0])) * 2.4
        return [
            Stop(x_m=beside, y_m=wall + 1.2),
            Stop(x_m=middle, y_m=wall + 0.9),
            Stop(x_m=middle, y_m=wall - 0.9),
        ]

    def leave(self) -> list[Stop]:
        """Go through the door and along the street."""
        return self.enter()[::-1]

    def stroll(self, before: Stop, count: int) -> list[Stop]:
        """Look at things, now here, now there."""
        stops = []
        for _ in range(count):
            before = _free_spot(self, before)
            pause_s = float(self.rng.choice([0.0, self.rng.uniform(0.8, 3.0)]))
            stops.append(Stop(x_m=before.x_m, y_m=before.y_m, pause_s=pause_s))
        return stops

    def walk_out(self) -> list[Stop]:
        """Go on into the store: past the camera, or out of the picture at a side."""
        if self.rng.random() < _PAST_CAMERA:
            return [Stop(x_m=float(self.rng.uniform(-1, 1)), y_m=0.4)]
        y_m = self.room.near_m + float(self.rng.uniform(-0.2, 0.5))
        x_m = self.room.half_width_m(y_m) + 0.9
        return [Stop(x_m=float(self.rng.choice([-x_m, x_m])), y_m=y_m)]

    def _in_door(self) -> float:
        left, right = self.room.door_m
        return float(self.rng.uniform(left + 0.35, right - 0.35))


def _legs(ways: _Ways, kind: str, start_s: float) -> list[tuple[float, list[Stop]]]:
    """Return when each walk begins, and its stops; the second walk's time is counted from the first one's end."""
    rng, enter = ways.rng, ways.enter()
    if kind == "returns":
        spot = ways.stroll(enter[-1], 1)
        again = ways.enter()
        gone_s = float(rng.uniform(3, 8))
        return [
            (start_s, [*enter, *spot, *ways.leave()]),
            (gone_s, [*again, *ways.stroll(again[-1], 2), *ways.walk_out()]),
        ]
    if kind == "approaches":
        x_m, near_m = float(rng.uniform(-0.6, 0.6)), ways.room.near_m
        close = Stop(x_m=x_m, y_m=near_m - 0.7, pause_s=2.0)
        return [(start_s, [*enter, *ways.stroll(enter[-1], 1), close, Stop(x_m=x_m, y_m=0.4)])]
    stops = [*enter, *ways.stroll(enter[-1], int(rng.integers(1, 4)))]
    return [(start_s, [*stops, *(ways.leave() if rng.random() < _BACK_OUT else ways.walk_out())])]


def _steps(
    legs: Sequence[tuple[float, list[Stop]]], speed_m_s: float, frames: int, fps: int
) -> tuple[Step | None, ...]:
    steps: list[Step | None] = []
    for wait_s, stops in legs:
        steps += [None] * round(wait_s * fps)
        steps += walk(stops, speed_m_s, fps)
    return tuple((steps + [None] * frames)[:frames])


def _around(stop: Stop) -> tuple[Metres, Metres]:
    return (stop.x_m - 0.3, stop.x_m + 0.3), (stop.y_m - 0.3, stop.y_m + 0.3)


def _mannequins_place(rng: np.random.Generator, room: Room) -> Stop:
    """Choose a place by the back wall, behind all racks, on the side of the door where the poster is not."""
    middle = sum(room.door_m) / 2
    x_m = middle + float(rng.uniform(1.5, 2.4)) * (1 if middle > 0 else -1)
    return Stop(x_m=x_m, y_m=room.wall_m - float(rng.uniform(0.35, 0.65)))


def _free_spot(ways: _Ways, before: Stop) -> Stop:
    """Choose a spot of the floor in the picture that is reached from `before` without meeting what stands about."""
    rng, room = ways.rng, ways.room
    for _ in range(_TRIES):
        y_m = float(rng.uniform(room.near_m + 0.1, room.wall_m - 0.9))
        half_m = 0.8 * room.half_width_m(y_m)
        spot = Stop(x_m=float(rng.uniform(-half_m, half_m)), y_m=y_m)
        if not any(_meets(before, spot, x_m, y_m) for x_m, y_m in ways.clear):
            return spot
    return Stop(x_m=sum(room.door_m) / 2, y_m=room.wall_m - 1.2)


def _meets(start: Stop, end: Stop, x_m: Metres, y_m: Metres) -> bool:
    """Tell whether a straight way comes too near to what stands at these sides."""
    share = np.linspace(0, 1, 25)
    x, y = start.x_m + share * (end.x_m - start.x_m), start.y_m + share * (end.y_m - start.y_m)
    inside_x = (x > x_m[0] - _CLEARANCE_M) & (x < x_m[1] + _CLEARANCE_M)
    return bool((inside_x & (y > y_m[0] - _CLEARANCE_M) & (y < y_m[1] + _CLEARANCE_M)).any())
