from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vestibule_models.render_camera import Camera
from vestibule_models.render_demo import DEMO
from vestibule_models.render_footage import FOOTAGE
from vestibule_models.render_paths import Stop
from vestibule_models.render_scene import Person, Row, Scene
from vestibule_models.render_sprites import Wardrobe
from vestibule_models.render_truth import clipped, crossings, intervals, outline, truth

LINE = ((-1.0, 5.0), (1.0, 5.0))
INSIDE = (0.0, 3.0)


def _rows(*points: tuple[float, float]) -> list[Row]:
    return [[x, y, 0.0, 0.0, 0.0, 0.0] for x, y in points]


def test_crossing_inwards_is_timed_between_the_frames() -> None:
    assert crossings(_rows((0, 6), (0, 5.5), (0, 4.5), (0, 4)), 10, LINE, INSIDE) == ([0.15], [])


def test_crossing_back_is_leaving() -> None:
    inwards, outwards = crossings(_rows((0, 5.5), (0, 4.5), (0, 5.5)), 10, LINE, INSIDE)
    assert (len(inwards), len(outwards)) == (1, 1)


@pytest.mark.parametrize(
    "rows",
    [
        _rows((0, 6), (0, 5.02), (0, 5.02), (0, 6)),  # turns round on the line
        _rows((-1, 5.1), (0, 5.05), (1, 5.1)),  # walks along it
        _rows((1.5, 6), (1.5, 4)),  # passes beside it
        [*_rows((0, 6)), None, *_rows((0, 4))],  # was not on the stage in between
        [],
    ],
)
def test_these_do_not_cross(rows: list[Row]) -> None:
    assert crossings(rows, 10, LINE, INSIDE) == ([], [])


def test_side_of_the_line_does_not_depend_on_its_direction() -> None:
    rows = _rows((0, 6), (0, 4))
    assert crossings(rows, 10, (LINE[1], LINE[0]), INSIDE) == crossings(rows, 10, LINE, INSIDE)


def test_flicker_of_visibility_is_smoothed() -> None:
    seen = [False] * 5 + [True] * 10 + [False] + [True] * 9 + [False] * 20 + [True] + [False] * 4
    assert intervals(seen, 10) == [[0.5, 2.5]]
    assert intervals([], 10) == []


def test_box_is_clipped_to_the_frame() -> None:
    assert clipped((-5, 10.04, 700, 400), (640, 360)) == [0.0, 10.0, 640.0, 360.0]


def test_outline_is_cut_to_the_frame() -> None:
    camera = Camera(at_m=(0, 0, 2), pitch_deg=20, yaw_deg=0, lens_mm=25, size_px=(640, 360))
    polygon = outline(camera, [(-9, 4, 0), (0, 4, 0), (0, 6, 0), (-9, 6, 0)])
    assert len(polygon) >= 3
    assert all(0 <= v <= 1 for point in polygon for v in point)
    assert min(x for x, _ in polygon) == 0


def _scene() -> Scene:
    camera = Camera(at_m=(0, 0, 2.6), pitch_deg=20, yaw_deg=0, lens_mm=25, size_px=(640, 360))
    walker = Person(name="w", avatar="A", role="customer", start_s=0.0, stops=(Stop(x_m=0, y_m=6), Stop(x_m=0, y_m=4)))
    again = replace(walker, start_s=3.0)
    return Scene(
        name="s", set="shop", seed=1, fps=10, seconds=6, camera=camera, line_m=LINE, inside_m=INSIDE,
        people=(walker, again), staff_m=((-2, 3, 0), (-1, 3, 0), (-1, 4, 0)),
    )  # fmt: skip


def test_truth_joins_the_parts_of_one_person_and_leaves_hidden_frames_out() -> None:
    scene = _scene()
    facts: list[dict[str, Any]] = [
        {"people": {"w": {"box": [-4.0, 10, 50, 400.0], "seen": 0.9 if k < 20 else 0.0}}} for k in range(30)
    ] + [{"people": {}}] * 30
    made = truth(scene, facts, [Wardrobe(name="A", garments=("Tee",), unknown=("Top",))])
    assert (made["clip"], made["size"], made["fps"], made["frames"]) == ("s.mp4", [640, 360], 10, 60)
    (person,) = made["people"]
    assert len(person["enters_s"]) == 2
    assert person["garments"] == ["Tee"]
    assert person["garments_unknown"] == ["Top"]
    assert person["visible_s"] == [[0.0, 2.0]]
    assert person["boxes"][0] == [0, 0.0, 10.0, 50.0, 360.0]
    assert len(person["boxes"]) == len(person["seen"]) == 20
    assert made["entrance"]["inside"][1] > made["entrance"]["line"][0][1]  # nearer is lower in the picture
    assert len(made["staff_zone"]) >= 3


@pytest.mark.parametrize("scene", [DEMO, *FOOTAGE], ids=lambda s: s.name)
def test_entrance_line_of_every_scene_is_in_the_picture(scene: Scene) -> None:
    points = scene.camera.fractions(np.array([[*p, 0.0] for p in (*scene.line_m, scene.inside_m)]))
    assert all(0 <= v <= 1 for point in points for v in point)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("line", {"crosses": (1, 0), "turns": (0, 0), "along": (0, 0)}),
        ("alike", {"first": (1, 0), "second": (1, 0)}),
        ("hidden", {"hides": (1, 0)}),
        ("steep", {"one": (1, 0), "two": (1, 0), "leaves": (0, 1)}),
    ],
)
def test_scenes_show_what_they_are_for(name: str, expected: dict[str, tuple[int, int]]) -> None:
    scene = next(s for s in FOOTAGE if s.name == name)
    for person in scene.people:
        if person.name in expected:
            rows = person.steps(scene.frames, scene.fps)
            inwards, outwards = crossings(rows, scene.fps, scene.line_m, scene.inside_m)
            assert (len(inwards), len(outwards)) == expected[person.name], person.name


def test_mannequin_never_moves() -> None:
    mannequin = next(p for p in DEMO.people if p.role == "mannequin")
    rows = mannequin.steps(DEMO.frames, DEMO.fps)
    assert len(rows) == DEMO.frames
    assert all(row == rows[0] for row in rows)
