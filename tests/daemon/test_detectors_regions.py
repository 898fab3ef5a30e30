"""Which columns are looked at, and who is in the picture after that."""

import numpy as np
from fakes import detections
from hypothesis import given
from hypothesis import strategies as st

from vestibule.detectors.regions import Region, choose, join, widths
from vestibule.types import Columns, Detections
from vestibule_models.letterbox import Placement

SIZES = (128, 192, 256, 352)
WIDE = Placement(scale_x=341 / 640, scale_y=192 / 360, left=0, top=0, frame_width=640, frame_height=360)
SQUARE = Placement(scale_x=192 / 480, scale_y=192 / 480, left=80, top=0, frame_width=480, frame_height=480)
shares = st.floats(0, 1, width=32)
columns = st.tuples(shares, shares).map(sorted).map(tuple)
boxes = st.lists(columns, max_size=6)


def people(placement: Placement, *spans: Columns) -> np.ndarray:
    """Somebody in each of these columns."""
    width = placement.frame_width
    return np.array([[first * width, 50, last * width, 200] for first, last in spans], np.float32).reshape(-1, 4)


def test_there_are_three_regions_and_the_whole_or_the_whole_alone() -> None:
    assert widths(352, 32) == SIZES
    assert widths(640, 32) == (224, 352, 480, 640)
    assert widths(32, 32) == (32,)
    assert widths(416, None) == (416,)


def test_a_small_change_is_looked_at_with_what_is_beside_it() -> None:
    region = choose((0.45, 0.5), people(WIDE), WIDE, SIZES, 32)
    assert region is not None
    assert (region.first, region.width) == (64, 192)
    assert (region.left, region.right) == (64 / WIDE.scale_x, 256 / WIDE.scale_x)


def test_a_change_at_the_edge_of_the_frame_ends_with_it() -> None:
    left, right = (choose(span, people(WIDE), WIDE, SIZES, 32) for span in ((0.0, 0.02), (0.98, 1.0)))
    assert left is not None
    assert (left.first, left.width, left.left, left.columns[0]) == (0, 128, 0, 0)
    assert right is not None
    assert (right.first + right.width, right.right, right.columns[1]) == (352, 640, 1)


def test_whoever_reaches_into_it_is_looked_at_whole_and_whoever_reaches_into_that() -> None:
    region = choose((0.45, 0.5), people(WIDE, (0.55, 0.65), (0.64, 0.7), (0.9, 0.95)), WIDE, SIZES, 32)
    assert region is not None
    assert region.left < 0.45 * 640 < 0.7 * 640 < region.right < 0.9 * 640


def test_changes_far_apart_are_worth_the_whole_picture() -> None:
    assert choose((0.1, 0.9), people(WIDE), WIDE, SIZES, 32) is None
    assert choose((0.4, 0.5), people(WIDE, (0.0, 0.45), (0.45, 1.0)), WIDE, SIZES, 32) is None
    assert choose((0.4, 0.5), people(WIDE), WIDE, (352,), 32) is None


@given(columns, boxes, st.sampled_from([WIDE, SQUARE]))
def test_a_region_shows_all_that_is_wanted_and_nobody_reaches_from_there_over_its_border(
    wanted: Columns, spans: list[Columns], placement: Placement
) -> None:
    region = choose(wanted, people(placement, *spans), placement, SIZES, 32)
    if region is None:
        return
    width = placement.frame_width
    assert region.first % 32 == 0
    assert 0 <= region.first <= 352 - region.width
    assert 0 <= region.left <= wanted[0] * width + 1e-6
    assert wanted[1] * width - 1e-6 <= region.right <= width
    for first, last in spans:
        if first < wanted[1] and last > wanted[0]:
            assert region.left <= first * width + 1e-3
            assert region.right >= last * width - 1e-3


REGION = Region(first=96, width=128, left=180.0, right=420.0, edge=8.0, columns=(180 / 640, 420 / 640))


def after(known: Detections, found: Detections) -> Detections | None:
    return join(known, found, REGION, believed=0.4, nms_iou=0.5)


def test_those_found_replace_those_known_there_and_the_others_stay() -> None:
    known = detections([(20, 50, 80, 200), (250, 50, 310, 200), (500, 50, 560, 200)], scores=[0.9, 0.8, 0.7])
    found = detections([(260, 50, 320, 200)], scores=[0.85])
    joined = after(known, found)
    assert joined is not None
    assert joined.boxes_xyxy[:, 0].tolist() == [20, 260, 500]
    assert joined.scores.tolist() == np.array([0.9, 0.85, 0.7], np.float32).tolist()
    assert joined.columns == REGION.columns


def test_whoever_has_gone_is_gone() -> None:
    joined = after(detections([(250, 50, 310, 200), (500, 50, 560, 200)]), detections([]))
    assert joined is not None
    assert joined.boxes_xyxy[:, 0].tolist() == [500]
    nobody = after(detections([]), detections([]))
    assert nobody is not None
    assert nobody.boxes_xyxy.shape == (0, 4)


def test_somebody_new_whom_the_border_cuts_is_worth_the_whole_picture() -> None:
    assert after(detections([]), detections([(182, 50, 230, 200)])) is None
    assert after(detections([]), detections([(370, 50, 419, 200)])) is None


def test_a_faint_box_at_the_border_is_nobody() -> None:
    joined = after(detections([]), detections([(182, 50, 230, 200), (300, 50, 360, 200)], scores=[0.3, 0.2]))
    assert joined is not None
    assert joined.boxes_xyxy[:, 0].tolist() == [300]


def test_somebody_known_who_stands_over_the_border_keeps_the_box() -> None:
    known = detections([(140, 50, 240, 200)], scores=[0.9])
    joined = after(known, detections([(181, 52, 240, 199), (300, 50, 360, 200)], scores=[0.8, 0.7]))
    assert joined is not None
    assert joined.boxes_xyxy[:, 0].tolist() == [140, 300]


def test_the_frames_own_edge_cuts_nobody_off() -> None:
    region = Region(first=0, width=128, left=0.0, right=240.0, edge=8.0, columns=(0.0, 240 / 640))
    joined = join(detections([]), detections([(0, 50, 40, 200)]), region, believed=0.4, nms_iou=0.5)
    assert joined is not None
    assert joined.boxes_xyxy.tolist() == [[0, 50, 40, 200]]
