"""How much work known clips cause: speed is guarded by counting, as clocks depend on the machine."""

import itertools
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from av.video.reformatter import VideoReformatter
from fakes import tracks
from footage import moving_square, write_clip
from toyshop import FPS, ToyClassifier, ToyDetector, ToyNetwork, clip, crossing, frames, toy_region_detector

from vestibule.batching import Batcher
from vestibule.config import Settings
from vestibule.crop_rows import together
from vestibule.cropping import Cropper
from vestibule.errors import SourceError
from vestibule.gating import MotionGate
from vestibule.inline import run_inline
from vestibule.motion_section import MotionConfig
from vestibule.sections import BatchingConfig, CameraConfig, CaptureConfig, CroppingConfig
from vestibule.sources import network
from vestibule.sources.decoding import to_bgr
from vestibule.sources.replay import ReplaySource
from vestibule.stages import Models, build_stages, load_models
from vestibule.types import Crop, CropBatch, Detections, Frame, Message, Reading, Tracks

DOOR = CameraConfig(id="door", source="0")
FOOTAGE = Path(__file__).parents[1] / "footage"
Walk = Callable[[float], list[tuple[str, float, float]]]


class Work:
    """Models that count what they are asked to do, and the frames in which somebody was followed."""

    def __init__(self, models: Models) -> None:
        self.count: Counter[str] = Counter()
        self.detector, self.classifier = models.detector, models.classifier

    def detect(self, frame: Frame) -> Detections:
        self.count["looks"] += 1
        return self.detector.detect(frame)

    def classify(self, batch: CropBatch) -> tuple[Reading, ...]:
        self.count["crops"] += len(batch.crops)
        self.count["batches"] += 1
        return self.classifier.classify(batch)

    def see(self, _frame: Frame, tracks: Tracks, _messages: object) -> None:
        self.count["frames"] += 1
        self.count["people"] += len(tracks.ids)


class CountingDetector:
    def __init__(self, work: Work) -> None:
        self.manifest, self.runtime = work.detector.manifest, work.detector.runtime
        self.detect = work.detect


class CountingClassifier:
    def __init__(self, work: Work) -> None:
        self.manifest, self.runtime = work.classifier.manifest, work.classifier.runtime
        self.classify = work.classify


def work_of(play: Iterable[Frame], models: Models | None = None, *, gated: bool = True) -> Counter[str]:
    work = Work(models or Models(detector=ToyDetector(), classifier=ToyClassifier()))
    counting = Models(detector=CountingDetector(work), classifier=CountingClassifier(work))
    settings = Settings(motion=MotionConfig(enabled=gated))
    messages: list[Message] = []
    run_inline(play, build_stages(settings, (DOOR,), counting), messages.append, work.see)
    work.count["messages"] = len(messages)
    return work.count


def standing(garment: str, x: float) -> Walk:
    return lambda _: [(garment, x, 0.8)]


def test_an_empty_minute_costs_a_look_a_second() -> None:
    count = work_of(frames(60))
    assert (count["frames"], count["looks"], count["crops"]) == (60 * FPS, 60, 0)


def test_a_mannequin_alone_costs_a_look_a_second_and_is_followed_all_the_same() -> None:
    count = work_of(frames(20, standing("Dress", 0.5)))
    assert count["looks"] <= 20 + 2
    assert count["people"] == count["frames"]


def test_somebody_walking_is_looked_at_in_every_frame() -> None:
    count = work_of(frames(4, crossing("Jeans", 0, seconds=4)))
    assert count["looks"] == count["frames"]


def test_the_gate_changes_nothing_of_what_is_told() -> None:
    walks = crossing("Dress", 2), crossing("Blazer", 12), standing("Jeans", 0.9)
    gated, always = (work_of(frames(20, *walks), gated=yes) for yes in (True, False))
    assert gated["looks"] < 0.6 * always["looks"]
    assert {k: v for k, v in gated.items() if k != "looks"} == {k: v for k, v in always.items() if k != "looks"}


def seen_in_regions(play: Iterable[Frame], *, regions: bool = True) -> tuple[ToyNetwork, list[bytes]]:
    """What the network was given, and what was told."""
    network, messages = ToyNetwork(), list[Message]()
    models = Models(detector=toy_region_detector(network), classifier=ToyClassifier())
    network.pixels, network.widths = 0, Counter()  # without those of its trial
    stages = build_stages(Settings(motion=MotionConfig(regions=regions)), (DOOR,), models)
    run_inline(play, stages, messages.append)
    return network, [message.payload for message in messages]


def test_somebody_walking_costs_the_columns_around_them() -> None:
    def play() -> Iterable[Frame]:
        return frames(8, crossing("Dress", 1, seconds=6))

    (region, told), (whole, told_of_whole) = (seen_in_regions(play(), regions=yes) for yes in (True, False))
    assert sum(region.widths.values()) == sum(whole.widths.values())
    assert region.pixels < 0.6 * whole.pixels
    assert len(told) == 4  # somebody came, was read, alerted, went
    assert told == told_of_whole


def test_a_region_is_of_a_few_widths() -> None:
    """Each has an interpreter of its own."""
    network, _ = seen_in_regions(
        frames(8, crossing("Dress", 0, seconds=3), crossing("Jeans", 1), crossing("Blazer", 2))
    )
    assert set(network.widths) <= {128, 192, 256, 352}
    assert len(network.widths) > 1


def test_people_far_apart_cost_the_whole_picture_and_no_more() -> None:
    def opposite(t: float) -> list[tuple[str, float, float]]:
        return [("Dress", 0.1 + 0.01 * t, 0.8), ("Jeans", 0.9 - 0.01 * t, 0.8)]

    network, _ = seen_in_regions(frames(2, opposite))
    assert set(network.widths) == {352}
    assert network.widths[352] <= 2 * FPS


def test_a_visit_is_read_a_few_times_and_no_more_once_it_is_settled() -> None:
    assert work_of(frames(6, crossing("Dress", 0.5)))["crops"] <= 4
    assert work_of(frames(8, crossing("Dress", 0.5), crossing("Blazer", 3)))["crops"] <= 8


def test_an_encoded_clip_of_an_empty_shop_rests_too(tmp_path: Path) -> None:
    path = clip(tmp_path / "shop.mp4", 12, crossing("Dress", 4, seconds=3))
    count = work_of(ReplaySource(path, DOOR, 0.0).frames())
    assert count["frames"] == 12 * FPS
    # Three seconds of somebody, those in which a lost track may return, and one in each of the others.
    assert 3 * FPS <= count["looks"] <= (3 + 1.5) * FPS + 12


@pytest.fixture(scope="module")
def models() -> Models:
    return load_models(Settings())


@pytest.mark.parametrize(("name", "crops"), [("line", 16), ("alike", 16), ("hidden", 12), ("steep", 12)])
def test_the_shipped_networks_do_no_more_than_they_did(models: Models, name: str, crops: int) -> None:
    count = work_of(ReplaySource(FOOTAGE / f"{name}.mp4", DOOR, 0.0).frames(), models)
    assert count["looks"] <= count["frames"]
    assert count["crops"] <= crops


HEAVY = {
    "tensorflow",
    "keras",
    "torch",
    "jax",
    "matplotlib",
    "pandas",
    "starlette",
    "uvicorn",
    "tritonclient",
    "ray",
    "PIL",
}


def test_a_replay_loads_no_heavy_library(tmp_path: Path) -> None:
    """Start-up is paid for in imports: what a box does not use it must not load."""
    settings = tmp_path / "vestibule.toml"
    settings.touch()
    recording = clip(tmp_path / "shop.mp4", 0.2)
    arguments = ["replay", str(recording), "--config", str(settings), "--out", str(tmp_path / "events.jsonl")]
    program = f"import sys; from vestibule.cli import main; assert main({arguments}) == 0; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "cv2" in loaded
    assert not HEAVY & loaded


def copied_bytes(work: Callable[[], object]) -> int:
    """The most memory that a piece of work holds at once beyond what there was before; numpy's and OpenCV's is seen."""
    work()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


WIDE = np.random.default_rng(1).integers(0, 256, (1080, 1920, 3), np.uint8)


@pytest.mark.parametrize("size_wh", [(1920, 1080), (640, 360)])
def test_a_frame_is_fitted_into_the_detectors_batch_without_a_picture_in_between(
    models: Models, size_wh: tuple[int, int]
) -> None:
    """Its halves are written into memory that is there already."""
    frame = Frame(camera_id="door", seq=0, captured_at_s=0.0, image=WIDE[: size_wh[1], : size_wh[0]])
    spec = models.detector.manifest.input
    assert copied_bytes(lambda: models.detector.detect(frame)) < spec.height * spec.width * 3 / 3


def test_a_decoded_picture_becomes_bgr_without_a_copy() -> None:
    picture, reformatter = av.VideoFrame(1920, 1080, "yuv420p"), VideoReformatter()
    assert not to_bgr(picture, reformatter).flags.owndata  # it is FFmpeg's memory
    assert copied_bytes(lambda: to_bgr(picture, reformatter)) < WIDE.nbytes / 100


def test_a_still_frame_costs_hardly_a_byte() -> None:
    gate = MotionGate(MotionConfig())
    frame = Frame(camera_id="door", seq=0, captured_at_s=0.0, image=WIDE)
    assert copied_bytes(lambda: gate.opens(frame)) < WIDE.nbytes / 20


def test_a_crop_is_a_view_until_it_is_resized_into_the_classifiers_picture(models: Models) -> None:
    cut_bytes = 400 * 900 * 3
    cropper = Cropper(CroppingConfig(min_sharpness=0, min_interval_s=0), models.classifier.manifest.input)

    def crop() -> None:
        found = cropper.crops(tracks({1: (600, 100, 1000, 1000)}, image=WIDE))
        assert len(found) == 1

    assert copied_bytes(crop) < cut_bytes / 2


def test_the_pixels_of_a_person_are_halved_once(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the sharpness and for the classifier's picture: they are the most that a crop reads."""
    rows: list[int] = []
    resize = cv2.resize

    def counting(image: npt.NDArray[np.uint8], *args: object, **kwargs: object) -> object:
        rows.append(image.shape[0])
        return resize(image, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(cv2, "resize", counting)
    cropper = Cropper(CroppingConfig(min_sharpness=0, margin=0), models.classifier.manifest.input)
    assert len(cropper.crops(tracks({1: (600, 100, 1000, 1000)}, image=WIDE))) == 1
    assert sorted(rows, reverse=True)[:2] == [900, 450]
    assert rows.count(900) == 1


def test_crops_are_written_where_they_are_read_from(models: Models) -> None:
    """Fitted into a row of the batch; from there into the network's own memory, and nowhere in between."""
    spec, at_s = models.classifier.manifest.input, itertools.count()
    cropper = Cropper(CroppingConfig(min_sharpness=0, max_per_track=100), spec)
    one_bytes = spec.height * spec.width * 3

    def crops(count: int) -> list[Crop]:
        found = (cropper.crops(tracks({1: (600, 100, 1000, 1000)}, next(at_s), image=WIDE)) for _ in range(count))
        return [crop for (crop,) in found]

    assert copied_bytes(lambda: crops(32)) < 32 * one_bytes + 400 * 900 * 3
    batcher, eight = Batcher(BatchingConfig(max_crops=8)), crops(8)
    batcher.add(eight, 0.0)
    batcher.add(eight, 0.0)
    batch = batcher.take(0.0)
    assert batch is not None
    assert copied_bytes(lambda: models.classifier.classify(batch)) < one_bytes / 2
    assert copied_bytes(lambda: together([crop.image for crop in batch.crops])) < one_bytes / 2


def test_only_frames_to_analyse_are_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converted, reformatters = Counter[str](), set[int]()

    def counting(picture: av.VideoFrame, reformatter: VideoReformatter) -> npt.NDArray[np.uint8]:
        converted["frames"] += 1
        reformatters.add(id(reformatter))
        return to_bgr(picture, reformatter)

    monkeypatch.setattr(network, "to_bgr", counting)
    container = av.open(str(write_clip(tmp_path / "a.mp4", moving_square(100), fps=25)))
    monkeypatch.setattr("vestibule.sources.connection.av.open", lambda *_, **__: container)
    arrivals, camera = itertools.count(0.0, 0.04), CameraConfig(id="door", source="rtsp://camera.test/cam")
    source = network.NetworkSource(camera, CaptureConfig(analysed_fps=5), lambda: next(arrivals), lambda _: None)
    with pytest.raises(SourceError):
        list(source.frames())
    assert converted["frames"] in (20, 21)  # of a hundred
    assert len(reformatters) == 1  # setting one up takes longer than a conversion
