"""The daemon as a service: what it tells systemd, and what signals, bad configurations and bad networks do to it.

In every case all that it committed arrives at a subscriber, once, and each camera's in order.
"""

import json
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from counted import Counted, counting
from daemon_process import TOY_MODELS, Daemon, daemon
from mqtt_client import needs_mosquitto, wait_until
from toyshop import clip, crossing

import vestibule_models

pytestmark = needs_mosquitto

ZOO = Path(vestibule_models.__file__).parent / "zoo"
BROKEN_CLASSIFIER = """
class Broken(toyshop.ToyClassifier):
    def classify(self, batch):
        raise RuntimeError("out of memory")
from vestibule.stages import Models
vestibule.service.load_models = lambda settings: Models(detector=toyshop.ToyDetector(), classifier=Broken())
"""
STUCK_DETECTOR = """
import threading
class Stuck(toyshop.ToyDetector):
    def detect(self, frame):
        threading.Event().wait()
from vestibule.stages import Models
vestibule.service.load_models = lambda settings: Models(detector=Stuck(), classifier=toyshop.ToyClassifier())
vestibule.health.STUCK_AFTER_S = 1.0
"""


@pytest.fixture(scope="module")
def stroll(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody in a dress who takes half a minute to cross the picture."""
    return clip(tmp_path_factory.mktemp("clip") / "stroll.mp4", 40, crossing("Dress", 0.0, seconds=30))


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Counted]:
    with counting(tmp_path) as both:
        yield both


def write(folder: Path, clips: dict[str, Path], counted: Counted, more: str = "") -> Path:
    blocks = "".join(f"[[cameras]]\nid = '{name}'\nsource = '{path}'\n" for name, path in clips.items())
    path = folder / "vestibule.toml"
    path.write_text(f"config_version = 1\n{more}{counted.settings()}{blocks}", encoding="utf-8")
    return path


def visits(folder: Path) -> list[tuple[str, str]]:
    """Camera and kind of every visit event so far."""
    path = folder / "events.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    payloads = [json.loads(line)["payload"] for line in lines]
    return [(payload["camera"], payload["type"]) for payload in payloads if "type" in payload]


def wait_visit(folder: Path, camera: str, kind: str) -> None:
    wait_until(lambda: (camera, kind) in visits(folder), f"visit {kind} in front of {camera}")


def end(running: Daemon, counted: Counted, *, at_least: int = 1) -> None:
    running.signal(signal.SIGTERM)
    assert running.ended() == 0, running.printed
    counted.check(at_least=at_least)


def test_what_systemd_is_told_and_a_clean_end(stroll: Path, tmp_path: Path, counted: Counted) -> None:
    with daemon(write(tmp_path, {"door": stroll}, counted), watchdog_s=1.0) as running:
        running.wait_told("READY=1")
        running.wait_told("STATUS=1 of 1 cameras online; broker connected")
        running.wait_told("WATCHDOG=1", times=4)
        wait_visit(tmp_path, "door", "new")
        began_s = time.monotonic()
        end(running, counted)
        print(f"ended {time.monotonic() - began_s:.2f} s after SIGTERM")  # noqa: T201 - for the report
        assert running.count_told("STOPPING=1") >= 1
        assert running.count_told("READY=1") == 1
        assert visits(tmp_path)[-1] == ("door", "end")


def test_a_good_configuration_is_changed_over_to(stroll: Path, tmp_path: Path, counted: Counted) -> None:
    with daemon(write(tmp_path, {"door": stroll}, counted)) as running:
        running.wait_told("READY=1")
        wait_visit(tmp_path, "door", "new")
        write(tmp_path, {"attic": stroll}, counted)
        running.signal(signal.SIGHUP)
        running.wait_told("RELOADING=1")
        running.wait_told("READY=1", times=2)
        wait_visit(tmp_path, "attic", "new")
        end(running, counted)
        assert ("door", "end") in visits(tmp_path)


def test_a_reload_leaves_alone_whom_it_does_not_concern(stroll: Path, tmp_path: Path, counted: Counted) -> None:
    """The visit before the door goes on, by the new rules; the camera in the attic is another."""
    path = write(
        tmp_path, {"door": stroll, "attic": stroll}, counted, "[[alerts]]\nname = 'jeans'\nany_of = ['Jeans']\n"
    )
    with daemon(path) as running:
        running.wait_told("READY=1")
        for camera in ("door", "attic"):
            wait_visit(tmp_path, camera, "update")
        running.signal(signal.SIGHUP)
        running.wait_told("READY=1", times=2)
        (tmp_path / "again.mp4").symlink_to(stroll)
        write(
            tmp_path,
            {"door": stroll, "attic": tmp_path / "again.mp4"},
            counted,
            "[[alerts]]\nname = 'dresses'\nany_of = ['Dress']\n",
        )
        running.signal(signal.SIGHUP)
        running.wait_told("READY=1", times=3)
        wait_until(lambda: visits(tmp_path).count(("attic", "new")) == 2, "a visit before the new camera")
        assert visits(tmp_path).count(("attic", "end")) == 1
        assert ("door", "end") not in visits(tmp_path)
        connects = re.findall(r'camera_connects_total\{camera="(\w+)"\} (\d)', running.scrape("/metrics")[1])
        assert dict(connects) == {"door": "1", "attic": "2"}
        end(running, counted)
    assert visits(tmp_path).count(("door", "new")) == visits(tmp_path).count(("door", "end")) == 1
    assert [told["anew"] for told in running.events("configuration read again")] == [[], ["attic"]]


def test_a_reload_survives_that_an_old_password_is_gone(stroll: Path, tmp_path: Path, counted: Counted) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n", encoding="utf-8")
    path = write(tmp_path, {"door": stroll}, counted)
    plain = path.read_text(encoding="utf-8")
    path.write_text(f"{plain}username = 'anna'\npassword_file = '{secret}'\n", encoding="utf-8")
    with daemon(path) as running:
        running.wait_told("READY=1")
        secret.unlink()
        running.signal(signal.SIGHUP)
        running.wait_told("READY=1", times=2)
        [refusal] = running.wait_events("reload refused, the old configuration stays")
        assert "cannot be read" in refusal["problem"]
        path.write_text(plain, encoding="utf-8")
        running.signal(signal.SIGHUP)
        running.wait_told("READY=1", times=3)
        end(running, counted, at_least=0)
    assert len(running.events("configuration read again")) == 1


def test_bad_configurations_are_refused_and_the_old_one_stays(stroll: Path, tmp_path: Path, counted: Counted) -> None:
    path = write(tmp_path, {"door": stroll}, counted)
    bad = {"[capture\n": "not valid TOML", "[captur]\n": "captur: unknown key", "": "no cameras configured"}
    with daemon(path) as running:
        running.wait_told("READY=1")
        for number, text in enumerate(bad, 2):
            path.write_text(text, encoding="utf-8")
            running.signal(signal.SIGHUP)
            running.wait_told("READY=1", times=number)
        refusals = running.wait_events("reload refused, the old configuration stays", times=3)
        assert [said in refusal["problem"] for refusal, said in zip(refusals, bad.values(), strict=True)] == [True] * 3
        wait_visit(tmp_path, "door", "new")
        end(running, counted)
        assert running.states("door") == ["online"]


def test_networks_that_are_overwritten_with_garbage_stay_as_they_were(
    stroll: Path, tmp_path: Path, counted: Counted
) -> None:
    for name in ("person-mobilenet", "garments-efflite0"):
        shutil.copytree(ZOO / name, tmp_path / name)
    more = (
        f"[detector]\nmodel = '{tmp_path / 'person-mobilenet'}'\n"
        f"[classifier]\nruntime = 'litert'\nmodel = '{tmp_path / 'garments-efflite0'}'\n"
    )
    with daemon(write(tmp_path, {"door": stroll}, counted, more), patch="") as running:
        running.wait_told("READY=1")
        for path in tmp_path.glob("*/*.tflite"):
            path.write_bytes(b"garbage")  # the same file, cut short under whoever has mapped it
        running.signal(signal.SIGHUP)
        running.wait_told("READY=1", times=2)
        [refusal] = running.wait_events("reload refused, the old configuration stays")
        assert ".tflite" in refusal["problem"]
        time.sleep(1)  # some more frames through the old networks
        end(running, counted, at_least=0)
        assert running.states("door") == ["online"]


def test_a_classifier_that_fails_three_times_on_end_ends_the_process(
    stroll: Path, tmp_path: Path, counted: Counted
) -> None:
    with daemon(write(tmp_path, {"door": stroll}, counted), patch=BROKEN_CLASSIFIER) as running:
        assert running.ended(60) == 1
    assert len(running.events("classifier failed, batch dropped")) == 2
    assert running.events("stopped")[0]["batches_dropped"] == 3
    counted.check(at_least=0)


def test_a_worker_that_stands_still_is_left_to_the_watchdog(stroll: Path, tmp_path: Path, counted: Counted) -> None:
    with daemon(write(tmp_path, {"door": stroll}, counted), patch=STUCK_DETECTOR, watchdog_s=1.0) as running:
        running.wait_told("WATCHDOG=1")
        running.wait_told("STATUS=stuck: look")
        assert running.scrape("/healthz") == (503, "not alive: stuck: look\n")
        fed = running.count_told("WATCHDOG=1")
        time.sleep(1.5)
        assert running.count_told("WATCHDOG=1") == fed


def test_a_stop_while_no_camera_answers(tmp_path: Path, counted: Counted) -> None:
    path = write(tmp_path, {"door": Path("/nosuch/clip.mp4")}, counted)
    path.write_text(
        path.read_text(encoding="utf-8").replace("/nosuch/clip.mp4", "rtsp://127.0.0.1:9/cam"), encoding="utf-8"
    )
    with daemon(path, patch=TOY_MODELS) as running:
        running.wait_told("READY=1")
        end(running, counted, at_least=0)
        assert running.states("door") == ["offline"]
