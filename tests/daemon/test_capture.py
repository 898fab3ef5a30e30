"""Capture threads around sources that do the worst that a library can do."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from fakes import frame
from mqtt_client import wait_until

from vestibule.capture import Captures
from vestibule.errors import ConfigError, SourceError
from vestibule.health import Health
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources import Count, Source
from vestibule.types import Frame

CONFIG = CaptureConfig(open_timeout_s=0.1, read_timeout_s=0.1, retry_initial_s=0.05, retry_max_s=0.1)


class Played:
    """A source that does what a function says."""

    def __init__(self, play: Callable[[], Iterator[Frame]]) -> None:
        self._play, self.closed = play, threading.Event()

    def frames(self) -> Iterator[Frame]:
        return self._play()

    def close(self) -> None:
        self.closed.set()


class Bench:
    """Captures of cameras that are opened by functions; what they delivered and how they are."""

    def __init__(self, opens: dict[str, Callable[[Count], Source]], source: str = "0") -> None:
        self.delivered: Counter[str] = Counter()
        self.failures: list[BaseException] = []
        self.health = Health(list(opens), time.time)
        self.captures = Captures(
            cameras=[CameraConfig(id=name, source=source) for name in opens],
            config=CONFIG,
            open_camera=lambda camera, count: opens[camera.id](count),
            deliver=self._deliver,
            health=self.health,
            start_thread=self._start,
        )

    def _deliver(self, given: Frame) -> bool:
        self.delivered[given.camera_id] += 1
        return False

    def _start(self, name: str, loop: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=loop, name=name, daemon=True)
        thread.start()
        return thread

    def tended(self, reached: Callable[[], bool]) -> Callable[[], bool]:
        def check() -> bool:
            self.captures.tend()
            return reached()

        return check

    def state(self, camera_id: str) -> str:
        return next(camera.state for camera in self.health.cameras() if camera.camera_id == camera_id)


def of(camera_id: str) -> Frame:
    shot = frame(1.0)
    return Frame(camera_id=camera_id, seq=0, captured_at_s=shot.captured_at_s, image=shot.image)


def steady(camera_id: str) -> Callable[[Count], Source]:
    def play() -> Iterator[Frame]:
        while True:
            time.sleep(0.02)
            yield of(camera_id)

    return lambda _: Played(play)


def test_a_read_that_never_returns_is_left_behind_and_the_camera_opened_anew() -> None:
    release, opened = threading.Event(), list[Played]()

    def stuck_once() -> Iterator[Frame]:
        yield of("door")
        if len(opened) == 1:
            release.wait()
        while True:
            time.sleep(0.02)
            yield of("door")

    def open_door(_count: Count) -> Source:
        opened.append(Played(stuck_once))
        return opened[-1]

    bench = Bench({"door": open_door, "floor": steady("floor")})
    try:
        wait_until(bench.tended(lambda: len(opened) == 2 and bench.state("door") == "online"), "the camera again")
        assert opened[0].closed.is_set()
        assert bench.delivered["floor"] > 10  # undisturbed
        before = bench.delivered["door"]
        wait_until(bench.tended(lambda: bench.delivered["door"] > before + 5), "frames of the new thread")
    finally:
        release.set()
        bench.captures.stop(5.0)
    left = [thread for thread in threading.enumerate() if thread.name.startswith("capture-")]
    wait_until(lambda: not any(thread.is_alive() for thread in left), "the end of the thread left behind")


def test_an_open_that_never_returns_is_left_behind_too() -> None:
    release, tries = threading.Event(), list[int]()

    def open_door(_count: Count) -> Source:
        tries.append(1)
        if len(tries) == 1:
            release.wait()
        return steady("door")(_count)

    bench = Bench({"door": open_door})
    try:
        wait_until(bench.tended(lambda: bench.state("door") == "online"), "the camera at the second try")
    finally:
        release.set()
        bench.captures.stop(5.0)
    assert len(tries) == 2


def test_no_more_than_three_threads_are_left_behind_until_one_returns() -> None:
    release, tries = threading.Event(), list[int]()

    def open_door(_count: Count) -> Source:
        tries.append(1)
        release.wait()
        return steady("door")(_count)

    bench = Bench({"door": open_door})
    try:
        wait_until(bench.tended(lambda: len(tries) == 3 and "restart" in bench.health.cameras()[0].reason), "the third")
        for _ in range(20):
            assert bench.captures.tend()
            time.sleep(0.02)
        assert len(tries) == 3
        release.set()
        wait_until(bench.tended(lambda: bench.state("door") == "online"), "the camera once the reads have returned")
    finally:
        release.set()
        bench.captures.stop(5.0)


def test_frames_that_the_source_keeps_to_itself_are_signs_of_life() -> None:
    opened = list[Played]()

    def open_door(count: Count) -> Source:
        def play() -> Iterator[Frame]:
            yield of("door")
            while not opened[0].closed.is_set():
                time.sleep(0.02)
                count("thinned")

        opened.append(Played(play))
        return opened[-1]

    bench = Bench({"door": open_door})
    deadline_s = time.monotonic() + 2.5  # the thread's patience is 1.1 s
    while time.monotonic() < deadline_s:
        bench.captures.tend()
        time.sleep(0.05)
    bench.captures.stop(5.0)
    assert len(opened) == 1
    assert bench.state("door") == "online"


@pytest.mark.parametrize("problem", ["offline", "frozen"])
def test_a_failing_camera_says_why_and_is_tried_again(problem: str) -> None:
    tries = list[float]()

    def open_door(_count: Count) -> Source:
        tries.append(time.monotonic())
        raise SourceError("camera door: no", problem)  # type: ignore[arg-type]

    bench = Bench({"door": open_door})
    wait_until(bench.tended(lambda: len(tries) >= 4), "four tries")
    bench.captures.stop(5.0)
    assert bench.state("door") == problem
    assert bench.health.cameras()[0].reason == "camera door: no"
    assert tries[3] - tries[0] >= 0.025 + 0.05 + 0.05  # no busy loop: half of 0.05, 0.1 and 0.1 s at least


def test_a_camera_that_refuses_the_login_is_not_pestered() -> None:
    tries = list[int]()

    def open_door(_count: Count) -> Source:
        tries.append(1)
        raise SourceError("camera door: wrong password", "unauthorised")

    bench = Bench({"door": open_door})
    wait_until(lambda: bench.state("door") == "unauthorised", "the refusal")
    time.sleep(0.5)  # ten times what another failure would wait
    bench.captures.stop(5.0)
    assert len(tries) == 1


def test_stopping_waits_no_longer_than_told_for_a_read_that_never_returns() -> None:
    release = threading.Event()

    def play() -> Iterator[Frame]:
        yield of("door")
        release.wait()

    bench = Bench({"door": lambda _: Played(play)})
    wait_until(lambda: bench.delivered["door"] == 1, "the first frame")
    bench.captures.stop(0.1)
    assert any(thread.name == "capture-door" for thread in threading.enumerate())
    release.set()


def test_a_change_opens_the_cameras_it_names_and_leaves_the_others_alone() -> None:
    bench = Bench({name: steady(name) for name in ("door", "floor", "attic")})
    try:
        for name in ("door", "floor", "attic"):
            wait_until(lambda name=name: bench.state(name) == "online", f"{name}")  # type: ignore[misc]
        bench.health.change(["door", "floor"], {"door", "attic"})
        bench.captures.change([CameraConfig(id=name, source="0") for name in ("door", "floor")], {"door", "attic"}, 5.0)
        seen = bench.delivered["attic"]
        wait_until(bench.tended(lambda: bench.health.cameras()[0].connects == 2), "the door, opened again")
        wait_until(lambda: bench.state("door") == "online", "its pictures")
        assert bench.health.cameras()[1].connects == 1
        assert bench.delivered["attic"] == seen
    finally:
        bench.captures.stop(5.0)


def test_a_read_that_outlasts_a_change_is_left_behind() -> None:
    release, opened = threading.Event(), list[int]()

    def open_door(_count: Count) -> Source:
        opened.append(1)
        if len(opened) == 1:
            release.wait()
        return steady("door")(_count)

    bench = Bench({"door": open_door})
    try:
        wait_until(lambda: bool(opened), "the first try")
        bench.captures.change([CameraConfig(id="door", source="0")], {"door"}, 0.1)
        wait_until(lambda: bench.state("door") == "online", "the second")
    finally:
        release.set()
        bench.captures.stop(5.0)


def test_a_password_file_that_is_gone_is_waited_for() -> None:
    tries = list[int]()

    def open_door(_count: Count) -> Source:
        tries.append(1)
        if len(tries) < 3:
            raise ConfigError("password_file door: cannot be read")
        return steady("door")(_count)

    bench = Bench({"door": open_door})
    wait_until(bench.tended(lambda: bench.state("door") == "offline"), "the failure")
    assert "cannot be read" in bench.health.cameras()[0].reason
    wait_until(bench.tended(lambda: bench.state("door") == "online"), "the file")
    bench.captures.stop(5.0)


def test_a_camera_that_repeats_itself_is_still_and_what_it_sends_goes_on() -> None:
    image = frame(size=(64, 48)).image.copy()
    moves = threading.Event()

    def play() -> Iterator[Frame]:
        for number in range(1_000_000):
            time.sleep(0.01)
            if moves.is_set():
                image[number % 48] += 1
            yield Frame(camera_id="door", seq=number, captured_at_s=20.0 * number, image=image)

    bench = Bench({"door": lambda _: Played(play)})
    try:
        wait_until(lambda: bench.state("door") == "still", "the state")
        before = bench.delivered["door"]
        wait_until(lambda: bench.delivered["door"] > before, "more of it")
        moves.set()
        wait_until(lambda: bench.state("door") == "online", "movement")
    finally:
        bench.captures.stop(5.0)
    assert bench.health.cameras()[0].frames["still"] > 0


def test_a_film_may_stand_still() -> None:
    bench = Bench({"door": lambda _: Played(lambda: (frame(10.0 * number) for number in range(20)))}, source="film.mp4")
    wait_until(lambda: bench.state("door") == "ended", "the end")
    bench.captures.stop(5.0)
    assert "still" not in bench.health.cameras()[0].frames
