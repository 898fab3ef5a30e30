"""No hardware that decodes is in a test machine: what is tested is how one does without, for real."""

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from av.codec.hwaccel import HWAccel, hwdevices_available
from footage import moving_square, square_left, write_clip
from rtsp_camera import rtsp_camera
from structlog.testing import capture_logs

from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources import hardware
from vestibule.sources.network import NetworkSource

KINDS: list[hardware.HardwareDecoder] = ["auto", "cuda", "vaapi", "qsv", "drm"]


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    hardware.decoder.cache_clear()
    yield
    hardware.decoder.cache_clear()


@pytest.fixture
def none_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is a card after all, it is taken away."""

    def broken(_self: HWAccel, _codec: object) -> HWAccel:
        raise RuntimeError("no device")

    monkeypatch.setattr(hardware, "HWAccel", type("Broken", (), {"__init__": lambda *_, **__: None, "create": broken}))


def test_off_asks_no_hardware() -> None:
    with capture_logs() as lines:
        assert hardware.decoder("off") is None
    assert lines == []


@pytest.mark.usefixtures("none_works")
@pytest.mark.parametrize("kind", KINDS)
def test_without_hardware_the_processor_decodes_and_one_line_says_why(kind: hardware.HardwareDecoder) -> None:
    with capture_logs() as lines:
        assert [hardware.decoder(kind) for _ in range(3)] == [None] * 3
    (line,) = lines
    assert line["event"] == "decoding on the processor"
    assert line["log_level"] == ("info" if kind == "auto" else "warning")
    assert all(name in line["reason"] for name in (hwdevices_available() if kind == "auto" else [kind]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_camera_is_seen_with_or_without_the_hardware_that_was_asked_for(
    kind: hardware.HardwareDecoder, tmp_path: Path
) -> None:
    """Nothing is taken away here: FFmpeg itself looks for the device."""
    clip = write_clip(tmp_path / "a.mp4", moving_square(25), fps=25)
    capture = CaptureConfig(open_timeout_s=10, read_timeout_s=5, analysed_fps=60, hardware=kind)
    with rtsp_camera(clip) as camera:
        source = NetworkSource(CameraConfig(id="door", source=camera.address), capture, time.time, lambda _: None)
        frames = list(islice(source.frames(), 5))
        source.close()
    assert len(frames) == 5
    assert all(square_left(frame.image) >= 0 for frame in frames)
