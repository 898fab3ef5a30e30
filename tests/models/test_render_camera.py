import math

import numpy as np
import pytest

from vestibule_models.render_camera import Camera

LEVEL = Camera(at_m=(0, 0, 2), pitch_deg=0, yaw_deg=0, lens_mm=36, size_px=(640, 360))


def test_point_straight_ahead_is_in_the_middle() -> None:
    assert LEVEL.project(np.array([0, 5, 2])) == pytest.approx([320, 180, 5])


def test_right_is_right_and_up_is_up() -> None:
    right, above = LEVEL.project(np.array([[1, 5, 2], [0, 5, 3]]))
    assert right == pytest.approx([320 + 640 / 5, 180, 5])  # lens as long as the sensor is wide
    assert above == pytest.approx([320, 180 - 640 / 5, 5])


def test_looking_down_centres_the_floor_at_the_right_distance() -> None:
    camera = Camera(at_m=(1, 0, 2), pitch_deg=45, yaw_deg=0, lens_mm=25, size_px=(640, 360))
    assert camera.project(np.array([1, 2, 0])) == pytest.approx([320, 180, math.sqrt(8)])


def test_yaw_turns_left() -> None:
    camera = Camera(at_m=(0, 0, 2), pitch_deg=0, yaw_deg=90, lens_mm=25, size_px=(640, 360))
    assert camera.project(np.array([-4, 0, 2])) == pytest.approx([320, 180, 4])


def test_point_behind_has_negative_depth() -> None:
    assert LEVEL.project(np.array([0, -1, 2]))[2] < 0


def test_fractions_are_of_the_frame() -> None:
    assert LEVEL.fractions(np.array([[0, 5, 2]])) == [[0.5, 0.5]]
