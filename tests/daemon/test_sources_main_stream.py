"""The main stream of a camera with two: decoded only while it is wanted, and the same moments as the sub-stream."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
import pytest
from fakes import Clock
from footage import moving_square, square_left, write_clip
from mqtt_client import wait_until
from rtsp_camera import RtspCamera, rtsp_camera
from structlog.testing import capture_logs

from vestibule.detail_section import DetailConfig
from vestibule.errors import SourceError
from vestibule.privacy_sections import MaskConfig
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources import Fate, LiveSources, check_shape
from vestibule.sources.camera_clock import Moment
from vestibule.sources.main_stream import MainPictures, MainStream
from vestibule.types import Frame

CAPTURE = CaptureConfig(open_timeout_s=10, read_timeout_s=2, analysed_fps=25, max_frame_age_s=10)
GOP = 50
"""Pictures from one key frame to the next: two seconds of the clips here."""


# ---- the pictures, without a camera


def at(captured_at_s: float) -> Moment:
    return Moment(captured_at_s=captured_at_s, camera_s=None)


class Kept:
    """Pictures that are their own times."""

    def __init__(self, *times_s: float, **settings: float) -> None:
        self.counts: Counter[Fate] = Counter()
        self.pictures = MainPictures(DetailConfig.model_validate(settings), lambda fate: self.counts.update([fate]))
        for time_s in times_s:
            self.pictures.put(at(time_s), cast("Any", time_s))

    def nearest(self, at_s: float) -> Any:  # noqa: ANN401 - a time in a picture's place
        found = self.pictures.nearest(at(at_s))
        if found is None:
            return None
        assert found[0] == pytest.approx(at_s - cast("Any", found[1]))  # so long before
        return found[1]


def test_the_nearest_in_time_is_given() -> None:
    kept = Kept(1.0, 1.04, 1.08)
    assert [kept.nearest(at_s) for at_s in (0.95, 1.01, 1.03, 1.07, 1.15)] == [1.0, 1.0, 1.04, 1.08, 1.08]


def test_one_too_far_away_is_not_given_and_counted() -> None:
    kept = Kept(1.0, 1.04, max_skew_s=0.1)
    assert [kept.nearest(at_s) for at_s in (1.13, 1.15, 0.85)] == [1.04, None, None]
    assert kept.counts == {"main_decoded": 2, "detailed": 1, "undetailed": 2}


def test_nothing_is_given_of_what_was_let_go_of() -> None:
    kept = Kept(1.0)
    kept.pictures.clear()
    assert kept.nearest(1.0) is None
    assert Kept().nearest(1.0) is None


def test_only_the_newest_are_kept() -> None:
    kept = Kept(*(0.04 * number for number in range(100)), max_skew_s=0.02)
    assert kept.nearest(0.04 * 99) is not None
    assert kept.nearest(0.04 * 80) is None


def test_they_are_wanted_for_a_while_after_somebody_asked() -> None:
    clock = Clock(0.0)
    pictures = MainPictures(DetailConfig(linger_s=3), lambda _: None, clock)
    assert not pictures.wanted
    pictures.want()
    clock.now_s = 2.9
    assert pictures.wanted
    clock.now_s = 3.0
    assert not pictures.wanted


@pytest.mark.parametrize(("main", "small"), [((1920, 1080), (640, 360)), ((1920, 1080), (640, 352)), ((4, 3), (4, 3))])
def test_streams_of_one_shape_go_together(main: tuple[int, int], small: tuple[int, int]) -> None:
    check_shape("camera door", main, small)


@pytest.mark.parametrize("small", [(704, 576), (640, 480), (352, 240), (360, 640)])
def test_streams_of_two_shapes_do_not(small: tuple[int, int]) -> None:
    with pytest.raises(SourceError, match=r"^camera door: the main stream is 1920x1080 and the sub-stream \d+x\d+, of"):
        check_shape("camera door", (1920, 1080), small)


# ---- what is decoded: FFmpeg reads a file in the camera's place, a packet every 40 ms


class Played:
    """A main stream, read to its end; `asks` are the numbers of the packets at which somebody wants pictures."""

    def __init__(self, clip: Path, monkeypatch: pytest.MonkeyPatch, *asks: int, **settings: float) -> None:
        self.decoded: list[int] = []
        """How many pictures had been decoded once each packet was dealt with."""
        self._asks, self._clock, self._count = asks, Clock(0.0), Counter[Fate]()
        config = DetailConfig.model_validate(settings)
        self.pictures = MainPictures(config, lambda fate: self._count.update([fate]), self._clock)
        camera, container = CameraConfig(id="door", source="rtsp://camera.test/a"), av.open(str(clip))
        with monkeypatch.context() as patched:
            patched.setattr("vestibule.sources.connection.av.open", lambda *_args, **_options: container)
            stream = MainStream(
                camera, capture=CAPTURE, config=config, clock=self._clock, count=self._arrived, pictures=self.pictures
            )
        with pytest.raises(SourceError, match="the camera ended the stream"):
            list(stream.frames())
        self.decoded.append(self._count["main_decoded"])

    def _arrived(self, _fate: Fate) -> None:
        number = round(self._clock.now_s / 0.04)
        if number:
            self.decoded.append(self._count["main_decoded"])
        self._clock.now_s += 0.04
        if number in self._asks:
            self.pictures.want()


def test_without_anybody_nothing_is_decoded(clips: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(Played(clips[0], monkeypatch).decoded) == {0}


def test_decoding_begins_with_what_waited_and_not_at_the_next_key_frame(
    clips: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = Played(clips[0], monkeypatch, 30).decoded
    assert decoded[29:33] == [0, 31, 32, 33]
    assert Played(clips[0], monkeypatch, GOP + 3).decoded[GOP + 2 : GOP + 5] == [0, 4, 5]  # the group before is gone


def test_decoding_stops_a_while_after_the_last_wish_and_goes_on_where_it_was(
    clips: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    played = Played(clips[0], monkeypatch, 5, 30, linger_s=0.4)
    assert played.decoded[4:17] == [0, *range(6, 16), 15, 15]
    assert played.decoded[29:32] == [15, 31, 32]
    assert played.pictures.nearest(at(0.04 * 31)) is None  # all are let go of


def test_packets_that_become_too_many_wait_for_the_next_key_frame(
    clips: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with capture_logs() as log:
        played = Played(clips[0], monkeypatch, 30, buffer_s=0.8, linger_s=60)
    assert played.decoded[GOP - 1 : GOP + 2] == [0, 1, 2]
    assert ["too far apart" in entry["event"] for entry in log] == [True]


# ---- a camera with two streams


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same scene at two sizes, one encoder's pictures side by side; they never repeat within four seconds."""
    folder, images = tmp_path_factory.mktemp("clips"), list(moving_square(2 * GOP, 320, 240))
    small = [np.asarray(cv2.resize(image, (160, 120), interpolation=cv2.INTER_AREA), np.uint8) for image in images]
    options = {"g": str(GOP)}
    return (
        write_clip(folder / "main.mp4", images, fps=25, options=options),
        write_clip(folder / "sub.mp4", small, fps=25, options=options),
    )


@pytest.fixture(scope="module")
def server(clips: tuple[Path, Path]) -> Iterator[RtspCamera]:
    with rtsp_camera(clips[0], "--sub", str(clips[1])) as camera:
        yield camera


class Playing:
    """A camera's two streams, open; the main one is read by a thread of its own, as the daemon does."""

    def __init__(self, camera: CameraConfig, detail: DetailConfig) -> None:
        self.counts: Counter[Fate] = Counter()
        self.packets: Counter[Fate] = Counter()
        self.problem: list[str] = []
        sources = LiveSources(CAPTURE, detail, time.time, lambda _, fate: self.counts.update([fate]))
        self._main = sources.open_main(camera, lambda fate: self.packets.update([fate]))
        self._reader = threading.Thread(target=self._read)
        self._reader.start()  # before the other is opened: what waits in the socket meanwhile would seem to be late
        self._sub = sources.open(camera, lambda _: None)
        self.frames = self._sub.frames()

    def _read(self) -> None:
        try:
            assert list(self._main.frames()) == []
        except SourceError as error:
            self.problem.append(str(error))

    def until(self, reached: Callable[[Frame], bool], most: int = 150) -> Frame:
        """Return the first frame of which something is true."""
        return next(frame for frame in itertools.islice(self.frames, most) if reached(frame))

    def close(self) -> None:
        self._sub.close()
        self._main.close()
        self._reader.join(10)
        assert not self._reader.is_alive()


@contextmanager
def playing(server: RtspCamera, **detail: float) -> Iterator[Playing]:
    camera = CameraConfig(id="door", source=server.address, detect_source=server.sub_address)
    streams = Playing(camera, DetailConfig.model_validate(detail))
    try:
        yield streams
    finally:
        streams.close()


def test_nothing_is_decoded_while_nobody_wants_it(server: RtspCamera) -> None:
    with playing(server) as streams:
        streams.until(lambda _: streams.packets["captured"] > GOP)
        assert streams.counts["main_decoded"] == 0
        assert streams.counts == {}


def square_number(image: np.ndarray[Any, np.dtype[np.uint8]]) -> float:
    """Which picture of the clip, modulo the square's way, a picture of 320x240 or 160x120 is."""
    if image.shape[1] == 160:
        image = np.asarray(cv2.resize(image, (320, 240)), np.uint8)
    return square_left(image) / 2


def test_a_frame_and_its_detail_show_the_same_moment(server: RtspCamera) -> None:
    with playing(server) as streams:
        apart = []
        for frame in itertools.islice(streams.frames, 60):
            frame.detail.want()
            time.sleep(0.02)  # as long as the detector takes
            if (larger := frame.detail.picture()) is not None:
                assert larger.image.shape == (240, 320, 3)
                apart.append(square_number(frame.image) - square_number(larger.image) - 25 * larger.before_s)
        assert len(apart) > 40
        assert np.median(np.abs(apart)) < 0.75  # pictures


def test_the_camera_s_clock_tells_a_main_stream_that_comes_late(clips: tuple[Path, Path]) -> None:
    """By when they arrive nothing is amiss with its pictures, and they are five too old."""

    def too_late(frame: Frame) -> bool:
        frame.detail.want()
        time.sleep(0.02)
        return frame.detail.picture() is None and streams.counts["detailed"] > 10

    with rtsp_camera(clips[0], "--sub", str(clips[1]), "--late", "0.2") as server, playing(server) as streams:
        frame = streams.until(too_late, 400)
        time.sleep(0.3)
        larger = frame.detail.picture()
        assert larger is not None
        assert square_number(larger.image) == pytest.approx(square_number(frame.image), abs=0.75)
        assert larger.before_s == pytest.approx(0, abs=0.02)


def test_masks_hold_in_both_pictures(server: RtspCamera) -> None:
    left_half = MaskConfig(polygon=((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)))
    camera = CameraConfig(id="door", source=server.address, detect_source=server.sub_address, masks=(left_half,))
    streams = Playing(camera, DetailConfig())
    try:
        next(streams.frames).detail.want()
        wait_until(lambda: streams.counts["main_decoded"] > 0, "pictures")
        frame = next(streams.frames)
        larger = next(found.image for one in streams.frames if (found := one.detail.picture()) is not None)
    finally:
        streams.close()
    assert not frame.image[:, :80].any()
    assert not larger[:, :160].any()
    assert larger[:, 164:].any()


def test_a_sub_stream_of_another_shape_is_refused(clips: tuple[Path, Path], tmp_path: Path) -> None:
    square = write_clip(tmp_path / "square.mp4", moving_square(50, 160, 160), fps=25)
    with rtsp_camera(clips[0], "--sub", str(square)) as server, playing(server) as streams:
        next(streams.frames)
        wait_until(lambda: bool(streams.problem), "the refusal")
        (problem,) = streams.problem
        assert "the main stream is 320x240 and the sub-stream 160x160, of another shape; set the camera" in problem
        assert next(streams.frames).image.shape == (160, 160, 3)  # and goes on
        camera = CameraConfig(id="door", source=server.address, detect_source=server.sub_address)
        sources = LiveSources(CAPTURE, DetailConfig(), time.time, lambda *_: None)
        sub = sources.open(camera, lambda _: None)
        next(iter(sub.frames()))
        with pytest.raises(SourceError, match="of another shape"):  # known now: not even opened
            sources.open_main(camera, lambda _: None)
        sub.close()


def test_a_lost_main_stream_leaves_the_sub_stream_alone(clips: tuple[Path, Path]) -> None:
    with rtsp_camera(clips[0]) as main, rtsp_camera(clips[1]) as sub:
        camera = CameraConfig(id="door", source=main.address, detect_source=sub.address)
        streams = Playing(camera, DetailConfig())
        try:
            next(streams.frames).detail.want()
            wait_until(lambda: streams.counts["main_decoded"] > 0, "pictures")
            main.kill()
            wait_until(lambda: bool(streams.problem), "the loss")
            frame = next(streams.frames)
            assert frame.detail.picture() is None
            assert streams.counts["undetailed"] == 1
        finally:
            streams.close()
