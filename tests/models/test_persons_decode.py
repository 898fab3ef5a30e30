"""Feeding person detectors and reading their answers."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vestibule_models.artifact import DetectorManifest, InputSpec, ModelFile
from vestibule_models.persons_decode import (
    cells,
    decode,
    letterbox,
    output_fault,
    overlaps,
    read_people,
    suppress,
    to_tensor,
)


def spec(**changes: object) -> InputSpec:
    values: dict[str, object] = {"height": 64, "width": 96, "colour": "bgr", "dtype": "uint8"}
    return InputSpec.model_validate({**values, "resize": "letterbox-top-left", **changes})


def manifest(decoder: str, **changes: object) -> DetectorManifest:
    values: dict[str, object] = {
        "schema_version": 1,
        "name": "synthetic",
        "version": "1",
        "kind": "person-detector",
        "input": spec(),
        "files": {"a.tflite": ModelFile(sha256="0" * 64, bytes=1)},
        "decoder": decoder,
        "classes": 3,
        "person_class": 1,
    }
    return DetectorManifest.model_validate({**values, **changes})


def test_letterbox_keeps_aspect_and_pads_right_and_below() -> None:
    image = np.full((50, 50, 3), 200, np.uint8)
    canvas, placement = letterbox(image, spec())
    assert canvas.shape == (64, 96, 3)
    assert (canvas[:, :64] == 200).all()
    assert (canvas[:, 64:] == 114).all()
    back = placement.to_frame(np.array([[0, 0, 64, 64]], np.float32))
    assert back.tolist() == [[0, 0, 50, 50]]


def test_letterbox_in_the_centre_pads_both_sides_alike() -> None:
    canvas, placement = letterbox(np.full((50, 50, 3), 200, np.uint8), spec(resize="letterbox-centre", pad_value=7))
    assert (canvas[:, :16] == 7).all()
    assert (canvas[:, 80:] == 7).all()
    assert placement.left == 16
    assert placement.to_frame(np.array([[16, 0, 80, 64]], np.float32)).tolist() == [[0, 0, 50, 50]]


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from(["letterbox-top-left", "letterbox-centre"]))
def test_any_frame_fits_and_the_whole_input_maps_back_into_it(height: int, width: int, resize: str) -> None:
    canvas, placement = letterbox(np.zeros((height, width, 3), np.uint8), spec(resize=resize))
    assert canvas.shape == (64, 96, 3)
    inner = [placement.left, placement.top]
    inner += [placement.left + round(width * placement.scale_x), placement.top + round(height * placement.scale_y)]
    back = placement.to_frame(np.array([inner, [-900, -900, 900, 900]], np.float32))
    assert np.allclose(back[0], [0, 0, width, height], atol=0.01)
    assert (back >= 0).all()
    assert (back <= [width, height, width, height]).all()


def test_tensor_has_the_colour_scaling_and_layout_that_the_network_wants() -> None:
    canvas = np.zeros((64, 96, 3), np.uint8)
    canvas[:] = (10, 20, 30)
    assert to_tensor(canvas, spec()).shape == (1, 64, 96, 3)
    assert to_tensor(canvas, spec(colour="rgb"))[0, 0, 0].tolist() == [30, 20, 10]
    scaled = to_tensor(canvas, spec(dtype="float32", layout="nchw", mean=(10, 10, 20), scale=0.5))
    assert scaled.shape == (1, 3, 64, 96)
    assert scaled.dtype == np.float32
    assert scaled[0, :, 0, 0].tolist() == [0, 5, 5]
    assert scaled.flags.c_contiguous


def test_cells_are_row_major_grid_by_grid() -> None:
    grid = cells(spec(), (32, 16))
    assert len(grid) == 2 * 3 + 4 * 6
    assert grid[:4].tolist() == [[0, 0, 32], [1, 0, 32], [2, 0, 32], [0, 1, 32]]
    assert grid[6].tolist() == [0, 0, 16]


def test_yolox_reads_offsets_and_logarithms_of_the_person_class_only() -> None:
    it = manifest("yolox", strides=(32,))
    output = np.zeros((1, 6, 8), np.float32)
    output[0, 4] = [0.5, 0.25, np.log(1.5), np.log(0.5), 0.8, 0.1, 0.5, 0.9]
    output[0, 2, 4:] = [0.9, 1.0, 0.1, 1.0]
    boxes, scores = decode(output, it, cells(it.input, it.strides), score_threshold=0.3)
    assert scores == pytest.approx([0.4])
    x, y = 1.5 * 32, 1.25 * 32
    assert boxes == pytest.approx(np.array([[x - 24, y - 8, x + 24, y + 8]]), rel=1e-5)


def test_yolox_does_not_overflow() -> None:
    it = manifest("yolox", strides=(32,))
    output = np.full((1, 6, 8), 1e30, np.float32)
    output[0, :, 4:] = 1.0
    boxes, _ = decode(output, it, cells(it.input, it.strides), score_threshold=0.3)
    assert not np.isnan(boxes).any()


def test_scores_that_are_not_numbers_are_nobody() -> None:
    it = manifest("yolox", strides=(32,))
    boxes, scores = decode(np.full((1, 6, 8), np.nan, np.float32), it, cells(it.input, it.strides), score_threshold=0.3)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_yolov8_reads_columns() -> None:
    it = manifest("yolov8")
    output = np.zeros((1, 7, 5), np.float32)
    output[0, :, 3] = [40, 30, 20, 10, 0.9, 0.7, 0.1]
    output[0, :, 1] = [40, 30, 20, 10, 0.9, 0.2, 0.9]
    boxes, scores = decode(output, it, cells(it.input, it.strides), score_threshold=0.3)
    assert boxes.tolist() == [[30, 25, 50, 35]]
    assert scores == pytest.approx([0.7])


@pytest.mark.parametrize(
    ("decoder", "shape", "right"),
    [
        ("yolox", (1, 126, 8), True),
        ("yolox", (1, 125, 8), False),
        ("yolox", (1, 126, 85), False),
        ("yolox", (126, 8), False),
        ("yolov8", (1, 7, 99), True),
        ("yolov8", (1, 99, 7), False),
        ("yolov8", (1, 7), False),
    ],
)
def test_shapes_are_checked(decoder: str, shape: tuple[int, ...], right: bool) -> None:
    fault = output_fault(shape, manifest(decoder))
    assert (fault is None) == right
    assert right or (fault is not None and str(shape) in fault and decoder in fault)


def test_suppression_keeps_the_best_of_those_that_overlap() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10], [0, 0, 10, 10]], np.float32)
    scores = np.array([0.5, 0.9, 0.6, 0.5], np.float32)
    assert suppress(boxes, scores, iou=0.5).tolist() == [1, 2]
    assert suppress(boxes, scores, iou=0.95).tolist() == [1, 2, 0]
    assert suppress(boxes[:0], scores[:0], iou=0.5).shape == (0,)


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.floats(0, 50, width=32)] * 4, st.floats(0, 1, width=32)), max_size=12))
def test_what_is_kept_never_overlaps_and_what_is_dropped_does(rows: list[tuple[float, ...]]) -> None:
    table = np.array(rows, np.float32).reshape(-1, 5)
    boxes = np.concatenate([table[:, :2], table[:, :2] + 1 + table[:, 2:4]], axis=1)
    kept = suppress(boxes, table[:, 4], iou=0.4)
    for one, other in itertools.combinations(kept, 2):
        assert overlaps(boxes[one], boxes[other : other + 1])[0] <= 0.4
    for dropped in set(range(len(boxes))) - set(kept.tolist()):
        assert overlaps(boxes[dropped], boxes[kept]).max() > 0.4
    assert (np.diff(table[kept, 4]) <= 0).all()


def test_people_are_clipped_sorted_and_never_empty() -> None:
    it = manifest("yolov8", classes=1, person_class=0)
    output = np.array(
        [[[10, 20, 30, 30, 0.5], [90, 10, 40, 40, 0.9], [300, 10, 20, 20, 0.95], [30, 30, 0, 0, 0.99]]], np.float32
    ).transpose(0, 2, 1)
    canvas_frame = np.zeros((32, 48, 3), np.uint8)
    _, placement = letterbox(canvas_frame, it.input)
    boxes, scores = read_people(output, it, cells(it.input, it.strides), placement, score_threshold=0.3, nms_iou=0.5)
    assert scores == pytest.approx([0.9, 0.5])
    assert boxes.tolist() == [[35, 0, 48, 15], [0, 2.5, 12.5, 17.5]]
    assert boxes.dtype == scores.dtype == np.float32
