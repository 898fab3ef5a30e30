"""Which source an address opens, files played at their own pace, and USB cameras."""

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from footage import cut, moving_square, square_left, write_clip

from vestibule.errors import SourceError
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources import Count, Fate, open_source
from vestibule.sources.replay import PacedSource
from vestibule.sources.usb import UsbSource
from vestibule.types import Frame

CAPTURE = CaptureConfig(analysed_fps=5)


def ignore(_fate: Fate) -> None:
    pass


class FakeClock:
    """Time that passes only in `sleep`."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0
        self.slept_s: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds


def camera(source: str | Path) -> CameraConfig:
    return CameraConfig(id="door", source=str(source))


# Addresses


def test_a_file_is_opened_and_gives_a_frame(tmp_path: Path) -> None:
    source = open_source(camera(write_clip(tmp_path / "a.mp4", moving_square(3))), CAPTURE, lambda: 123.0)
    frame = next(source.frames())
    source.close()
    assert (frame.camera_id, frame.seq, frame.captured_at_s) == ("door", 0, 123.0)


@pytest.mark.parametrize("address", ["ws://user:hunter2@cam/video", "ftp://user@cam/a?key=hunter2"])
def test_other_kinds_of_address_are_refused(address: str) -> None:
    unchecked = CameraConfig.model_construct(id="door", source=address)
    with pytest.raises(SourceError, match="this kind of address is not supported; use rtsp://") as caught:
        open_source(unchecked, CAPTURE, lambda: 0.0)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("address", ["97", "/dev/video97", "/dev/v4l/by-id/usb-none"])
def test_a_missing_usb_camera(address: str) -> None:
    with pytest.raises(SourceError, match=r"camera door \(/dev/.*\): no such device; check the cable"):
        open_source(camera(address), CAPTURE, lambda: 0.0)


def test_a_missing_file_names_it() -> None:
    with pytest.raises(SourceError, match=r"nowhere\.mp4: no such video file"):
        open_source(camera("nowhere.mp4"), CAPTURE, lambda: 0.0)


# Files at their own pace


def test_a_file_is_played_at_its_own_pace_and_thinned(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", moving_square(20))
    clock = FakeClock()
    start_s = clock()
    frames = list(PacedSource(camera(clip), CAPTURE, clock, ignore, clock.sleep).frames())
    assert [frame.seq for frame in frames] == list(range(0, 20, 2))
    assert [frame.captured_at_s - start_s for frame in frames] == pytest.approx([n / 5 for n in range(10)], abs=1e-3)
    assert [square_left(frame.image) for frame in frames] == pytest.approx([4 * n for n in range(10)], abs=1)
    assert clock() - start_s == pytest.approx(1.9, abs=1e-3)
    assert max(clock.slept_s) <= 0.1 + 1e-6  # so that `close` is noticed soon


@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0])
def test_a_clock_that_is_set_neither_stops_nor_races_it(tmp_path: Path, jump_s: float) -> None:
    clip = write_clip(tmp_path / "a.mp4", moving_square(30))
    clock = FakeClock()
    count = 0
    for count, _ in enumerate(PacedSource(camera(clip), CAPTURE, clock, ignore, clock.sleep).frames(), 1):
        if count == 5:
            clock.now_s += jump_s
    assert count >= 14
    assert 2.0 <= sum(clock.slept_s) <= 3.5


def test_a_truncated_file_in_place_of_a_camera(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mp4", moving_square(20), container_options={"movflags": "+faststart"})
    clock = FakeClock()
    source = PacedSource(camera(cut(whole, tmp_path / "b.mp4", 0.6)), CAPTURE, clock, ignore, clock.sleep)
    frames = source.frames()
    assert next(frames).seq == 0
    with pytest.raises(SourceError, match=r"b\.mp4: the video is cut short"):
        list(frames)


def test_close_ends_a_wait(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", moving_square(2), times_ms=[0, 3_600_000])
    clock = FakeClock()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if len(clock.slept_s) == 3:
            source.close()

    source = PacedSource(camera(clip), CAPTURE, clock, ignore, sleep)
    assert [frame.seq for frame in source.frames()] == [0]
    assert len(clock.slept_s) == 3
    source.close()


# USB


class FakeDevice:
    """OpenCV's capture of a camera that gives 10 frames a second and breaks after `count`."""

    def __init__(self, clock: FakeClock, count: int, *, opens: bool = True) -> None:
        self.clock, self.count, self.opens = clock, count, opens
        self.grabbed, self.retrieved, self.released = 0, 0, 0
        self.opened_with: tuple[Any, ...] = ()

    def __call__(self, *arguments: Any) -> "FakeDevice":  # noqa: ANN401 - whatever OpenCV takes
        self.opened_with = arguments
        return self

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self.opens

    def grab(self) -> bool:
        self.clock.sleep(0.1)
        self.grabbed += 1
        return self.grabbed <= self.count

    def retrieve(self) -> tuple[bool, Any]:
        self.retrieved += 1
        image = np.full((48, 64, 3), self.grabbed, dtype=np.uint8)
        image[:24] = 200
        return True, image

    def release(self) -> None:
        self.released += 1


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def usb(tmp_path: Path, clock: FakeClock, device: Any, count: Count = ignore) -> UsbSource:  # noqa: ANN401 - OpenCV's
    node = tmp_path / "video0"
    node.touch()
    return UsbSource(camera(node), CAPTURE, clock, count, device)


def test_usb_decodes_only_what_is_analysed(tmp_path: Path, clock: FakeClock) -> None:
    device = FakeDevice(clock, 20)
    frames: list[Frame] = []
    with pytest.raises(SourceError, match=r"camera door \(.*video0\): gave no frame; check that it is plugged in"):
        frames.extend(usb(tmp_path, clock, device).frames())
    assert device.opened_with == (str(tmp_path / "video0"), cv2.CAP_V4L2)
    assert (device.grabbed, device.retrieved, device.released) == (21, 10, 1)


def test_usb_numbers_and_stamps_frames(tmp_path: Path, clock: FakeClock) -> None:
    start_s = clock()
    frames = usb(tmp_path, clock, FakeDevice(clock, 20)).frames()
    found = [next(frames) for _ in range(3)]
    assert [frame.seq for frame in found] == [0, 2, 4]
    assert [frame.captured_at_s - start_s for frame in found] == pytest.approx([0.1, 0.3, 0.5], abs=1e-3)
    assert [int(frame.image[-1, 0, 0]) for frame in found] == [1, 3, 5]


@pytest.mark.parametrize(
    ("picture", "fate"),
    [
        (None, "corrupt"),
        (np.zeros((0, 0, 3), np.uint8), "empty"),
        (np.full((48, 64, 3), (0, 135, 0), np.uint8), "blank"),
    ],
)
def test_usb_frames_on_which_nothing_can_be_seen_are_counted_and_passed_over(
    tmp_path: Path, clock: FakeClock, picture: npt.NDArray[np.uint8] | None, fate: Fate
) -> None:
    class Odd(FakeDevice):
        def retrieve(self) -> tuple[bool, Any]:
            whole, image = super().retrieve()
            return (whole, image) if self.retrieved > 2 else (picture is not None, picture)

    counts: Counter[Fate] = Counter()
    source = usb(tmp_path, clock, Odd(clock, 8), lambda fate: counts.update([fate]))
    frames: list[Frame] = []
    with pytest.raises(SourceError):
        frames.extend(source.frames())
    assert [frame.seq for frame in frames] == [4, 6]
    assert counts == {"captured": 8, "thinned": 4, fate: 2}


def test_usb_camera_in_use(tmp_path: Path, clock: FakeClock) -> None:
    device = FakeDevice(clock, 0, opens=False)
    with pytest.raises(SourceError, match="is used by another program or is no camera; close that program"):
        usb(tmp_path, clock, device)
    assert device.released == 1


def test_usb_without_permission(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(SourceError, match="no permission to use the device; add the service's user"):
        usb(tmp_path, clock, FakeDevice(clock, 1))


def test_usb_close(tmp_path: Path, clock: FakeClock) -> None:
    device = FakeDevice(clock, 20)
    source = usb(tmp_path, clock, device)
    frames = source.frames()
    next(frames)
    source.close()
    source.close()
    assert device.released == 0  # the reading side lets go
    assert list(frames) == []
    assert device.released == 1
    unread = usb(tmp_path, clock, device)
    unread.close()
    assert device.released == 2


def test_a_file_that_is_no_camera_is_refused_quietly(
    tmp_path: Path, clock: FakeClock, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SourceError, match="is used by another program or is no camera"):
        usb(tmp_path, clock, cv2.VideoCapture)
    assert capfd.readouterr() == ("", "")
