"""Nothing under a privacy mask reaches anybody: each consumer of pictures is looked at for what was filmed there."""

import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from footage import write_clip
from toyshop import FPS, HEIGHT, WIDTH, Image, ToyClassifier, ToyDetector, crossing, picture

from vestibule import check
from vestibule.config import Settings
from vestibule.health import Health
from vestibule.installer import LiveView
from vestibule.observers import Onlooker
from vestibule.pipeline import LivePipeline
from vestibule.privacy_sections import MaskConfig, SnapshotsConfig
from vestibule.replay import ReplayOptions, replay
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.snapshots import Album
from vestibule.sources import Source, open_source
from vestibule.stages import Models, build_stages
from vestibule.types import Crop, CropBatch, Detections, Frame, Message, Reading, Tracks, Visit

SIDE = MaskConfig(polygon=((0.6, 0.0), (1.0, 0.0), (1.0, 1.0), (0.6, 1.0)))
FLOOR = MaskConfig(polygon=((0.0, 0.815), (1.0, 0.815), (1.0, 1.0), (0.0, 1.0)))
CAPTURE = CaptureConfig(analysed_fps=60, max_frame_age_s=60)


def secret(image: Image) -> bool:
    """Whether magenta, which is under the mask and nowhere else, shows in a picture, uint8 (H, W, 3) BGR or RGB."""
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV).astype(int)
    return bool(((abs(hsv[..., 0] - 150) < 10) & (hsv[..., 1] > 60) & (hsv[..., 2] > 60)).any())


def filmed(seconds: float = 5.0) -> Iterator[Image]:
    """Somebody in a dress walks past magenta tiles into magenta writing, where somebody stands all the time."""
    walk = crossing("Dress", 0.2, seconds=4.0)
    for number in range(round(seconds * FPS)):
        image = picture([*walk(number / FPS), ("Blazer", 0.85, 0.9)])
        for row in range(8, HEIGHT, 24):
            image[round(0.82 * HEIGHT) :] = (255, 0, 255)
            cv2.putText(image, "SECRET", (round(0.64 * WIDTH), row), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (255, 0, 255), 3)
        yield image


class Detecting:
    manifest, runtime = ToyDetector.manifest, ToyDetector.runtime

    def __init__(self, witness: "Seen") -> None:
        self._witness, self._toy = witness, ToyDetector()

    def detect(self, frame: Frame) -> Detections:
        self._witness.frames.append(secret(frame.image))
        found = self._toy.detect(frame)
        narrow = found.boxes_xyxy[:, 2] - found.boxes_xyxy[:, 0] < WIDTH / 4  # the tiles are nobody
        return replace(found, boxes_xyxy=found.boxes_xyxy[narrow], scores=found.scores[narrow])


class Classifying(ToyClassifier):
    def __init__(self, witness: "Seen") -> None:
        self._witness = witness

    def classify(self, batch: CropBatch) -> tuple[Reading, ...]:
        self._witness.crops += [secret(image) for image in batch.images]
        return super().classify(batch)


class Seen:
    """What the two networks were given: whether the secret showed, picture by picture."""

    def __init__(self) -> None:
        self.frames: list[bool] = []
        self.crops: list[bool] = []
        self.models = Models(detector=Detecting(self), classifier=Classifying(self))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "secret.mp4", filmed(), fps=FPS)


@pytest.fixture
def masked(clip: Path) -> CameraConfig:
    return CameraConfig(id="door", source=str(clip), masks=(SIDE, FLOOR))


class Nowhere:
    """A sink that keeps nothing."""

    def publish(self, message: Message) -> None: ...

    def close(self) -> None: ...


def live(camera: CameraConfig, *onlookers: Onlooker) -> Seen:
    """Run the daemon's threads on a camera until its file is over."""
    settings, seen = Settings(cameras=(camera,), capture=CAPTURE), Seen()
    LivePipeline(
        stages=build_stages(settings, (camera,), seen.models),
        cameras=(camera,),
        capture=CAPTURE,
        open_camera=lambda one, count: open_source(one, CAPTURE, time.time, count),
        sinks=[Nowhere()],
        health=Health([camera.id], time.time),
        clock=time.time,
        onlookers=onlookers,
    ).run()
    return seen


def annotated(camera: CameraConfig, clip: Path, out: Path) -> tuple[Seen, list[Image]]:
    """Replay with an annotated video; return what the networks saw and the video's pictures."""
    seen = Seen()
    replay(Settings(cameras=(camera,)), ReplayOptions(files=(clip,), annotate=out), models=seen.models)
    with av.open(str(out)) as container:
        return seen, [np.asarray(one.to_ndarray(format="bgr24"), np.uint8) for one in container.decode(video=0)]


def snapshots(camera: CameraConfig, folder: Path) -> list[Image]:
    """Run the daemon's threads with snapshots; return those that were made."""
    album = Album(SnapshotsConfig(mode="full", folder=folder), time.time)
    live(camera, album)
    album.close()
    coded = [np.frombuffer(album.folder.jpeg(name) or b"", np.uint8) for name, _ in album.folder.alerts()]
    return [np.asarray(cv2.imdecode(one, cv2.IMREAD_COLOR), np.uint8) for one in coded]


def test_without_a_mask_the_secret_is_seen_everywhere(clip: Path, tmp_path: Path) -> None:
    """Else the other tests here would show nothing."""
    seen, pictures = annotated(CameraConfig(id="door", source=str(clip)), clip, tmp_path / "out.mp4")
    assert all(seen.frames)
    assert any(seen.crops)
    assert all(secret(one) for one in pictures)


def test_a_replay_shows_the_secret_to_nobody(masked: CameraConfig, clip: Path, tmp_path: Path) -> None:
    seen, pictures = annotated(masked, clip, tmp_path / "out.mp4")
    assert len(pictures) == 50
    assert len(seen.frames) > 20
    assert seen.crops
    assert not any([*seen.frames, *seen.crops])
    assert not any(secret(one) for one in pictures)


def test_the_daemon_shows_the_secret_to_nobody(masked: CameraConfig) -> None:
    seen = live(masked)
    assert len(seen.frames) > 10
    assert seen.crops
    assert not any([*seen.frames, *seen.crops])


def test_a_snapshot_shows_the_secret_to_nobody(masked: CameraConfig, clip: Path, tmp_path: Path) -> None:
    plain = snapshots(CameraConfig(id="door", source=str(clip)), tmp_path / "plain")
    assert any(secret(one) for one in plain)
    found = snapshots(masked, tmp_path / "masked")
    assert found
    assert not any(secret(one) for one in found)


class Watching:
    """Somebody who looks at the installer's page after every decision."""

    def __init__(self, camera_id: str) -> None:
        self._camera_id, self._view, self.shown = camera_id, LiveView(), list[Image]()

    def saw(self, tracks: Tracks, crops: Sequence[Crop]) -> None:
        self._view.saw(tracks, crops)

    def changed(self, anew: frozenset[str]) -> None:
        self._view.changed(anew)

    def decided(
        self, tracks: Tracks | None, messages: Sequence[Message], visit_of: Callable[[str, int], Visit | None]
    ) -> None:
        self._view.decided(tracks, messages, visit_of)
        if made := self._view.picture(self._camera_id):
            coded = np.frombuffer(made.jpeg, np.uint8)
            self.shown.append(np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8))


def test_the_installer_s_page_shows_the_secret_to_nobody(masked: CameraConfig, clip: Path) -> None:
    for camera, is_there in ((CameraConfig(id="door", source=str(clip)), True), (masked, False)):
        watching = Watching("door")
        live(camera, watching)
        assert len(watching.shown) > 10
        assert {secret(one) for one in watching.shown} == {is_there}


def test_check_shows_the_secret_to_nobody(
    masked: CameraConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Frame] = []

    class Watched:
        def __init__(self, source: Source) -> None:
            self._source = source

        def frames(self) -> Iterator[Frame]:
            for frame in self._source.frames():
                given.append(frame)
                yield frame

        def close(self) -> None:
            self._source.close()

    def watched(camera: CameraConfig, capture: CaptureConfig, clock: Callable[[], float]) -> Source:
        return Watched(open_source(camera, capture, clock))

    monkeypatch.setattr(check, "open_source", watched)
    monkeypatch.setattr(check, "build_detector", lambda _: ToyDetector())
    monkeypatch.setattr(check, "build_classifier", lambda _: ToyClassifier())
    path, out = tmp_path / "vestibule.toml", io.StringIO()
    path.write_text(
        f"[[cameras]]\nid = 'door'\nsource = '{masked.source}'\n[[cameras.masks]]\n"
        "polygon = [[0.6, 0.0], [1.0, 0.0], [1.0, 1.0], [0.6, 1.0]]\n[[cameras.masks]]\n"
        "polygon = [[0.0, 0.815], [1.0, 0.815], [1.0, 1.0], [0.0, 1.0]]\n",
        encoding="utf-8",
    )
    check.check(path, out)
    assert "camera door: 400x240, 2 privacy masks" in out.getvalue()
    assert len(given) == 1
    assert not secret(given[0].image)
