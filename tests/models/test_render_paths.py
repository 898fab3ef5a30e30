import math
from itertools import pairwise

import pytest

from vestibule_models.render_paths import TURN_DEG_S, Step, Stop, rounded, walk

FPS = 12


def _way(*points: tuple[float, float]) -> tuple[Stop, ...]:
    return tuple(Stop(x_m=x, y_m=y) for x, y in points)


def _speeds(steps: list[Step]) -> list[float]:
    return [math.dist((a.x_m, a.y_m), (b.x_m, b.y_m)) * FPS for a, b in pairwise(steps)]


def test_straight_walk_keeps_its_speed_and_direction() -> None:
    steps = walk(_way((0, 0), (0, 6)), 1.1, FPS)
    assert (steps[0].x_m, steps[0].y_m) == pytest.approx((0, 0), abs=0.02)
    assert steps[-1].y_m == pytest.approx(6, abs=0.15)
    assert _speeds(steps) == pytest.approx([1.1] * (len(steps) - 1), rel=0.02)
    assert {s.heading_rad for s in steps} == {math.pi / 2}


def test_corner_is_rounded_and_walked_without_a_jerk() -> None:
    line = rounded(_way((0, 0), (0, 4), (4, 4)))
    assert (0, 4) not in line
    assert min(math.dist(p, (0, 4)) for p in line) < 0.5
    steps = walk(_way((0, 0), (0, 4), (4, 4)), 1.1, FPS)
    turns = [abs(math.remainder(b.heading_rad - a.heading_rad, math.tau)) for a, b in pairwise(steps)]
    assert max(turns) <= math.radians(TURN_DEG_S) / FPS + 1e-6
    assert steps[-1].heading_rad == pytest.approx(0, abs=0.05)


def test_pause_lasts_as_long_as_asked_and_faces_where_asked() -> None:
    stops = (Stop(x_m=0, y_m=0), Stop(x_m=0, y_m=3, pause_s=2.0, face_deg=-90), Stop(x_m=3, y_m=3))
    steps = walk(stops, 1.1, FPS)
    standing = [s for s in steps if math.dist((s.x_m, s.y_m), (0, 3)) < 0.005]
    facing = [
        s for s in standing if math.remainder(s.heading_rad + math.pi / 2, math.tau) == pytest.approx(0, abs=1e-6)
    ]
    assert len(facing) == pytest.approx(2.0 * FPS, abs=2)
    assert min(s.stride_m for s in standing) < 0.01
    assert steps[-1].heading_rad == pytest.approx(0, abs=1e-6)


def test_speed_falls_before_a_pause_instead_of_stopping_dead() -> None:
    speeds = _speeds(walk((Stop(x_m=0, y_m=0), Stop(x_m=0, y_m=3, pause_s=1.0)), 1.1, FPS))
    assert max(abs(a - b) for a, b in pairwise(speeds)) < 0.3


def test_feet_keep_step_with_the_ground() -> None:
    steps = walk(_way((0, 0), (0, 8)), 1.2, FPS)[12:]
    walked = math.dist((steps[0].x_m, steps[0].y_m), (steps[-1].x_m, steps[-1].y_m))
    strides = (steps[-1].phase - steps[0].phase) * steps[0].stride_m
    assert strides == pytest.approx(walked, rel=0.02)


def test_somebody_may_just_stand() -> None:
    steps = walk((Stop(x_m=1, y_m=2, pause_s=1.0, face_deg=45),), 1.1, FPS)
    assert len(steps) == pytest.approx(FPS, abs=1)
    assert {(s.x_m, s.y_m) for s in steps} == {(1, 2)}
    assert steps[0].heading_rad == pytest.approx(math.pi / 4)
