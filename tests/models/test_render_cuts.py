from hypothesis import given, settings
from hypothesis import strategies as st

from vestibule_models.render_cuts import parts

SIZE = (640, 360)
BOXES = st.lists(
    st.tuples(*[st.floats(-100, 700)] * 2, *[st.floats(1, 200)] * 2).map(
        lambda v: (v[0], v[1] / 2, v[0] + v[2], v[1] / 2 + v[3])
    ),
    max_size=8,
)


def test_far_people_are_rendered_apart_and_near_ones_together() -> None:
    boxes = [(10.2, 10, 20, 40), (18, 30, 30, 60), (300, 10, 320, 50)]
    assert parts(boxes, SIZE) == [[8, 8, 32, 62], [298, 8, 322, 52]]


def test_union_that_touches_a_third_takes_it_in() -> None:
    assert len(parts([(0, 0, 10, 10), (40, 40, 50, 50), (5, 5, 45, 45)], SIZE)) == 1


def test_nobody_in_the_picture_means_nothing_to_render() -> None:
    assert parts([], SIZE) == []
    assert parts([(700, 10, 740, 60)], SIZE) == []


@settings(deadline=None)
@given(BOXES)
def test_parts_hold_every_box_and_never_overlap(boxes: list[tuple[float, float, float, float]]) -> None:
    made = parts(boxes, SIZE)
    for x0, y0, x1, y1 in made:
        assert 0 <= x0 < x1 <= SIZE[0]
        assert 0 <= y0 < y1 <= SIZE[1]
    for i, a in enumerate(made):
        for b in made[i + 1 :]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    for box in boxes:
        low, high = (max(0, box[0]), max(0, box[1])), (min(SIZE[0], box[2]), min(SIZE[1], box[3]))
        if low[0] < high[0] and low[1] < high[1]:
            assert any(p[0] <= low[0] and p[1] <= low[1] and high[0] <= p[2] and high[1] <= p[3] for p in made)
