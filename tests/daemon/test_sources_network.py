"""RTSP cameras: a real server over TCP, each failure in words, and no secret anywhere."""

import contextlib
import itertools
import logging
import os
import signal
import socket
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
from footage import moving_square, square_left, write_clip, write_size_change, write_tone
from pydantic import SecretStr
from rtsp_camera import RtspCamera, rtsp_camera

from vestibule.errors import SourceError
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources import Count, Fate, connection, open_source
from vestibule.sources.connection import redacted
from vestibule.sources.network import NetworkSource
from vestibule.types import Frame

SECRET = "hunter2:p@ss/w%rd"  # noqa: S105 - of a test's own camera
CAPTURE = CaptureConfig(open_timeout_s=10, read_timeout_s=1, analysed_fps=60)
LIMIT_S = 60


@pytest.fixture(autouse=True)
def _limit() -> Iterator[None]:
    """No test here may hang: a source that blocks for ever is what they look for."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"still waiting after {LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LIMIT_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "a.mp4", moving_square(50), fps=25)


@pytest.fixture(scope="module")
def server(clip: Path) -> Iterator[RtspCamera]:
    with rtsp_camera(clip) as camera:
        yield camera


@contextlib.contextmanager
def opened(address: str, capture: CaptureConfig = CAPTURE) -> Iterator[NetworkSource]:
    source = open_source(CameraConfig(id="door", source=address), capture, time.time)
    assert isinstance(source, NetworkSource)
    try:
        yield source
    finally:
        source.close()


def failure(camera: CameraConfig, capture: CaptureConfig = CAPTURE) -> SourceError:
    with pytest.raises(SourceError) as caught:
        open_source(camera, capture, time.time)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("camera door (rtsp://127.0.0.1:")
    return caught.value


# A camera that works


def test_frames_arrive(server: RtspCamera) -> None:
    before_s = time.time()
    with opened(server.address) as source:
        frames = list(itertools.islice(source.frames(), 20))
    numbers = [frame.seq for frame in frames]
    assert numbers[0] == 0
    assert all(later > earlier for earlier, later in itertools.pairwise(numbers))
    assert {frame.image.shape for frame in frames} == {(120, 160, 3)}
    lefts = [square_left(frame.image) for frame in frames]
    assert lefts == pytest.approx([2 * number % 100 for number in numbers], abs=1.5)  # the clip's 50 frames, looped
    times = [frame.captured_at_s for frame in frames]
    assert times == sorted(times)
    assert before_s <= times[0] <= times[-1] <= time.time()


def test_frames_are_thinned(server: RtspCamera) -> None:
    with opened(server.address, CAPTURE.model_copy(update={"analysed_fps": 5.0})) as source:
        frames = list(itertools.islice(source.frames(), 8))
    assert frames[-1].seq - frames[0].seq > 2 * 7  # 25 come in a second
    assert frames[-1].captured_at_s - frames[0].captured_at_s > 4 / 5  # 7 / 5, less for a late start


def test_two_cameras_at_once(server: RtspCamera) -> None:
    with opened(server.address) as first, opened(server.address) as second:
        pairs = list(zip(first.frames(), second.frames(), range(10), strict=False))
    assert len(pairs) == 10


@pytest.mark.parametrize("kind", ["basic", "digest"])
def test_a_login_from_a_password_file(clip: Path, tmp_path: Path, kind: str) -> None:
    secret, wrong = tmp_path / "secret", tmp_path / "wrong"
    secret.write_text(SECRET + "\n")
    wrong.write_text("hunter2-wrong\n")
    arguments = ["--user", "anna", "--password", SECRET, *(["--digest"] if kind == "digest" else [])]
    with rtsp_camera(clip, *arguments) as server:
        right = CameraConfig(id="door", source=server.address, username="anna", password_file=secret)
        source = open_source(right, CAPTURE, time.time)
        assert next(source.frames()).image.shape == (120, 160, 3)
        assert "hunter2" not in repr(source)
        source.close()
        in_address = server.address.replace("rtsp://", "rtsp://anna@")
        source = open_source(CameraConfig(id="door", source=in_address, password_file=secret), CAPTURE, time.time)
        next(source.frames())
        source.close()
        for camera in (
            right.model_copy(update={"password_file": wrong}),
            CameraConfig(id="door", source=server.address),
            CameraConfig(id="door", source=server.address, username="anna"),
        ):
            error = failure(camera)
            assert "wrong user name or password (401); check `username` and `password_file` or `password_env`" in str(
                error
            )


# A camera that does not


def test_a_stall_is_noticed_and_the_camera_can_be_opened_again(server: RtspCamera) -> None:
    with opened(server.address) as source:
        frames = source.frames()
        next(frames)
        server.tell("stall")
        try:
            with pytest.raises(SourceError, match=r"the camera sent nothing for 1 s; .* or raise read_timeout_s"):
                list(frames)
        finally:
            server.tell("resume")
    with opened(server.address) as source:
        assert next(source.frames()).seq == 0


def test_a_camera_that_hangs_up(server: RtspCamera) -> None:
    with opened(server.address) as source:
        frames = source.frames()
        next(frames)
        server.tell("drop")
        with pytest.raises(SourceError, match="the camera ended the stream; check that it is running"):
            list(frames)


def test_close_from_another_thread_ends_the_frames(server: RtspCamera) -> None:
    with opened(server.address) as source:
        got = threading.Event()
        seen = []

        def read() -> None:
            for frame in source.frames():
                seen.append(frame.seq)
                got.set()

        reader = threading.Thread(target=read)
        reader.start()
        assert got.wait(LIMIT_S / 2)
        source.close()
        source.close()
        reader.join(LIMIT_S / 2)
        assert not reader.is_alive()
        assert seen


def test_closed_before_it_was_read(server: RtspCamera) -> None:
    with opened(server.address) as source:
        source.close()
        assert list(source.frames()) == []


def test_no_such_stream(server: RtspCamera) -> None:
    error = failure(CameraConfig(id="door", source=server.address.replace("/cam", "/attic")))
    assert "/attic): the camera has no such stream (404); check the path of the address" in str(error)


def test_connection_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    error = failure(CameraConfig(id="door", source=f"rtsp://127.0.0.1:{port}/cam"))
    assert "connection refused; check host and port" in str(error)


@contextlib.contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """A TCP server that answers the first request with `reply` and then keeps silent; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LIMIT_S)
        done = threading.Event()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(reply)
                done.wait(LIMIT_S)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"rtsp://127.0.0.1:{listener.getsockname()[1]}/cam"
        done.set()
        thread.join(LIMIT_S)


def test_a_camera_that_does_not_answer() -> None:
    with answering(b"") as address:
        capture = CAPTURE.model_copy(update={"open_timeout_s": 0.5})
        error = failure(CameraConfig(id="door", source=address), capture)
    assert "no answer within 0.5 s; check host, network and firewall, or raise open_timeout_s" in str(error)


def test_a_server_of_another_kind() -> None:
    with answering(b"HTTP/1.1 500 Oops\r\n\r\n") as address:
        capture = CAPTURE.model_copy(update={"open_timeout_s": 2.0})
        assert "; check host" in str(failure(CameraConfig(id="door", source=address), capture))


# What a server can hardly be made to do: FFmpeg reads a file in the camera's place


def ignore(_fate: Fate) -> None:
    pass


def read_from(
    path: Path, monkeypatch: pytest.MonkeyPatch, count: Count = ignore, clock: Callable[[], float] = time.time
) -> NetworkSource:
    container = av.open(str(path))
    monkeypatch.setattr("vestibule.sources.connection.av.open", lambda *_args, **_options: container)
    return NetworkSource(CameraConfig(id="door", source="rtsp://camera.test/cam"), CAPTURE, clock, count)


def given(source: NetworkSource) -> Iterator[Frame]:
    """Frames until the file in the camera's place is over."""
    with pytest.raises(SourceError, match="the camera ended the stream"):
        yield from source.frames()


def test_a_frame_size_that_changes_is_counted_and_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_size_change(tmp_path / "a.ts", [(160, 120), (192, 144)])
    counts: Counter[Fate] = Counter()
    arrivals = itertools.count(0.0, 0.1)  # as a camera sends them; at the speed of a file most would be thinned out
    frames = list(given(read_from(clip, monkeypatch, lambda fate: counts.update([fate]), lambda: next(arrivals))))
    assert {frame.image.shape for frame in frames} == {(120, 160, 3), (144, 192, 3)}
    assert counts["resized"] == 1


def test_data_that_no_picture_can_be_decoded_from(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(clip.read_bytes())
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    (tmp_path / "zeros.mp4").write_bytes(data)
    source = read_from(tmp_path / "zeros.mp4", monkeypatch)
    ticks = iter(range(10_000))
    monkeypatch.setattr(connection, "time", SimpleNamespace(monotonic=lambda: 0.2 * next(ticks)))
    with pytest.raises(SourceError, match="data arrives but no picture could be decoded for 1 s; set the camera to H"):
        list(source.frames())


def test_a_stream_without_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="the stream holds no video; check the path of the address"):
        read_from(write_tone(tmp_path / "a.m4a"), monkeypatch)


# Secrets


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://anna@10.0.0.4:8554/ch1?token=hunter2", "rtsp://10.0.0.4:8554/ch1"),
        ("rtsp://anna:hunter2@cam/live", "rtsp://cam/live"),
        ("rtsp://cam/user=anna&password=hunter2&channel=1", "rtsp://cam/..."),
        ("rtsp://anna:hun@ter2@[fe80::1]:554/", "rtsp://[fe80::1]:554/"),
    ],
)
def test_addresses_are_shown_without_secrets(address: str, shown: str) -> None:
    assert redacted(address) == shown


def test_no_secret_in_errors_logs_or_output(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    address = f"rtsp://127.0.0.1:{port}/cam?key=hunter2"
    error = failure(CameraConfig(id="door", source=address, username="anna", password_file=secret))
    assert error.__cause__ is None
    assert error.__context__ is None  # PyAV's error, which holds the whole address
    trace = "".join(traceback.format_exception(error))
    printed = capfd.readouterr()
    for text in (str(error), repr(error), trace, caplog.text, printed.out, printed.err):
        assert "hunter2" not in text
        assert "anna" not in text


def test_the_login_is_escaped_into_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def fail(url: str, **_: Any) -> None:  # noqa: ANN401 - PyAV's options
        seen.append(url)
        raise av.error.ConnectionRefusedError(111, "Connection refused", url)

    monkeypatch.setattr("vestibule.sources.connection.av.open", fail)
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    camera = CameraConfig(id="door", source="rtsp://old@cam:554/a?b=c", username="an@na", password_file=secret)
    with pytest.raises(SourceError, match=r"^camera door \(rtsp://cam:554/a\): connection refused"):
        open_source(camera, CAPTURE, time.time)
    assert seen == ["rtsp://an%40na:hunter2%3Ap%40ss%2Fw%25rd@cam:554/a?b=c"]


def test_a_login_longer_than_ffmpeg_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CameraConfig, "password", lambda _: SecretStr("%" * 50))
    camera = CameraConfig(id="door", source="rtsp://127.0.0.1:9/cam", username="anna")
    with pytest.raises(
        SourceError, match="take 155 bytes percent-encoded, FFmpeg holds 127; choose a shorter password"
    ):
        open_source(camera, CAPTURE, time.time)


def test_every_failure_is_one_line_with_a_remedy() -> None:
    kinds = [av.error.InvalidDataError, av.error.OSError, av.error.ExitError, av.error.HTTPForbiddenError]
    for kind in kinds:
        error = kind(5, os.strerror(5), "rtsp://anna:hunter2@cam/")
        for text, _ in (connection._no_connection(error, 5.0, timed_out=False), connection._broken(error, 5.0)):
            assert "; check " in text
            assert "hunter2" not in text
            assert "\n" not in text
