"""Who is worth classifying, and the picture that the classifier gets."""

from dataclasses import replace
from typing import Literal

import cv2
import numpy as np
import pytest
from fakes import Box, Image, Larger, tracks
from hypothesis import given
from hypothesis import strategies as st

from vestibule.colours import clothes_lab
from vestibule.cropping import Cropper, covered_share, placed, sharpness, visible_share
from vestibule.sections import CroppingConfig
from vestibule.types import Crop, LargerPicture, Tracks
from vestibule_models.artifact import InputSpec

WIDTH, HEIGHT = 640, 360
NOISE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
"""Sharp everywhere."""
WHOLE: Box = (300, 50, 380, 258)
"""Somebody of the usual shape, away from the edges."""
EVERY = {"min_height_px": 16, "min_sharpness": 0, "min_interval_s": 0, "max_per_track": 100}
"""Settings under which sharpness, size and time refuse nobody."""


def spec(
    colour: Literal["rgb", "bgr"] = "rgb",
    resize: Literal["letterbox-top-left", "letterbox-centre"] = "letterbox-centre",
) -> InputSpec:
    return InputSpec(height=288, width=144, colour=colour, dtype="uint8", resize=resize)


def new(**changes: float) -> Cropper:
    return Cropper(CroppingConfig.model_validate(changes), spec())


def cut(box: Box, *, image: Image = NOISE, **changes: float) -> tuple[Crop, ...]:
    return new(**{**EVERY, **changes}).crops(tracks({1: box}, image=image))


def at(box: Box, at_s: float, track_id: int = 1) -> Tracks:
    return tracks({track_id: box}, at_s, image=NOISE)


def blurred(image: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 12), np.uint8)


def test_a_crop_says_whose_it_is_and_is_read_only() -> None:
    (crop,) = new().crops(at(WHOLE, 12.5, track_id=7))
    assert (crop.camera_id, crop.track_id, crop.captured_at_s) == ("door", 7, 12.5)
    assert 0 < crop.quality <= 1
    assert crop.image.shape == (288, 144, 3)
    assert crop.image.dtype == np.uint8
    assert not crop.image.flags.writeable
    assert crop.clothes_lab.tolist() == clothes_lab(NOISE, np.array(WHOLE, np.float32)).tolist()


def test_nobody_in_view() -> None:
    assert new().crops(tracks({}, image=NOISE)) == ()


def test_small_people_are_not_read() -> None:
    tall = (300, 100, 340, 200)
    assert cut(tall, min_height_px=100)
    assert not cut(tall, min_height_px=101)


def test_bigger_is_better_up_to_a_point() -> None:
    near, middle, far = (
        crop.quality for box in ((300, 20, 390, 350), (300, 20, 350, 140), (300, 20, 330, 100)) for crop in cut(box)
    )
    assert near == 1.0
    assert middle == pytest.approx(0.5)
    assert far == pytest.approx(80 / 240)


# ---- cut by the frame

CUT_HALF = {
    "left": (0, 50, 40, 258),
    "right": (600, 50, 640, 258),
    "top": (300, 0, 380, 104),
    "bottom": (300, 256, 380, 360),
}
CUT_SLIGHTLY = {
    "left": (0, 50, 72, 258),
    "right": (568, 50, 640, 258),
    "top": (300, 0, 380, 190),
    "bottom": (300, 170, 380, 360),
}


@pytest.mark.parametrize("edge", CUT_HALF)
def test_somebody_half_outside_is_not_read(edge: str) -> None:
    assert visible_share(CUT_HALF[edge], (HEIGHT, WIDTH)) == pytest.approx(0.5, abs=0.01)
    assert not cut(CUT_HALF[edge])
    assert cut(CUT_HALF[edge], min_visible=0.4)


@pytest.mark.parametrize("edge", CUT_SLIGHTLY)
def test_somebody_slightly_cut_is_read_at_less_quality(edge: str) -> None:
    (crop,) = cut(CUT_SLIGHTLY[edge])
    box = CUT_SLIGHTLY[edge]
    assert 0.6 < crop.quality / min(1, (box[3] - box[1]) / 240) < 1


def test_away_from_the_edges_any_shape_is_whole() -> None:
    for box in ((100, 100, 400, 200), (100, 20, 110, 340), WHOLE):
        assert visible_share(box, (HEIGHT, WIDTH)) == 1.0


def test_the_share_is_never_above_one() -> None:
    assert visible_share((0, 0, 20, 360), (HEIGHT, WIDTH)) < 0.2
    assert visible_share((0, 0, 138, 360), (HEIGHT, WIDTH)) <= 1.0


# ---- covered by others

FRONT: Box = (340, 60, 440, 320)


def test_somebody_covered_by_a_nearer_person_is_not_read_the_nearer_one_is() -> None:
    crops = new(**EVERY).crops(tracks({1: WHOLE, 2: FRONT}, image=NOISE))
    assert [crop.track_id for crop in crops] == [2]


def test_a_person_behind_covers_nobody() -> None:
    boxes = [FRONT, WHOLE]
    assert covered_share(0, boxes) == 0.0
    assert covered_share(1, boxes) == pytest.approx(40 * 198 / (80 * 208))


def test_being_covered_a_little_costs_quality() -> None:
    aside: Box = (364, 60, 464, 320)
    alone = new(**EVERY).crops(tracks({1: WHOLE}, image=NOISE))[0].quality
    beside = new(**EVERY).crops(tracks({1: WHOLE, 2: aside}, image=NOISE))[0].quality
    assert beside == pytest.approx(alone * (1 - 16 * 198 / (80 * 208)))


def test_of_two_cut_by_the_lower_edge_the_bigger_one_is_nearer() -> None:
    """Their feet cannot be compared."""
    boxes = [(300, 100, 400, 360), (340, 160, 420, 360)]
    assert covered_share(0, boxes) == 0.0
    assert covered_share(1, boxes) == pytest.approx(60 * 200 / (80 * 200))


# ---- sharpness


def test_a_blurred_person_is_not_read_a_sharp_one_is() -> None:
    assert not cut(WHOLE, image=blurred(NOISE), min_sharpness=4)
    assert cut(WHOLE, image=NOISE, min_sharpness=4)


def test_a_refused_crop_is_not_counted_and_the_next_sharp_one_is_taken_at_once() -> None:
    cropper = new(max_per_track=1, min_interval_s=5)
    assert not cropper.crops(tracks({1: WHOLE}, 0.0, image=blurred(NOISE)))
    assert cropper.crops(tracks({1: WHOLE}, 0.1, image=NOISE))


def test_sharpness_hardly_depends_on_how_near_the_person_is() -> None:
    big = np.asarray(cv2.resize(blurred(NOISE)[:256, :128], (512, 1024), interpolation=cv2.INTER_CUBIC), np.uint8)
    small = np.asarray(cv2.resize(big, (128, 256), interpolation=cv2.INTER_AREA), np.uint8)
    assert sharpness(big) == pytest.approx(sharpness(small), rel=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (2, 2)])
def test_the_sharpness_of_hardly_any_pixels_is_a_number(shape: tuple[int, int]) -> None:
    assert sharpness(np.full((*shape, 3), 99, np.uint8)) == 0.0


# ---- how often


def test_at_most_max_per_track() -> None:
    cropper = new(max_per_track=3, min_interval_s=0)
    taken = [len(cropper.crops(at(WHOLE, n / 10))) for n in range(10)]
    assert taken == [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert len(cropper.crops(at(WHOLE, 1.0, track_id=2))) == 1


@pytest.mark.parametrize("start_s", [0.0, 1_763_900_000.0])
def test_crops_of_a_track_are_spaced_in_time(start_s: float) -> None:
    cropper = new(min_interval_s=0.3)
    taken = [n for n in range(13) if cropper.crops(at(WHOLE, start_s + n / 10))]
    assert taken == [0, 3, 6, 9, 12]


def test_the_settled_are_left_alone_and_the_others_are_not() -> None:
    cropper = new(**EVERY)
    people = tracks({1: WHOLE, 2: (450, 50, 530, 258)}, image=NOISE)
    assert [crop.track_id for crop in cropper.crops(people, settled={1})] == [2]
    assert [crop.track_id for crop in cropper.crops(people, settled={1, 2})] == []
    assert [crop.track_id for crop in cropper.crops(people)] == [1, 2]


def test_a_clock_that_is_set_back_does_not_stop_the_crops() -> None:
    cropper = new(min_interval_s=0.3)
    assert cropper.crops(at(WHOLE, 5000.0))
    assert cropper.crops(at(WHOLE, 1000.0))
    assert not cropper.crops(at(WHOLE, 1000.1))


def test_memory_does_not_grow_with_the_day() -> None:
    cropper, most = new(max_per_track=1, min_height_px=80), 0
    image = np.zeros((120, 60, 3), np.uint8)
    image[::2] = 255
    crops = 0
    for n in range(10_000):  # somebody new every second, for two seconds
        people = tracks(dict.fromkeys((n, n + 1), (10, 10, 50, 110)), float(n), image=image)
        crops += len(cropper.crops(people))
        most = max(most, len(cropper._seen_at_s), len(cropper._taken))
    assert crops == 10_001
    assert most <= 62


# ---- the picture


def coloured(box: Box, bgr: tuple[int, int, int]) -> Image:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    x0, y0, x1, y1 = (int(v) for v in box)
    image[y0:y1, x0:x1] = bgr
    return image


def test_the_colours_come_out_in_the_order_red_green_blue() -> None:
    (crop,) = cut(WHOLE, image=coloured(WHOLE, (10, 120, 250)))
    assert crop.image[144, 72].tolist() == [250, 120, 10]


def test_a_network_that_wants_blue_first_gets_it() -> None:
    cropper = Cropper(CroppingConfig.model_validate(EVERY), spec("bgr"))
    (crop,) = cropper.crops(tracks({1: WHOLE}, image=coloured(WHOLE, (10, 120, 250))))
    assert crop.image[144, 72].tolist() == [10, 120, 250]


def test_the_aspect_is_kept_and_the_person_is_centred() -> None:
    box: Box = (300, 100, 350, 300)  # 50 x 200
    (crop,) = cut(box, image=coloured(box, (255, 255, 255)), margin=0.0)
    columns = np.flatnonzero((crop.image == 255).all(axis=(0, 2)))
    assert (columns[0], columns[-1] + 1) == (36, 108)  # 288 high and so 72 wide, in the middle of 144
    assert (crop.image[:, :36] == 114).all()
    assert (crop.image[:, 108:] == 114).all()


def test_the_margin_shows_what_is_around_on_all_four_sides() -> None:
    box: Box = (300, 100, 350, 200)  # 50 x 100, with a tenth of each side more: 60 x 120, times 2.4
    (crop,) = cut(box, image=coloured(box, (255, 255, 255)), margin=0.1)
    rows = np.flatnonzero((crop.image[:, 72] > 128).all(axis=1))
    columns = np.flatnonzero((crop.image[144] > 128).all(axis=1))
    assert (rows[0], rows[-1] + 1) == (24, 264)
    assert (columns[0], columns[-1] + 1) == (12, 132)


def test_the_frame_itself_is_never_changed() -> None:
    before = NOISE.copy()
    assert cut(WHOLE)
    np.testing.assert_array_equal(NOISE, before)


# ---- odd boxes and frames


@pytest.mark.parametrize(
    "box",
    [(0, 0, 60, 156), (580, 0, 640, 156), (0, 204, 60, 360), (580, 204, 640, 360), (0.4, 203.6, 59.6, 359.7)],
)
@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_boxes_in_the_very_corners(box: Box, margin: float) -> None:
    (crop,) = cut(box, margin=margin)
    assert crop.image.std() > 20


@pytest.mark.parametrize("box", [(10, 10, 11, 11), (639, 359, 640, 360), (10, 10, 10, 200), (10, 10, 200, 10)])
def test_boxes_of_a_pixel_or_of_no_area_are_nobody(box: Box) -> None:
    assert cut(box, min_visible=0, max_overlap=1) == ()


def test_a_sliver_at_the_right_edge() -> None:
    (crop,) = cut((639, 100, 640, 130), min_visible=0)
    assert crop.image.shape == (288, 144, 3)


@pytest.mark.parametrize("box", [(-100, -100, 740, 460), (0, 0, 640, 360)])
def test_a_box_as_big_as_the_frame_or_bigger(box: Box) -> None:
    (crop,) = cut(box, min_visible=0)
    columns = np.flatnonzero((crop.image != 114).any(axis=(0, 2)))
    rows = np.flatnonzero((crop.image != 114).any(axis=(1, 2)))
    assert len(columns) == 144
    assert len(rows) == 81  # 144 / 640 of 360


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (16, 16)])
def test_tiny_frames(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 50, np.uint8)
    crops = cut((0, 0, shape[1], shape[0]), image=image, min_visible=0)
    assert len(crops) == (shape[0] >= 16)


# ---- a camera with two streams

DOUBLE = np.random.default_rng(1).integers(0, 256, (2 * HEIGHT, 2 * WIDTH, 3), dtype=np.uint8)
"""What the main stream shows; nothing of NOISE is in it."""


def two(boxes: dict[int, Box], larger: Larger, at_s: float = 0.0) -> Tracks:
    given = tracks(boxes, at_s, image=NOISE)
    return replace(given, frame=replace(given.frame, detail=larger))


def test_people_are_cut_out_of_the_larger_picture_where_the_smaller_one_shows_them() -> None:
    (crop,) = new(**EVERY).crops(two({1: WHOLE}, Larger(DOUBLE)))
    (same,) = cut(tuple(2 * side for side in WHOLE), image=DOUBLE)
    assert (crop.image == same.image).all()
    assert crop.quality == same.quality
    assert (crop.clothes_lab == clothes_lab(NOISE, np.array(WHOLE, np.float32))).all()  # tracks are told by these


def test_pixels_of_the_larger_picture_count_for_height_and_quality() -> None:
    far: Box = (300, 100, 330, 180)
    assert not new(min_height_px=100).crops(two({1: far}, Larger(None)))
    (crop,) = new(min_height_px=100).crops(two({1: far}, Larger(DOUBLE)))
    assert crop.quality == pytest.approx(160 / 240)


def test_without_a_larger_picture_the_frame_itself_is_cut() -> None:
    (crop,) = new(**EVERY).crops(two({1: WHOLE}, Larger(None)))
    (same,) = cut(WHOLE)
    assert (crop.image == same.image).all()
    assert crop.quality == same.quality


def test_the_edge_of_the_picture_is_where_the_smaller_one_ends() -> None:
    cut_half: Box = (300, 256, 380, 360)
    assert not new(**EVERY).crops(two({1: cut_half}, Larger(DOUBLE)))


def test_it_is_asked_for_only_when_somebody_is_read_and_kept_ready_while_somebody_may_be() -> None:
    cropper, larger = new(max_per_track=2, min_interval_s=0.3), Larger(DOUBLE)

    def asked(boxes: dict[int, Box], at_s: float, settled: tuple[int, ...] = ()) -> tuple[int, int]:
        before = larger.wants, larger.looks
        cropper.crops(two(boxes, larger, at_s), settled)
        return larger.wants - before[0], larger.looks - before[1]

    assert asked({}, 0.0) == (0, 0)
    assert asked({1: WHOLE}, 0.1) == (1, 1)
    assert asked({1: WHOLE}, 0.2) == (1, 0)  # too early for the next
    assert asked({1: WHOLE}, 0.5, settled=(1,)) == (0, 0)
    assert asked({1: WHOLE}, 0.6) == (1, 1)
    assert asked({1: WHOLE}, 1.0) == (0, 0)  # that was all
    many: dict[int, Box] = {number: (12 * number, 50, 12 * number + 10, 200) for number in range(2, 52)}
    assert asked(many, 1.1) == (50, 1)  # fifty people, one picture


# ---- the larger picture of a moment before or after


STEP: Box = (340, 70, 420, 278)
"""Where the one in WHOLE is a fifth of a second later: 40 pixels to the right, 20 further down."""


@pytest.mark.parametrize(
    ("before_s", "expected"),
    [
        (0.0, (680, 140, 840, 556)),
        (0.1, (640, 120, 800, 536)),  # half a step back, in pixels twice as small
        (0.2, (600, 100, 760, 516)),
        (-0.1, (720, 160, 880, 576)),
        (0.9, (520, 60, 680, 476)),  # two steps at most
    ],
)
def test_a_box_is_put_to_where_its_person_was_when_the_picture_was_taken(before_s: float, expected: Box) -> None:
    picture = LargerPicture(image=DOUBLE, before_s=before_s)
    before = (10.0, {1: np.array(WHOLE, np.float32)})
    assert placed(at(STEP, 10.2), 0, before, picture) == pytest.approx(np.array(expected))
    (crop,) = stepped(Larger(DOUBLE, before_s))
    (same,) = cut(expected, image=DOUBLE)
    assert (crop.image == same.image).all()


def stepped(larger: Larger) -> tuple[Crop, ...]:
    cropper = new(**EVERY)
    cropper.crops(two({1: WHOLE}, Larger(None), 10.0))
    return cropper.crops(two({1: STEP}, larger, 10.2))


def test_of_somebody_just_found_or_found_again_no_step_is_known() -> None:
    picture = LargerPicture(image=DOUBLE, before_s=0.1)
    here = pytest.approx(2 * np.array(STEP))
    assert placed(at(STEP, 10.2), 0, (10.0, {2: np.array(WHOLE, np.float32)}), picture) == here
    assert placed(at(STEP, 10.2), 0, (10.2, {1: np.array(WHOLE, np.float32)}), picture) == here  # a clock that stood


@given(
    box=st.tuples(*[st.floats(0, 360)] * 4),
    there=st.tuples(*[st.floats(0, 360)] * 4),
    before_s=st.floats(-1, 1),
    passed_s=st.floats(0.01, 10),
)
def test_wherever_they_went_the_crop_is_within_the_picture(
    box: Box, there: Box, before_s: float, passed_s: float
) -> None:
    cropper = new(min_height_px=16, min_sharpness=0, min_visible=0)
    cropper.crops(two({1: there}, Larger(None), 0.0), settled=(1,))
    for crop in cropper.crops(two({1: box}, Larger(DOUBLE, before_s), passed_s)):
        assert crop.image.shape == (288, 144, 3)
