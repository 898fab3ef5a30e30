"""How a rendered person moves over the floor: rounded corners, gentle starts and stops, turns on the spot."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

TICK_S = 1 / 120
ACCELERATION_M_S2 = 1.4
CORNER_M = 0.7
"""How far before and after a corner the walker leaves the straight line."""
TURN_DEG_S = 150.0
STRIDE_M = 1.25
"""At `BRISK_M_S`; slower walkers take shorter steps."""
BRISK_M_S = 1.2
SHUFFLE_M = 0.22
"""Small steps on the spot while turning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A point on somebody's way.

    Attributes:
        x_m: on the floor.
        y_m: on the floor.
        pause_s: how long the person stays; 0 walks on round the corner.
        face_deg: where the person looks while staying (0 is +X, 90 is +Y); None keeps the direction.
    """

    x_m: float
    y_m: float
    pause_s: float = 0.0
    face_deg: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where a person is in one frame. Heading in radians, phase in cycles, stride in metres."""

    x_m: float
    y_m: float
    heading_rad: float
    phase: float
    stride_m: float


def rounded(stops: Sequence[Stop]) -> list[tuple[float, float]]:
    """The line walked through these points without pausing: straight, with parabolic corners."""
    line = [(stops[0].x_m, stops[0].y_m)]
    for before, here, after in zip(stops, stops[1:], stops[2:], strict=False):
        into = _towards(here, before)
        out = _towards(here, after)
        for k in range(13):
            t = k / 12
            line.append(
                (
                    (1 - t) ** 2 * into[0] + 2 * t * (1 - t) * here.x_m + t**2 * out[0],
                    (1 - t) ** 2 * into[1] + 2 * t * (1 - t) * here.y_m + t**2 * out[1],
                )
            )
    line.append((stops[-1].x_m, stops[-1].y_m))
    return line


def _towards(corner: Stop, other: Stop) -> tuple[float, float]:
    dx, dy = other.x_m - corner.x_m, other.y_m - corner.y_m
    share = min(0.5, CORNER_M / max(math.hypot(dx, dy), 1e-9))
    return corner.x_m + share * dx, corner.y_m + share * dy


class _Walker:
    """The state of one person between ticks."""

    def __init__(self, start: Stop, heading_rad: float) -> None:
        self.x_m, self.y_m, self.heading_rad = start.x_m, start.y_m, heading_rad
        self.phase, self.stride_m = 0.0, 0.0
        self.steps: list[Step] = []

    def tick(self, speed_m_s: float, wanted_rad: float) -> float:
        """Turn towards `wanted_rad`, take the stride that fits; return the angle that is left to turn."""
        left = math.remainder(wanted_rad - self.heading_rad, math.tau)
        most = math.radians(TURN_DEG_S) * TICK_S
        turned = max(-most, min(most, left))
        self.heading_rad += turned
        fitting_m = STRIDE_M * math.sqrt(speed_m_s / BRISK_M_S) if speed_m_s > 0 else 0.0
        if abs(turned) > 0.5 * most and fitting_m < SHUFFLE_M:
            fitting_m = SHUFFLE_M
        self.stride_m += (fitting_m - self.stride_m) * min(1.0, TICK_S / 0.12)
        pace_m_s = max(speed_m_s, 0.3 if fitting_m == SHUFFLE_M else 0.0)
        self.phase += pace_m_s * TICK_S / max(self.stride_m, 0.1)
        self.steps.append(
            Step(
                x_m=self.x_m,
                y_m=self.y_m,
                heading_rad=self.heading_rad,
                phase=self.phase,
                stride_m=self.stride_m,
            )
        )
        return left - turned

    def go(self, line: list[tuple[float, float]], speed_m_s: float, *, soft_start: bool, soft_end: bool) -> None:
        """Walk a line; speed rises from and falls to nothing where the ends are soft."""
        lengths = [math.dist(a, b) for a, b in pairwise(line)]
        total_m, done_m = sum(lengths), 0.0
        while done_m < total_m - 1e-3:
            speed = speed_m_s
            if soft_start:
                speed = min(speed, math.sqrt(2 * ACCELERATION_M_S2 * (done_m + 0.002)))
            if soft_end:
                speed = min(speed, math.sqrt(2 * ACCELERATION_M_S2 * (total_m - done_m)))
            done_m = min(total_m, done_m + speed * TICK_S)
            self.x_m, self.y_m, direction = _along(line, lengths, done_m)
            self.tick(speed, direction)

    def turn(self, wanted_rad: float) -> None:
        """Turn on the spot until facing `wanted_rad`."""
        while abs(self.tick(0.0, wanted_rad)) > 0:
            pass

    def wait(self, pause_s: float) -> None:
        """Stand."""
        for _ in range(round(pause_s / TICK_S)):
            self.tick(0.0, self.heading_rad)


def _along(line: list[tuple[float, float]], lengths: list[float], done_m: float) -> tuple[float, float, float]:
    for (ax, ay), (bx, by), length in zip(line, line[1:], lengths, strict=False):
        if done_m <= length and length > 0:
            share = done_m / length
            return ax + share * (bx - ax), ay + share * (by - ay), math.atan2(by - ay, bx - ax)
        done_m -= length
    (ax, ay), (bx, by) = line[-2], line[-1]
    return bx, by, math.atan2(by - ay, bx - ax)


def walk(stops: Sequence[Stop], speed_m_s: float, fps: float) -> list[Step]:
    """Walk through the stops.

    Args:
        stops: at least one; only the first may be the last (somebody who just stands).
        speed_m_s: between the starts and stops.
        fps: frames per second.

    Returns:
        One step a frame, from the moment of departure to arrival and the last pause.
    """
    first = math.radians(stops[0].face_deg or 0.0)
    if len(stops) > 1 and stops[0].face_deg is None:
        first = math.atan2(stops[1].y_m - stops[0].y_m, stops[1].x_m - stops[0].x_m)
    walker = _Walker(stops[0], first)
    walker.wait(stops[0].pause_s)
    leg = [stops[0]]
    for number, stop in enumerate(stops[1:], start=1):
        leg.append(stop)
        last = number == len(stops) - 1
        if not (stop.pause_s or last):
            continue
        line = rounded(leg)
        if leg[0].pause_s:
            walker.turn(math.atan2(line[1][1] - line[0][1], line[1][0] - line[0][0]))
        walker.go(line, speed_m_s, soft_start=bool(leg[0].pause_s), soft_end=bool(stop.pause_s))
        if stop.face_deg is not None:
            walker.turn(math.radians(stop.face_deg))
        walker.wait(stop.pause_s)
        leg = [stop]
    every = 1 / fps / TICK_S
    count = int((len(walker.steps) - 1) / every) + 1 if walker.steps else 0
    return [walker.steps[round(k * every)] for k in range(count) if round(k * every) < len(walker.steps)]
