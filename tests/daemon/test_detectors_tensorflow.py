"""The person detector on TensorFlow: batches of frames, on a small network made here and on the shipped one."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

import vestibule.detectors
from vestibule import demo
from vestibule.detectors import BatchDetector, build_detector
from vestibule.detectors.letterboxed import load_detector_manifest
from vestibule.errors import ModelError
from vestibule.sections import DetectorConfig
from vestibule.tracking import iou
from vestibule.types import Detections, Frame
from vestibule_models.artifact import ZOO, DetectorManifest, InputSpec, describe_file, save_manifest

keras = pytest.importorskip("keras", reason="TensorFlow is not installed: vestibule[tensorflow]")
# Keras 3 on TensorFlow reads its variables in a way that NumPy 2 frowns upon.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

Image = npt.NDArray[np.uint8]
DEMO = Path(demo.__file__).parent / "demo.mp4"
CELL, HEIGHT, WIDTH = 16, 64, 96
CLEAR = 0.6


def frame(image: Image, camera_id: str = "door") -> Frame:
    return Frame(camera_id=camera_id, seq=0, captured_at_s=0.0, image=image)


def spot(column: int, row: int, *, scale: int = 1) -> Image:
    """A black picture with one white cell of the small network."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = 255
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


@pytest.fixture(scope="module")
def spots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that finds a person of one cell where a cell is white."""
    kernel = np.zeros((CELL, CELL, 3, 6), np.float32)
    kernel[..., 4] = 1 / (3 * 255 * CELL * CELL)
    convolution = keras.layers.Conv2D(6, CELL, strides=CELL)
    picture = keras.Input((HEIGHT, WIDTH, 3), dtype="uint8")
    x = keras.layers.Reshape((-1, 6))(convolution(keras.layers.Rescaling(1.0)(picture)))
    convolution.set_weights([kernel, np.array([0.5, 0.5, 0, 0, 0, 1], np.float32)])
    path = tmp_path_factory.mktemp("models") / "spots"
    path.mkdir()
    keras.Model(picture, x).save(path / "spots.keras")
    return described(path, "spots.keras")


def described(folder: Path, file: str, **changes: object) -> Path:
    spec = {"height": HEIGHT, "width": WIDTH, "colour": "bgr", "dtype": "uint8", "resize": "letterbox-top-left"}
    manifest = DetectorManifest(
        schema_version=1,
        name="spots",
        version="1",
        kind="person-detector",
        input=InputSpec.model_validate(spec | changes),
        files={file: describe_file(folder / file)},
        decoder="yolox",
        strides=(CELL,),
        classes=1,
        person_class=0,
        score_threshold=0.6,
    )
    save_manifest(folder, manifest)
    return folder


def build(model: Path | None, **changes: object) -> BatchDetector:
    detector = build_detector(DetectorConfig.model_validate({"runtime": "tensorflow", "model": model, **changes}))
    assert isinstance(detector, BatchDetector)
    return detector


@pytest.mark.parametrize("changes", [{}, {"xla": True}, {"mixed_precision": True}, {"max_frames": 1}])
def test_each_frame_of_a_batch_gets_its_own_people(spots: Path, changes: dict[str, object]) -> None:
    detector = build(spots, **{"max_frames": 4, **changes})
    assert detector.most_frames == changes.get("max_frames", 4)
    places = [(column, row) for column in range(6) for row in range(4)][:9]
    frames = [frame(spot(*place, scale=1 + n % 3), f"c{n}") for n, place in enumerate(places)]
    for count in (9, 1, 3, 4):  # in parts, alone, padded, full
        found = detector.detect_all(frames[:count])
        assert [one.frame for one in found] == frames[:count]
        for n, (people, (column, row)) in enumerate(zip(found, places, strict=False)):
            side = CELL * (1 + n % 3)
            box = [column * side, row * side, (column + 1) * side, (row + 1) * side]
            assert people.boxes_xyxy.tolist() == [pytest.approx(box, abs=0.05 * side)]
            assert people.scores.dtype == people.boxes_xyxy.dtype == np.float32


def test_nobody_in_a_batch_is_an_empty_answer_each(spots: Path) -> None:
    found = build(spots, max_frames=4).detect_all([frame(np.zeros((90, 160, 3), np.uint8))] * 3)
    assert [one.boxes_xyxy.shape for one in found] == [(0, 4)] * 3


def test_no_frames_are_no_answers(spots: Path) -> None:
    assert list(build(spots, max_frames=2).detect_all([])) == []


@pytest.mark.parametrize("change", [{"height": 128}, {"layout": "nchw"}, {"dtype": "float32"}])
def test_a_keras_file_that_its_manifest_does_not_describe_is_refused(
    spots: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    (tmp_path / "spots.keras").write_bytes((spots / "spots.keras").read_bytes())
    with pytest.raises(ModelError, match=r"spots\.keras: takes .*its manifest says") as error:
        build(described(tmp_path, "spots.keras", **change))
    assert "\n" not in str(error.value)


def test_a_file_that_tensorflow_cannot_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spots.keras").write_bytes(b"not a network, but long enough to be one")
    with pytest.raises(ModelError, match="Keras cannot load it") as error:
        build(described(tmp_path, "spots.keras"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("runtime", "gives"), [("litert", r"spots\.keras.*litert"), ("opencv", r"spots\.keras.*opencv")]
)
def test_a_runtime_without_a_file_for_it_is_refused(spots: Path, runtime: str, gives: str) -> None:
    with pytest.raises(ModelError, match=gives):
        build_detector(DetectorConfig.model_validate({"runtime": runtime, "model": spots}))


def test_auto_takes_tensorflow_on_a_gpu_where_it_can_run_the_model(
    spots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vestibule.detectors, "has_gpu", lambda: True)
    assert build(spots, runtime="auto", max_frames=2).most_frames == 2
    # Without a .keras it stays with LiteRT.
    source = ZOO / "person-mobilenet"
    manifest = load_detector_manifest(source)
    kept = {name: file for name, file in manifest.files.items() if name.endswith(".tflite")}
    for name in kept:
        (tmp_path / name).write_bytes((source / name).read_bytes())
    save_manifest(tmp_path, manifest.model_copy(update={"files": kept}))
    assert build(tmp_path, runtime="auto", max_frames=2).most_frames == 1


def test_auto_takes_tensorflow_without_a_gpu_where_there_is_no_other_file(
    spots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vestibule.detectors, "has_gpu", lambda: False)
    assert build(spots, runtime="auto", max_frames=1).runtime == "tensorflow"
    assert build(None, runtime="auto").runtime == "litert"


def test_tensorflow_that_is_not_installed_is_asked_for(spots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestibule.gpu._installed", lambda: False)
    for changes in ({"runtime": "tensorflow"}, {"runtime": "auto", "model": spots}):
        with pytest.raises(ModelError, match=r'^\[detector\] .*pip install "vestibule\[tensorflow\]"'):
            build_detector(DetectorConfig.model_validate(changes))


def demo_frames() -> list[Frame]:
    capture = cv2.VideoCapture(str(DEMO))
    images: list[Image] = []
    while len(images) < 200 and (read := capture.read())[0]:
        images.append(np.asarray(read[1], np.uint8))
    capture.release()
    return [frame(image, f"c{n}") for n, image in enumerate(images[40::25])]


def assert_same_people(found: Detections, wanted: Detections) -> None:
    """Who is clear on one is there on the other; int8 moves a box by some hundredths of its size, a score by a few."""
    for ones, others in ((found, wanted), (wanted, found)):
        clear = ones.scores >= CLEAR
        overlaps = iou(ones.boxes_xyxy[clear].astype(np.float64), others.boxes_xyxy.astype(np.float64))
        assert overlaps.max(axis=1, initial=0.0).min(initial=1.0) > 0.7
        assert np.abs(ones.scores[clear] - others.scores[overlaps.argmax(axis=1)]).max(initial=0.0) < 0.06


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{}, {"mixed_precision": True}, {"input_size": "480x288"}], ids=["float32", "float16", "larger"]
)
def test_the_shipped_detector_decides_alike_on_both_runtimes(changes: dict[str, object]) -> None:
    frames = demo_frames()
    found = build(None, max_frames=4, **changes).detect_all(frames)
    on_litert = build_detector(DetectorConfig.model_validate({**changes, "runtime": "litert"}))
    people = [on_litert.detect(one) for one in frames]
    assert sum(len(one.scores) for one in people) >= 10
    for one, other in zip(found, people, strict=True):
        assert_same_people(one, other)
