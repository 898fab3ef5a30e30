"""One clock for all streams of a camera, where it tells it; a real server tells it in its sender reports."""

import itertools
import struct
import time
from pathlib import Path
from typing import Any, cast

import av
import pytest
from footage import moving_square, write_clip
from rtsp_camera import rtsp_camera

from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources.camera_clock import CameraClock, Moment
from vestibule.sources.connection import Connection


def moment(captured_at_s: float, camera_s: float | None = None) -> Moment:
    return Moment(captured_at_s=captured_at_s, camera_s=camera_s)


def test_without_the_camera_s_word_the_arrival_counts() -> None:
    assert moment(10.0).before_s(moment(10.3)) == pytest.approx(0.3)
    assert moment(10.0, 5.0).before_s(moment(10.3)) == pytest.approx(0.3)
    assert moment(10.0).before_s(moment(9.8, 5.0)) == pytest.approx(-0.2)


def test_the_camera_s_word_counts_whatever_its_clock_shows() -> None:
    year_2000_s = 946_684_800.0
    assert moment(10.0, year_2000_s).before_s(moment(10.3, year_2000_s + 0.1)) == pytest.approx(0.1)


def test_streams_that_disagree_about_the_clock_are_not_believed() -> None:
    assert moment(10.0, 5.0).before_s(moment(10.3, 3605.0)) == pytest.approx(0.3)


class Reported:
    """A packet with what FFmpeg notes of it."""

    def __init__(self, microseconds: int | None) -> None:
        self._microseconds = microseconds

    def has_sidedata(self, _kind: str) -> bool:
        return self._microseconds is not None

    def get_sidedata(self, _kind: str) -> bytes:
        assert self._microseconds is not None
        return struct.pack("qi4x", self._microseconds, 24)


def test_the_first_report_is_one_picture_early_and_is_not_used() -> None:
    clock = CameraClock()
    told = [clock.read_s(cast("Any", Reported(us))) for us in (None, None, 5_040_000, 5_040_000, 5_080_000)]
    assert told == [None, None, None, 5.04, 5.08]


def test_a_camera_tells_its_clock_after_some_seconds(tmp_path: Path) -> None:
    """Its clock is this machine's here, so that a picture was taken just before it arrived, and at its RTP time."""
    clip = write_clip(tmp_path / "a.mp4", moving_square(50), fps=25)
    clock, offsets, ages = CameraClock(), [], []
    with rtsp_camera(clip) as camera:
        config = CameraConfig(id="door", source=camera.address)
        connection = Connection(config, camera.address, CaptureConfig(), lambda _: None)
        for packet in itertools.islice(connection.packets(), 250):
            assert isinstance(packet, av.Packet)
            if (taken_s := clock.read_s(packet)) is not None:
                assert packet.pts is not None
                offsets.append(taken_s - float(packet.pts * packet.time_base))
                ages.append(time.time() - taken_s)
                if len(ages) == 25:
                    break
        connection.close()
    assert len(ages) == 25
    assert max(offsets) - min(offsets) < 0.005  # the sender reports' own accuracy
    assert all(0 <= age_s < 1 for age_s in ages)
