import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from vestibule_models.render_camera import Camera
from vestibule_models.render_compose import encode, floor_points, lay_over, pictures, shade
from vestibule_models.render_scene import Scene

CAMERA = Camera(at_m=(0.2, -0.4, 2.6), pitch_deg=20, yaw_deg=0, lens_mm=25, size_px=(64, 36))


def test_floor_points_invert_the_projection() -> None:
    points = floor_points(CAMERA)
    for place in ([0.0, 4.0, 0.0], [-1.0, 6.0, 0.0], [1.2, 3.5, 0.0]):
        x, y, _ = CAMERA.project(np.array(place))
        assert points[int(y), int(x)] == pytest.approx(place[:2], abs=0.35)  # within a pixel of this small picture


def test_nothing_above_the_horizon_is_floor() -> None:
    level = Camera(at_m=(0, 0, 2), pitch_deg=5, yaw_deg=0, lens_mm=25, size_px=(64, 36))
    points = floor_points(level)
    assert (points[0] >= 1e5).all()
    assert (points[-1] < 100).all()


def test_shadow_is_darkest_under_a_foot_that_stands() -> None:
    floor = np.stack(np.meshgrid(np.linspace(-2, 2, 41), np.linspace(-2, 2, 41)), -1).astype(np.float32)
    light = shade(floor, [[[0.0, 0.0, 0.04], [1.0, 0.0, 0.3]]])
    assert light.shape == (41, 41)
    assert light[20, 20] < light[20, 30] < 1  # the second foot is in the air
    assert light[0, 0] == pytest.approx(1, abs=1e-3)
    assert (shade(floor, []) == 1).all()


def test_people_cover_the_room_only_inside_their_cut() -> None:
    room = np.full((36, 64, 3), 100, np.float32)
    people = np.zeros((10, 8, 4), np.uint8)
    people[2:4, 2:4] = (10, 20, 30, 255)
    made = lay_over(room, people, [5, 6, 13, 16])
    assert made[8, 7].tolist() == [10, 20, 30]
    assert (made != room).any(-1).sum() == 4
    assert (room == 100).all()


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """What Blender would have written for two frames: a grey room, a red person in the second."""
    folder = tmp_path / "s"
    (folder / "people").mkdir(parents=True)
    cv2.imwrite(str(folder / "room.png"), np.full((36, 64, 3), 128, np.uint8))
    cv2.imwrite(str(folder / "floor.png"), np.full((36, 64, 4), 255, np.uint8))
    person = np.full((20, 10, 4), (0, 0, 200, 255), np.uint8)
    cv2.imwrite(str(folder / "people" / "00001.0.png"), person)
    feet = [[0.0, 4.0, 0.05], [0.2, 4.0, 0.05]]
    there = {"box": [30, 8, 40, 28], "seen": 1.0, "feet": feet, "moves": True}
    for frame, facts in enumerate(({"cuts": [], "people": {}}, {"cuts": [[30, 8, 40, 28]], "people": {"p": there}})):
        (folder / "people" / f"{frame:05d}.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def _scene() -> Scene:
    return Scene(
        name="s", set="shop", seed=3, fps=10, seconds=0.2, camera=CAMERA, line_m=((0, 5), (1, 5)),
        inside_m=(0, 3), people=(),
    )  # fmt: skip


def test_pictures_are_composed_with_noise_that_can_be_drawn_again(rendered: Path) -> None:
    empty, peopled = pictures(_scene(), rendered)
    assert empty.shape == (36, 64, 3)
    assert abs(float(empty.mean()) - 128) < 1
    assert 0.5 < float(empty.astype(float).std()) < 4
    assert peopled[15, 35, 2] > 190
    assert peopled[15, 35, 0] < 10
    assert [p.tobytes() for p in pictures(_scene(), rendered)] == [empty.tobytes(), peopled.tobytes()]


def test_missing_picture_is_named(rendered: Path) -> None:
    (rendered / "room.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"room\.png.*render"):
        list(pictures(_scene(), rendered))


def test_clip_has_every_frame_and_the_right_format(rendered: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.mp4"
    encode(_scene(), pictures(_scene(), rendered), path)
    with av.open(str(path)) as clip:
        video = clip.streams.video[0]
        assert (video.codec_context.name, video.pix_fmt) == ("h264", "yuv420p")
        assert video.average_rate == 10
        assert (video.width, video.height, len(clip.streams.audio)) == (64, 36, 0)
        assert sum(1 for _ in clip.decode(video)) == 2
