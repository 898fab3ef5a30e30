"""Person detectors on small networks made here: they find bright patches."""

import json
import os
import shutil
import struct
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from vestibule import demo
from vestibule.detectors import RegionDetector, build_detector
from vestibule.errors import ModelError
from vestibule.sections import DetectorConfig
from vestibule.types import Frame
from vestibule_models.artifact import DetectorManifest, InputSpec, describe_file, save_manifest
from vestibule_models.persons_decode import overlaps

DEMO = Path(demo.__file__).parent
STRIDE, HEIGHT, WIDTH = 16, 64, 96
SIDE = 40.0
"""Pixels of the boxes that the small networks give to bright cells."""


def frame(image: np.ndarray) -> Frame:
    return Frame(camera_id="door", seq=0, captured_at_s=0.0, image=image)


def spotted(height: int, width: int, *spots: tuple[int, int]) -> np.ndarray:
    """A black picture with white squares, one cell large in a 64x96 input, at (column, row) of the cells."""
    image = np.zeros((height, width, 3), np.uint8)
    y, x = height / (HEIGHT / STRIDE), width / (WIDTH / STRIDE)
    for column, row in spots:
        image[round(row * y) : round((row + 1) * y), round(column * x) : round((column + 1) * x)] = 255
    return image


def weights() -> tuple[np.ndarray, np.ndarray]:
    """A convolution that says 1 x 1 for a white cell and 0 for a black one, box in the middle of the cell."""
    kernel = np.zeros((6, 3, STRIDE, STRIDE), np.float32)
    kernel[4] = 1 / (3 * 255 * STRIDE * STRIDE)
    return kernel, np.array([0.5, 0.5, np.log(SIDE / STRIDE), np.log(SIDE / STRIDE), 0, 1], np.float32)


def tflite_bytes(*, dtype: str = "uint8", resizable: bool = False) -> bytes:
    kernel, bias = weights()
    x = picture = keras.Input((HEIGHT, WIDTH, 3), batch_size=1, dtype=dtype)
    x = keras.layers.Rescaling(1.0)(x)
    convolution = keras.layers.Conv2D(6, STRIDE, strides=STRIDE)
    rows = keras.layers.Lambda(lambda x: tf.reshape(x, (1, -1, 6))) if resizable else keras.layers.Reshape((-1, 6))
    x = rows(convolution(x))
    convolution.set_weights([kernel.transpose(2, 3, 1, 0), bias])
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(picture, x))
    return bytes(converter.convert())


def varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def field(number: int, value: int | bytes | str) -> bytes:
    """One field of a protocol buffer: an integer, or anything with a length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(name: str, array: np.ndarray) -> bytes:
    kind = 7 if array.dtype == np.int64 else 1
    return (
        b"".join(field(1, size) for size in array.shape) + field(2, kind) + field(8, name) + field(9, array.tobytes())
    )


def value(name: str, *shape: int) -> bytes:
    dimensions = b"".join(field(1, field(1, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, dimensions)))


def node(kind: str, inputs: list[str], output: str, *attributes: tuple[str, list[int]]) -> bytes:
    body = b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, kind)
    for name, numbers in attributes:
        body += field(5, field(1, name) + b"".join(field(8, number) for number in numbers) + field(20, 7))
    return body


def onnx_bytes(*, resizable: bool = False) -> bytes:
    """The same network, (1, 3, 64, 96) to (1, 24, 6), written as ONNX by hand (onnx.proto3, opset 13)."""
    kernel, bias = weights()
    count = (HEIGHT // STRIDE) * (WIDTH // STRIDE)
    stride = ("strides", [STRIDE, STRIDE]), ("kernel_shape", [STRIDE, STRIDE])
    graph = field(1, node("Conv", ["image", "kernel", "bias"], "cells", *stride))
    graph += field(1, node("Reshape", ["cells", "shape"], "flat"))
    graph += field(1, node("Transpose", ["flat"], "people", ("perm", [0, 2, 1]))) + field(2, "spots")
    graph += field(5, tensor("kernel", kernel)) + field(5, tensor("bias", bias))
    graph += field(5, tensor("shape", np.array([1, 6, -1 if resizable else count], np.int64)))
    graph += field(11, value("image", 1, 3, HEIGHT, WIDTH)) + field(12, value("people", 1, count, 6))
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))


def folder(path: Path, data: bytes, file: str, **changes: object) -> Path:
    """Make a model folder of a small network."""
    path.mkdir()
    (path / file).write_bytes(data)
    onnx = file.endswith(".onnx")
    values: dict[str, object] = {
        "schema_version": 1,
        "name": "spots",
        "version": "1",
        "kind": "person-detector",
        "input": {
            "height": HEIGHT,
            "width": WIDTH,
            "colour": "bgr",
            "dtype": "float32" if onnx else "uint8",
            "layout": "nchw" if onnx else "nhwc",
            "resize": "letterbox-top-left",
        },
        "files": {file: describe_file(path / file).model_dump()},
        "decoder": "yolox",
        "strides": (STRIDE,),
        "classes": 1,
        "person_class": 0,
        "score_threshold": 0.6,
    }
    for key, changed in changes.items():
        values[key] = {**values[key], **changed} if isinstance(changed, dict) else changed  # type: ignore[dict-item]
    save_manifest(path, DetectorManifest.model_validate(values))
    return path


@pytest.fixture(scope="module")
def tflite() -> bytes:
    return tflite_bytes()


@pytest.fixture(params=["spots.tflite", "spots.onnx"])
def spots(request: pytest.FixtureRequest, tmp_path: Path, tflite: bytes) -> Path:
    return folder(tmp_path / "spots", onnx_bytes() if request.param.endswith("onnx") else tflite, request.param)


def test_people_are_found_where_they_are(spots: Path) -> None:
    found = build_detector(DetectorConfig(model=spots)).detect(frame(spotted(128, 192, (1, 1), (4, 2))))
    boxes = found.boxes_xyxy[np.argsort(found.boxes_xyxy[:, 0])]
    assert boxes.dtype == np.float32
    assert boxes.tolist() == pytest.approx(np.array([[8, 8, 88, 88], [104, 40, 184, 120]]), abs=0.01)
    assert found.scores == pytest.approx([1, 1], abs=0.01)


@pytest.mark.parametrize("file", ["spots.tflite", "spots.onnx"])
def test_an_input_of_another_size_finds_the_same_places_finer(tmp_path: Path, file: str) -> None:
    data = onnx_bytes(resizable=True) if file.endswith("onnx") else tflite_bytes(resizable=True)
    model = folder(tmp_path / "m", data, file, resizable=STRIDE)
    detector = build_detector(DetectorConfig(model=model, input_size=f"{2 * WIDTH}x{2 * HEIGHT}"))
    assert (detector.manifest.input.width, detector.manifest.input.height) == (2 * WIDTH, 2 * HEIGHT)
    found = detector.detect(frame(spotted(64, 96, (4, 2))))  # a square of four cells here, with boxes half as large
    low, high = found.boxes_xyxy.min(axis=0)[:2], found.boxes_xyxy.max(axis=0)[2:]
    assert len(found.scores) == 4
    assert (low.tolist(), high.tolist()) == ([58, 26], [86, 54])
    assert len(build_detector(DetectorConfig(model=model)).detect(frame(spotted(64, 96, (4, 2)))).scores) == 1


@pytest.mark.parametrize("file", ["spots.tflite", "spots.onnx"])
def test_a_size_that_the_model_does_not_take_is_refused(tmp_path: Path, tflite: bytes, file: str) -> None:
    data = onnx_bytes() if file.endswith("onnx") else tflite
    larger = {"input_size": f"{2 * WIDTH}x{2 * HEIGHT}"}
    refused: dict[str, tuple[dict[str, object], dict[str, str], str]] = {
        "fixed": ({}, larger, r"detector\.input_size: model spots takes 96x64 only, not 192x128"),
        "no-multiple": ({"resizable": 16}, {"input_size": "100x64"}, "100x64.*multiples of 16, as in 96x64"),
        "not-true": ({"resizable": 16}, larger, rf"{file} .*resizable"),
    }
    for name, (changes, config, message) in refused.items():
        model = folder(tmp_path / name, data, file, **changes)
        with pytest.raises(ModelError, match=message) as caught:
            build_detector(DetectorConfig.model_validate({"model": model, **config}))
        assert "\n" not in str(caught.value)


def test_the_shipped_detector_takes_other_sizes_and_answers_for_each_cell() -> None:
    for width, height in ((288, 160), (352, 192), (416, 224), (32, 32)):
        detector = build_detector(DetectorConfig(input_size=f"{width}x{height}"))
        assert (detector.manifest.input.width, detector.manifest.input.height) == (width, height)
        assert detector.detect(frame(np.full((360, 640, 3), 114, np.uint8))).boxes_xyxy.shape == (0, 4)


def test_nobody_is_an_empty_answer(spots: Path) -> None:
    found = build_detector(DetectorConfig(model=spots)).detect(frame(np.zeros((90, 160, 3), np.uint8)))
    assert found.boxes_xyxy.shape == (0, 4)
    assert found.scores.shape == (0,)


def test_boxes_are_clipped_to_the_frame(spots: Path) -> None:
    found = build_detector(DetectorConfig(model=spots)).detect(frame(spotted(64, 96, (0, 0), (5, 3))))
    boxes = found.boxes_xyxy[np.argsort(found.boxes_xyxy[:, 0])]
    assert boxes.tolist() == pytest.approx(np.array([[0, 0, 28, 28], [68, 36, 96, 64]]), abs=0.01)


def test_the_size_of_the_frame_may_change_at_any_time(spots: Path) -> None:
    detector = build_detector(DetectorConfig(model=spots))
    for height, width in ((64, 96), (1080, 1920), (1, 1), (3, 2000), (2000, 3), (128, 192)):
        found = detector.detect(frame(np.full((height, width, 3), 255, np.uint8)))
        thin = min(height, width) == 3
        assert len(found.boxes_xyxy) or thin, (height, width)
        assert (found.boxes_xyxy >= 0).all()
        assert (found.boxes_xyxy <= [width, height, width, height]).all()


def test_the_threshold_is_the_manifests_unless_told(spots: Path) -> None:
    half = frame(spotted(64, 96, (2, 1)) // 2)
    assert len(build_detector(DetectorConfig(model=spots)).detect(half).scores) == 0
    found = build_detector(DetectorConfig(model=spots, score_threshold=0.4)).detect(half)
    assert found.scores == pytest.approx([127 / 255], abs=0.01)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere.*manifest\.json"):
        build_detector(DetectorConfig(model=tmp_path / "nowhere"))


def test_a_missing_file_is_named(spots: Path) -> None:
    next(spots.glob("spots.*")).unlink()
    with pytest.raises(ModelError, match="is missing"):
        build_detector(DetectorConfig(model=spots))


def test_a_changed_file_is_refused(spots: Path) -> None:
    path = next(spots.glob("spots.*"))
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="SHA-256"):
        build_detector(DetectorConfig(model=spots))


@pytest.mark.parametrize("file", ["spots.tflite", "spots.onnx"])
def test_a_file_of_another_format_is_refused(tmp_path: Path, file: str) -> None:
    with pytest.raises(ModelError, match=rf"{file} cannot be loaded"):
        build_detector(DetectorConfig(model=folder(tmp_path / "m", b"not a network, but long enough to be", file)))


def test_a_format_that_nothing_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"only \['spots.pt'\].*\.tflite.*\.onnx"):
        build_detector(DetectorConfig(model=folder(tmp_path / "m", b"x", "spots.pt")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 2}, "output is"),
        ({"strides": (8,)}, "output is"),
        ({"decoder": "yolov8"}, "output is"),
        ({"classes": 1, "person_class": 1}, "person_class 1"),
    ],
)
def test_an_output_of_another_shape_is_refused(
    tmp_path: Path, tflite: bytes, changes: dict[str, object], message: str
) -> None:
    for name, data in (("a.tflite", tflite), ("a.onnx", onnx_bytes())):
        with pytest.raises(ModelError, match=message):
            build_detector(DetectorConfig(model=folder(tmp_path / name[2:], data, name, **changes)))


@pytest.mark.parametrize("change", [{"height": 128}, {"layout": "nchw"}, {"dtype": "float32"}])
def test_an_input_of_another_shape_is_refused(tmp_path: Path, tflite: bytes, change: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="takes"):
        build_detector(DetectorConfig(model=folder(tmp_path / "m", tflite, "a.tflite", input=change)))


def test_an_input_that_onnx_does_not_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"a\.onnx"):
        build_detector(DetectorConfig(model=folder(tmp_path / "m", onnx_bytes(), "a.onnx", input={"height": 128})))


def test_scaling_of_a_uint8_input_is_refused(tmp_path: Path, tflite: bytes) -> None:
    with pytest.raises(ModelError, match="uint8 input is not scaled"):
        build_detector(DetectorConfig(model=folder(tmp_path / "m", tflite, "a.tflite", input={"scale": 0.5})))


def test_a_garment_classifier_is_no_detector(spots: Path) -> None:
    path = spots / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "kind": "garment-classifier"}))
    with pytest.raises(ModelError, match=r"manifest\.json"):
        build_detector(DetectorConfig(model=spots))


@pytest.mark.parametrize(
    "changes", [{"modle": "x"}, {"score_threshold": 0}, {"nms_iou": 1}, {"threads": 0}, {"input_size": "0x64"}]
)
def test_the_configuration_refuses_what_it_does_not_know(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DetectorConfig.model_validate(changes)


PRETRAINED = os.environ.get("VESTIBULE_PRETRAINED")


@pytest.mark.skipif(not PRETRAINED, reason="VESTIBULE_PRETRAINED is not set: no foreign detector to run")
@pytest.mark.parametrize("file", ["yolox_nano.onnx", "yolox_nano_fp16.tflite"])
def test_a_foreign_detector_runs_from_a_small_manifest(tmp_path: Path, file: str) -> None:
    shutil.copy(Path(PRETRAINED or "") / "teacher" / file, tmp_path / file)
    manifest = DetectorManifest(
        schema_version=1,
        name="yolox-nano",
        version="1",
        kind="person-detector",
        input=InputSpec(
            height=416, width=416, colour="bgr", dtype="float32", layout="nchw", resize="letterbox-top-left"
        ),
        files={file: describe_file(tmp_path / file)},
        decoder="yolox",
        classes=80,
        person_class=0,
    )
    save_manifest(tmp_path, manifest)
    found = build_detector(DetectorConfig(model=tmp_path)).detect(frame(np.zeros((360, 640, 3), np.uint8)))
    assert found.boxes_xyxy.shape == (0, 4)


def test_the_shipped_detector_finds_in_a_region_whom_it_finds_in_the_whole_picture() -> None:
    detector = build_detector(DetectorConfig())
    assert isinstance(detector, RegionDetector)
    capture = cv2.VideoCapture(str(DEMO / "demo.mp4"))
    alike, regions = [], 0
    for number in range(60, 480, 20):
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        before, now = (detector.detect(frame(np.asarray(capture.read()[1], np.uint8))) for _ in range(2))
        for box in before.boxes_xyxy:
            columns = (float(box[0]) / 640, float(box[2]) / 640)
            found = detector.detect_region(now.frame, columns, before)
            regions += found.columns != (0.0, 1.0)
            there = (now.boxes_xyxy[:, 0] >= box[0]) & (now.boxes_xyxy[:, 2] <= box[2])
            alike += [overlaps(one, found.boxes_xyxy).max(initial=0) for one in now.boxes_xyxy[there]]
    capture.release()
    assert regions > 20
    assert len(alike) > 10
    assert np.mean(alike) > 0.93  # int8 moves the sides in steps of some hundredths of a box
    assert np.mean(np.array(alike) > 0.5) > 0.97


def test_the_helpers_write_what_onnx_readers_read() -> None:
    assert struct.unpack("BB", varint(300)) == (0xAC, 0x02)


def test_the_shipped_detector_finds_nobody_in_empty_frames_of_any_size() -> None:
    detector = build_detector(DetectorConfig())
    for height, width in ((360, 640), (1080, 1920), (480, 640), (1, 1)):
        for grey in (0, 114, 255):
            found = detector.detect(frame(np.full((height, width, 3), grey, np.uint8)))
            assert found.boxes_xyxy.shape == (0, 4)
            assert found.scores.dtype == np.float32


def test_the_shipped_detector_finds_the_people_of_the_demo_clip() -> None:
    """Rendered people, so no measure of how it does in a shop; but what the demo leans on."""
    truth = json.loads((DEMO / "demo.truth.json").read_text(encoding="utf-8"))
    detector = build_detector(DetectorConfig())
    capture = cv2.VideoCapture(str(DEMO / "demo.mp4"))
    found, wrong = [], 0
    for number in range(0, truth["frames"], 30):
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        image = np.asarray(capture.read()[1], np.uint8)
        people = [
            (np.array(box[1:], np.float32), seen)
            for person in truth["people"]
            for box, seen in zip(person["boxes"], person["seen"], strict=True)
            if box[0] == number
        ]
        boxes = detector.detect(frame(image)).boxes_xyxy
        found += [overlaps(box, boxes).max(initial=0) > 0.5 for box, seen in people if seen > 0.8]
        wrong += sum(all(overlaps(box, one[np.newaxis])[0] < 0.3 for one, _ in people) for box in boxes)
    capture.release()
    assert len(found) >= 40
    assert np.mean(found) >= 0.85
    assert wrong <= 0.15 * len(found)
