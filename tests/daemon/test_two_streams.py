"""The daemon's threads on a real camera with two streams: people are read off the main one; alerts do without it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from footage import write_clip
from mqtt_client import wait_until
from rtsp_camera import lasting_port, rtsp_camera
from toyshop import FPS, crossing, picture, toy_models

from vestibule.config import Settings
from vestibule.detail_section import DetailConfig
from vestibule.health import Health
from vestibule.pipeline import LivePipeline
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources import LiveSources
from vestibule.stages import build_stages
from vestibule.types import Message

CAPTURE = CaptureConfig(retry_initial_s=0.1, retry_max_s=0.2, max_frame_age_s=10, analysed_fps=FPS)
Walk = Callable[[float], list[tuple[str, float, float]]]
WIDE, NARROW = (800, 480), (400, 240)


def clip(path: Path, size: tuple[int, int], *walks: Walk) -> Path:
    """Seven seconds, the first of them empty."""
    times_s = [number / FPS for number in range(7 * FPS)]
    images = (picture([person for walk in walks for person in walk(time_s)], *size) for time_s in times_s)
    return write_clip(path, images, fps=FPS)


class Running:
    """The pipeline on one camera; what it published, and how the camera is."""

    def __init__(self, camera: CameraConfig) -> None:
        self.messages: list[Message] = []
        self._due: list[CameraConfig] = []
        settings = Settings(cameras=(camera,), capture=CAPTURE)
        self.health = Health([camera.id], time.time)
        sources = LiveSources(settings.capture, DetailConfig(max_skew_s=0.3), time.time, self.health.frame)
        self.pipeline = LivePipeline(
            stages=build_stages(settings, settings.cameras, toy_models()),
            cameras=settings.cameras,
            capture=settings.capture,
            open_camera=sources.open,
            open_main=sources.open_main,
            sinks=[self],
            health=self.health,
            clock=time.time,
        )

    def change(self, camera: CameraConfig) -> None:
        """Have the configuration read again, with another camera of the same name."""
        self._due.append(camera)

    def tick(self) -> None:
        if self._due:
            camera = self._due.pop()
            settings = Settings(cameras=(camera,), capture=CAPTURE)
            self.pipeline.change(settings, anew=frozenset({camera.id}), reopened=frozenset())

    def publish(self, message: Message) -> None:
        self.messages.append(message)

    def close(self) -> None:
        pass

    @property
    def garments(self) -> set[str]:
        """What was told in alerts."""
        alerts = [json.loads(message.payload) for message in self.messages if message.topic.endswith("/alerts")]
        return {garment["label"] for alert in alerts for garment in alert["garments"]}

    def frames(self, fate: str) -> int:
        counts = self.health.cameras()[0].frames
        return {str(name): count for name, count in counts.items()}.get(fate, 0)


@contextmanager
def running(camera: CameraConfig) -> Iterator[Running]:
    shop = Running(camera)
    thread = threading.Thread(target=lambda: shop.pipeline.run(shop.tick))
    thread.start()
    try:
        yield shop
    finally:
        shop.pipeline.stop.set()
        thread.join(20)
        assert not thread.is_alive()


def test_nothing_of_the_main_stream_is_decoded_in_an_empty_shop(tmp_path: Path) -> None:
    main, small = clip(tmp_path / "main.mp4", WIDE), clip(tmp_path / "sub.mp4", NARROW)
    with rtsp_camera(main, "--sub", str(small)) as server:
        camera = CameraConfig(id="door", source=server.address, detect_source=server.sub_address)
        with running(camera) as shop:
            wait_until(lambda: shop.frames("analysed") > 40, "frames")
            assert shop.frames("main_decoded") == 0
            assert shop.health.cameras()[0].main_problem == ""


def test_people_are_found_on_the_sub_stream_and_read_off_the_main_stream(tmp_path: Path) -> None:
    """It shows the same people in other clothes, so that it is seen whose they are."""
    main = clip(tmp_path / "main.mp4", WIDE, crossing("Dress", 1.0))
    small = clip(tmp_path / "sub.mp4", NARROW, crossing("Jeans", 1.0))
    with rtsp_camera(main, "--sub", str(small)) as server:
        camera = CameraConfig(id="door", source=server.address, detect_source=server.sub_address)
        with running(camera) as shop:
            wait_until(lambda: shop.frames("detailed") >= 3, "detail")
            wait_until(lambda: bool(shop.garments), "the alert")
            assert shop.garments == {"Dress"}


@pytest.mark.parametrize("lost", ["from the start", "later"])
def test_without_the_main_stream_alerts_go_out_all_the_same_and_health_says_why(tmp_path: Path, lost: str) -> None:
    main, small = clip(tmp_path / "main.mp4", WIDE), clip(tmp_path / "sub.mp4", NARROW, crossing("Dress", 1.0))
    with rtsp_camera(main) as main_server, rtsp_camera(small) as server:
        if lost == "from the start":
            main_server.kill()
        camera = CameraConfig(id="door", source=main_server.address, detect_source=server.address)
        with running(camera) as shop:
            wait_until(lambda: shop.frames("analysed") > 0, "frames")
            main_server.kill()
            wait_until(lambda: shop.health.cameras()[0].main_problem != "", "the loss")
            wait_until(lambda: bool(shop.garments), "the alert")
            door = shop.health.cameras()[0]
            assert shop.garments == {"Dress"}
            assert door.state == "online"
            assert f"camera door (rtsp://127.0.0.1:{main_server.port}/cam): " in door.main_problem
            assert shop.frames("undetailed") >= 1


def test_a_main_stream_that_comes_back_is_used_again(tmp_path: Path) -> None:
    walk = crossing("Dress", 1.0)
    main, small = clip(tmp_path / "main.mp4", WIDE, walk), clip(tmp_path / "sub.mp4", NARROW, walk)
    port = lasting_port()
    with rtsp_camera(small) as server:
        camera = CameraConfig(id="door", source=f"rtsp://127.0.0.1:{port}/cam", detect_source=server.address)
        with running(camera) as shop:
            wait_until(lambda: shop.health.cameras()[0].main_problem != "", "the loss")
            with rtsp_camera(main, "--port", str(port)):
                wait_until(lambda: shop.health.cameras()[0].main_problem == "", "its return")
                wait_until(lambda: shop.frames("main_decoded") > 0, "pictures")


def test_a_changed_stream_is_opened_anew_and_one_that_is_not_named_any_more_is_let_go_of(tmp_path: Path) -> None:
    walk = crossing("Dress", 1.0)
    main, small = clip(tmp_path / "main.mp4", WIDE, walk), clip(tmp_path / "sub.mp4", NARROW, walk)
    with rtsp_camera(main, "--sub", str(small)) as server:
        nowhere = f"rtsp://127.0.0.1:{lasting_port()}/cam"
        with running(CameraConfig(id="door", source=nowhere, detect_source=server.sub_address)) as shop:
            wait_until(lambda: shop.health.cameras()[0].main_problem != "", "the loss")
            shop.change(CameraConfig(id="door", source=server.address, detect_source=server.sub_address))
            wait_until(lambda: shop.frames("main_decoded") > 0, "pictures")
            assert shop.health.cameras()[0].main_problem == ""
            shop.change(CameraConfig(id="door", source=server.sub_address))
            names = {f"capture-door{stream}" for stream in ("", "-main")}
            wait_until(lambda: names & {thread.name for thread in threading.enumerate()} == {"capture-door"}, "the end")
