from collections.abc import Callable

import numpy as np
import pytest

from vestibule.geometry import Sight
from vestibule.motion import Motion

Box = tuple[float, float, float, float]
HOME: Box = (0.45, 0.3, 0.55, 0.7)


def moved(boxes: Callable[[float], Box], seconds: float, fps: float = 10.0, aspect: float = 16 / 9) -> bool:
    motion = Motion(0.15)
    for number in range(round(seconds * fps)):
        left, top, right, bottom = boxes(number / fps)
        motion.observe(Sight(at_s=number / fps, left=left, top=top, right=right, bottom=bottom, aspect=aspect))
    return motion.moved_at_s is not None


def shifted(dx: float, dy: float) -> Box:
    return HOME[0] + dx, HOME[1] + dy, HOME[2] + dx, HOME[3] + dy


@pytest.mark.parametrize("fps", [2, 8, 25])
@pytest.mark.parametrize("way", [(0.1, 0), (-0.1, 0), (0, 0.1), (0, -0.1), (0.05, 0.08)])
def test_somebody_who_walks_has_moved_before_long(fps: float, way: tuple[float, float]) -> None:
    assert moved(lambda t: shifted(way[0] * t, way[1] * t), 3.0 if fps == 2 else 1.5, fps)


@pytest.mark.parametrize("fps", [8, 25])
@pytest.mark.parametrize("seed", range(4))
def test_a_jittering_box_has_not_moved(fps: float, seed: int) -> None:
    noise = np.random.default_rng(seed)
    boxes = lambda _: tuple(np.array(HOME) + noise.normal(0, 0.03 * 0.4, 4))  # noqa: E731 - 3 % of the height
    assert not moved(boxes, 100, fps)


def test_single_wild_boxes_are_no_motion() -> None:
    assert not moved(lambda t: (0.2, 0.1, 0.9, 0.95) if round(t * 10) % 4 == 3 else HOME, 60)


@pytest.mark.parametrize("hidden_for_s", [0.3, 1.0, 5.0])
def test_hidden_legs_are_no_motion(hidden_for_s: float) -> None:
    upper_half: Box = (HOME[0], HOME[1], HOME[2], 0.5)
    assert not moved(lambda t: upper_half if 4 < t < 4 + hidden_for_s else HOME, 20)
    assert not moved(lambda t: upper_half if t < hidden_for_s else HOME, 20)


def test_a_wild_first_box_is_no_motion() -> None:
    assert not moved(lambda t: (0.2, 0.1, 0.9, 0.95) if t < 0.05 else HOME, 10)


def test_walking_straight_towards_a_camera_at_head_height_is_motion() -> None:
    def nearer(t: float) -> Box:
        scale = 1 + 0.25 * t
        return 0.5 - 0.05 * scale, 0.3, 0.5 + 0.05 * scale, 0.3 + 0.4 * scale

    assert moved(nearer, 3.0)


def test_somebody_with_the_feet_out_of_the_picture_can_move() -> None:
    assert moved(lambda t: (0.4 + 0.1 * t, 0.3, 0.6 + 0.1 * t, 1.0), 2.0)
    assert not moved(lambda _: (0.4, 0.3, 0.6, 1.0), 10.0)


def test_somebody_with_the_head_out_of_the_picture_can_move() -> None:
    assert moved(lambda t: (0.45, 0.0, 0.55, 0.3 + 0.1 * t), 2.0)


def test_a_slow_start_after_a_long_stand_is_motion() -> None:
    assert moved(lambda t: shifted(max(t - 60, 0) * 0.05, 0), 64)


def test_a_frame_of_another_shape_moves_nobody() -> None:
    motion = Motion(0.15)
    for number in range(100):
        x0, x1, aspect = (0.45, 0.55, 16 / 9) if number < 50 else (0.3, 0.43, 4 / 3)
        motion.observe(Sight(at_s=number / 10, left=x0, top=0.3, right=x1, bottom=0.7, aspect=aspect))
    assert motion.moved_at_s is None


def test_two_sights_are_too_few() -> None:
    assert not moved(lambda t: shifted(t * 5, 0), 0.2)


def test_frames_of_the_same_time_are_borne() -> None:
    motion = Motion(0.15)
    for _ in range(5):
        motion.observe(Sight(at_s=3.0, left=0.1, top=0.1, right=0.2, bottom=0.5, aspect=1.0))
    assert motion.moved_at_s is None
