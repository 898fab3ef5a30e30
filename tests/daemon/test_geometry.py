import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.geometry import Line, Sight, contains, distance
from vestibule.sections import EntranceConfig

SQUARE = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))
HORSESHOE = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.6, 0.9), (0.6, 0.4), (0.4, 0.4), (0.4, 0.9), (0.1, 0.9))
fractions = st.floats(0, 1)
points = st.tuples(fractions, fractions)


@pytest.mark.parametrize("point", [(0.2, 0.5), (0.5, 0.8), (0.2, 0.2), (0.8, 0.8), (0.5, 0.5)])
def test_a_polygon_holds_its_inside_edges_and_corners(point: tuple[float, float]) -> None:
    assert contains(SQUARE, point)


@pytest.mark.parametrize("point", [(0.19, 0.5), (0.5, 0.81), (0.0, 0.2), (0.9, 0.8), (0.1, 0.1)])
def test_a_polygon_does_not_hold_what_is_beside_it(point: tuple[float, float]) -> None:
    assert not contains(SQUARE, point)


@pytest.mark.parametrize(
    ("point", "inside"), [((0.5, 0.2), True), ((0.2, 0.7), True), ((0.8, 0.7), True), ((0.5, 0.7), False)]
)
def test_a_concave_polygon_leaves_its_notch_out(point: tuple[float, float], *, inside: bool) -> None:
    assert contains(HORSESHOE, point) is inside


@given(points, st.integers(0, 7), st.booleans())
def test_a_polygon_is_the_same_from_whichever_corner_and_way_round(
    point: tuple[float, float], turn: int, backwards: bool
) -> None:
    turned = HORSESHOE[turn:] + HORSESHOE[:turn]
    assert contains(turned[::-1] if backwards else turned, point) == contains(HORSESHOE, point)


@given(points)
def test_a_square_holds_what_its_bounds_hold(point: tuple[float, float]) -> None:
    clear = all(abs(value - bound) > 1e-6 for value in point for bound in (0.2, 0.8))
    if clear:
        assert contains(SQUARE, point) == all(0.2 < value < 0.8 for value in point)


def test_a_polygon_without_area_holds_only_its_points() -> None:
    assert contains(((0.1, 0.1), (0.5, 0.5), (0.9, 0.9)), (0.5, 0.5))
    assert not contains(((0.1, 0.1), (0.5, 0.5), (0.9, 0.9)), (0.5, 0.6))
    assert contains(((0.3, 0.3),) * 3, (0.3, 0.3))


def test_distances_are_in_frame_heights() -> None:
    assert distance((0.25, 0.5), (0.75, 0.5), 2.0) == pytest.approx(1.0)
    assert distance((0.5, 0.25), (0.5, 0.75), 2.0) == pytest.approx(0.5)


@given(points, points, points, points, st.floats(0.5, 3))
def test_the_named_inside_is_inside_and_its_mirror_image_is_not(
    start: tuple[float, float],
    end: tuple[float, float],
    inside: tuple[float, float],
    point: tuple[float, float],
    aspect: float,
) -> None:
    cross = (end[0] - start[0]) * (inside[1] - start[1]) - (end[1] - start[1]) * (inside[0] - start[0])
    if abs(cross) < 1e-3:
        return
    line = Line(EntranceConfig(line=(start, end), inside=inside))
    turned = Line(EntranceConfig(line=(end, start), inside=inside))
    assert line.distance_inwards(inside, aspect) > 0
    assert line.distance_inwards(start, aspect) == pytest.approx(0, abs=1e-9)
    mirrored = (2 * start[0] - inside[0], 2 * start[1] - inside[1])
    assert line.distance_inwards(mirrored, aspect) < 0
    assert turned.distance_inwards(point, aspect) == pytest.approx(line.distance_inwards(point, aspect), abs=1e-9)


def test_a_step_meets_the_line_where_it_crosses_it() -> None:
    line = Line(EntranceConfig(line=((0.2, 0.5), (0.8, 0.5)), inside=(0.5, 0.9)))
    assert line.distance_inwards((0.1, 0.7), 16 / 9) == pytest.approx(0.2)
    assert line.along((0.5, 0.4), (0.5, 0.6), 16 / 9) == pytest.approx(0.5)
    assert line.along((0.1, 0.4), (0.3, 0.6), 16 / 9) == pytest.approx(0.0)
    assert line.along((0.9, 0.4), (1.0, 0.8), 16 / 9) == pytest.approx((0.925 - 0.2) / 0.6)


def test_a_sight_is_the_same_at_any_resolution() -> None:
    small = Sight.of(np.array([64, 36, 128, 180], np.float32), width_px=640, height_px=360, at_s=0)
    large = Sight.of(np.array([192, 108, 384, 540], np.float32), width_px=1920, height_px=1080, at_s=0)
    assert small == large
    assert small.feet == pytest.approx((0.15, 0.5))
    assert small.head == pytest.approx((0.15, 0.1))
    assert not small.cut_below
    assert not small.cut_above


def test_a_box_without_height_still_has_one() -> None:
    sight = Sight.of(np.array([5, 5, 5, 5], np.float32), width_px=640, height_px=360, at_s=0)
    assert sight.height > 0
