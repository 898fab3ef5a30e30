"""Network cameras beside plain RTSP over TCP: encrypted, over UDP, MJPEG over HTTP, and over a bad network."""

import itertools
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from footage import moving_square, square_left, write_clip
from http_camera import http_camera
from relay import make_certificate, relay
from rtsp_camera import RtspCamera, rtsp_camera

from vestibule.errors import ConfigError, SourceError
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources import Fate, open_source

CAPTURE = CaptureConfig(open_timeout_s=10, read_timeout_s=2, analysed_fps=60)

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspCamera]:
    clip = write_clip(tmp_path_factory.mktemp("clip") / "a.mp4", moving_square(50), fps=25)
    with rtsp_camera(clip) as camera:
        yield camera


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "camera.pem")


def camera(source: str, **settings: object) -> CameraConfig:
    return CameraConfig.model_validate({"id": "door", "source": source, **settings})


def first_shape(config: CameraConfig) -> tuple[int, ...]:
    source = open_source(config, CAPTURE, time.time)
    try:
        return next(source.frames()).image.shape
    finally:
        source.close()


def refusal(config: CameraConfig, capture: CaptureConfig = CAPTURE) -> SourceError:
    def read_all() -> None:
        list(open_source(config, capture, time.time).frames())

    with pytest.raises(SourceError) as caught:
        read_all()
    return caught.value


# RTSP


def test_udp(server: RtspCamera) -> None:
    assert first_shape(camera(server.address, transport="udp")) == (120, 160, 3)


def test_udp_notices_a_camera_that_freezes(server: RtspCamera) -> None:
    source = open_source(camera(server.address, transport="udp"), CAPTURE, time.time)
    frames = source.frames()
    next(frames)
    server.freeze()
    try:
        with pytest.raises(SourceError, match="sent nothing for 2 s") as caught:
            list(frames)
    finally:
        server.thaw()
    assert caught.value.problem == "frozen"


@needs_openssl
def test_rtsps_with_a_certificate_that_is_trusted(server: RtspCamera, certificate: Path) -> None:
    with relay(server.port, certificate) as tls:
        assert first_shape(camera(f"rtsps://127.0.0.1:{tls.port}/cam", ca_file=certificate)) == (120, 160, 3)


@needs_openssl
@pytest.mark.parametrize("kind", ["unknown", "of another host"])
def test_rtsps_with_a_certificate_that_is_not(server: RtspCamera, certificate: Path, tmp_path: Path, kind: str) -> None:
    shown, trusted = certificate, None
    if kind == "of another host":
        shown = trusted = make_certificate(tmp_path / "other.pem", "DNS:elsewhere.test")
    with relay(server.port, shown) as tls:
        config = camera(f"rtsps://127.0.0.1:{tls.port}/cam", ca_file=trusted)
        assert "certificate (`ca_file`)" in str(refusal(config))
        assert first_shape(config.model_copy(update={"verify_tls": False})) == (120, 160, 3)


def test_frames_that_the_network_held_up_are_dropped_as_too_old(server: RtspCamera) -> None:
    counts: Counter[Fate] = Counter()
    with relay(server.port) as network:
        config = camera(f"rtsp://127.0.0.1:{network.port}/cam")
        source = open_source(config, CAPTURE, time.time, lambda fate: counts.update([fate]))
        ages = []
        for number, frame in enumerate(source.frames()):
            ages.append(time.time() - frame.captured_at_s)
            if number == 10:
                network.flowing.clear()
                time.sleep(1.5)
                network.flowing.set()
            if number == 30:
                break
        source.close()
    assert counts["too_old"] > 10  # of the 37 that were sent meanwhile
    assert counts["captured"] == 31 + counts["too_old"] + counts["thinned"]


# MJPEG


def test_http(tmp_path: Path) -> None:
    with http_camera() as server:
        source = open_source(camera(server.address("/video")), CAPTURE, time.time)
        frames = list(itertools.islice(source.frames(), 10))
        source.close()
    lefts = [square_left(frame.image) for frame in frames]
    assert lefts == pytest.approx([2 * frame.seq for frame in frames], abs=1.5)
    assert not list(tmp_path.iterdir())


def test_http_pictures_that_are_not_analysed_are_not_even_decoded() -> None:
    counts: Counter[Fate] = Counter()
    with http_camera() as server:
        capture = CAPTURE.model_copy(update={"analysed_fps": 5.0})
        source = open_source(camera(server.address("/video")), capture, time.time, lambda fate: counts.update([fate]))
        list(itertools.islice(source.frames(), 5))
        source.close()
    assert counts["thinned"] >= 5
    assert counts["captured"] == counts["thinned"] + 5


def test_http_pictures_that_are_cut_short_are_counted_and_passed_over() -> None:
    counts: Counter[Fate] = Counter()
    with http_camera() as server:
        config = camera(server.address("/broken"))
        source = open_source(config, CAPTURE, time.time, lambda fate: counts.update([fate]))
        frames = list(itertools.islice(source.frames(), 10))
        source.close()
    assert all(frame.image.shape == (120, 160, 3) for frame in frames)
    assert counts["corrupt"] >= 3


def test_http_that_falls_silent_is_noticed() -> None:
    with http_camera() as server:
        error = refusal(camera(server.address("/stall")))
    assert error.problem == "frozen"


def test_http_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "hunter2 p@ss/w%rd" + 100 * "x"  # longer than RTSP's would be allowed to be
    variable = "DOOR_PASSWORD"
    monkeypatch.setenv(variable, secret)
    (tmp_path / "wrong").write_text("hunter3")
    with http_camera(login=f"anna:{secret}") as server:
        address = server.address("/video")
        assert first_shape(camera(address, username="anna", password_env=variable)) == (120, 160, 3)
        error = refusal(camera(address, username="anna", password_file=tmp_path / "wrong"))
    assert error.problem == "unauthorised"
    assert "hunter" not in str(error)


def test_a_password_variable_that_is_not_set_is_said() -> None:
    variable = "NO_SUCH"
    with pytest.raises(ConfigError, match=r"camera door: the variable NO_SUCH \(password_env\) is not set"):
        open_source(camera("rtsp://127.0.0.1:9/", username="anna", password_env=variable), CAPTURE, time.time)
