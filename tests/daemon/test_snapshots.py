"""Snapshots of live alerts: whose they are, whose heads are on them, and that nothing else is kept."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import structlog
from fakes import Box, Image, crop, tracks, visit
from mqtt_client import wait_until

from vestibule import snapshots
from vestibule.errors import ConfigError
from vestibule.privacy_sections import SnapshotsConfig
from vestibule.snapshots import Album, open_album
from vestibule.types import Message, Visit

NOW_S = 1_700_000_000.0
LEFT: Box = (40, 40, 140, 320)
RIGHT: Box = (400, 60, 480, 300)


def noise(seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (360, 640, 3), dtype=np.uint8)


def visit_of(**visits: int) -> Callable[[str, int], Visit | None]:
    """Tell the visits of tracks, by name."""

    def tell(_camera_id: str, track_id: int) -> Visit | None:
        names = [name for name, track in visits.items() if track == track_id]
        return visit(names[0]) if names else None

    return tell


def alert(visit_id: str = "ana", *, topic: str = "alerts") -> Message:
    payload = {"camera": "door", "visit_id": visit_id, "alert_id": f"{visit_id}-dress", "raised_at_s": NOW_S}
    return Message(topic=f"vestibule/store/{topic}", at_s=NOW_S, payload=json.dumps(payload).encode())


def album(folder: Path, mode: str = "blurred") -> Album:
    return Album(SnapshotsConfig.model_validate({"mode": mode, "folder": folder}), lambda: NOW_S)


def taken(one: Album, alert_id: str = "ana-dress") -> Image:
    """Wait for a snapshot and decode it."""
    wait_until(lambda: one.folder.jpeg(alert_id) is not None, "the snapshot")
    coded = np.frombuffer(one.folder.jpeg(alert_id) or b"", np.uint8)
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def detail(image: Image) -> float:
    """Deviation of the Laplacian, grey levels: high where there is noise, low in a block of one colour."""
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.CV_32F).std())


def test_an_alert_makes_a_picture_of_its_person_and_of_nobody_else(tmp_path: Path) -> None:
    image = noise() // 8
    image[60:300, 400:480] = (0, 0, 255)  # Ana is red, the other green
    image[40:320, 40:140] = (0, 255, 0)
    one = album(tmp_path, "full")
    one.saw(tracks({1: LEFT, 2: RIGHT}, NOW_S, image=image), [crop(1), crop(2)])
    one.decided(None, [alert()], visit_of(ana=2, ben=1))
    shown = taken(one)
    one.close()
    assert shown.shape[:2] == (289, 97)  # her box and a tenth on each side
    assert shown[100:200, 30:60].mean(axis=(0, 1)) == pytest.approx([0, 0, 255], abs=12)
    assert [path.name for path in tmp_path.iterdir()] == ["ana-dress.snapshot.jpg"]


def test_blurred_leaves_no_detail_of_any_head_on_it(tmp_path: Path) -> None:
    """Of somebody who stands before the person neither: their heads are at different heights."""
    near: Box = (440, 140, 540, 360)
    one, full = album(tmp_path / "blurred"), album(tmp_path / "full", "full")
    for each in (one, full):
        each.saw(tracks({1: near, 2: RIGHT}, NOW_S, image=noise()), [crop(2)])
        each.decided(None, [alert()], visit_of(ana=2))
    shown, clear = taken(one), taken(full)
    for each in (one, full):
        each.close()
    left, top = 392, 36  # of the picture in the frame
    heads = {"hers": (60, 130, 400, 480), "the other's": (140, 200, 450, 488)}
    for y0, y1, x0, x1 in heads.values():
        part = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
        assert detail(clear[part]) > 60
        assert detail(shown[part]) < 0.5 * detail(clear[part])
    assert detail(shown[240:, :40]) > 60  # clothes stay as they are


def test_heads_are_unrecognisable_in_memory_already(tmp_path: Path) -> None:
    one = album(tmp_path)
    one.saw(tracks({2: RIGHT}, NOW_S, image=noise()), [crop(2)])
    (view,) = one._views.values()
    head = view.image[24 : 24 + 72]
    assert len(np.unique(head.reshape(-1, 3), axis=0)) <= 36
    one.close()


def test_the_best_view_is_taken_not_the_last(tmp_path: Path) -> None:
    one = album(tmp_path, "full")
    for quality, level in ((0.4, 40), (0.9, 200), (0.6, 90)):
        picture = np.full((360, 640, 3), level, np.uint8)
        view = crop(2)
        object.__setattr__(view, "quality", quality)
        one.saw(tracks({2: RIGHT}, NOW_S, image=picture), [view])
    one.decided(None, [alert()], visit_of(ana=2))
    assert taken(one).mean() == pytest.approx(200, abs=3)
    one.close()


def test_who_left_the_view_is_forgotten(tmp_path: Path) -> None:
    one = album(tmp_path)
    one.saw(tracks({2: RIGHT}, NOW_S, image=noise()), [crop(2)])
    one.saw(tracks({}, NOW_S + 9, image=noise()), [])
    assert len(one._views) == 1
    one.saw(tracks({}, NOW_S + 11, image=noise()), [])
    assert len(one._views) == 0
    one.close()


def test_fifty_people_and_more_do_not_fill_the_memory(tmp_path: Path) -> None:
    one = album(tmp_path)
    boxes: dict[int, Box] = {number: (number, 40, number + 60, 300) for number in range(1, 200)}
    one.saw(tracks(boxes, NOW_S, image=noise()), [crop(number) for number in boxes])
    assert len(one._views) == snapshots._MOST_VIEWS
    one.close()


def test_a_picture_keeps_no_frame_alive(tmp_path: Path) -> None:
    one = album(tmp_path, "full")
    image = np.zeros((1440, 2560, 3), np.uint8)
    one.saw(tracks({2: (0, 0, 1000, 1400)}, NOW_S, image=image), [crop(2)])
    (view,) = one._views.values()
    assert not np.shares_memory(view.image, image)
    assert view.image.shape[0] == 640
    one.close()
    assert len(one._views) == 0


def test_visits_and_alerts_of_those_never_seen_well_make_none(tmp_path: Path) -> None:
    one = album(tmp_path)
    one.saw(tracks({2: RIGHT}, NOW_S, image=noise()), [])
    one.decided(None, [alert(), alert(topic="visits")], visit_of(ana=2))
    one.close()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_hangs_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, go_on = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        stuck.set()
        go_on.wait(20)

    one = album(tmp_path)
    monkeypatch.setattr(one.folder, "put", hang)
    one.saw(tracks({2: RIGHT}, NOW_S, image=noise()), [crop(2)])
    one.decided(None, [alert()], visit_of(ana=2))
    assert stuck.wait(20)
    for _ in range(100):
        one.decided(None, [alert()], visit_of(ana=2))
    assert one._orders.qsize() == snapshots._WAITING
    go_on.set()
    one.close()


def test_a_failing_disk_is_logged_once_and_the_next_snapshot_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = threading.Semaphore(0)

    def fail(*_: object) -> None:
        tried.release()
        raise OSError(28, "No space left on device")

    with structlog.testing.capture_logs() as logs:
        one = album(tmp_path)
        monkeypatch.setattr(one.folder, "put", fail)
        one.saw(tracks({2: RIGHT}, NOW_S, image=noise()), [crop(2)])
        for _ in range(3):
            one.decided(None, [alert()], visit_of(ana=2))
            assert tried.acquire(timeout=20)
        one.close()
    assert [entry["problem"] for entry in logs] == ["[Errno 28] No space left on device"]


def test_those_that_are_over_are_deleted_at_the_start_and_on_a_timer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_SWEEP_EVERY_S", 0.02)
    now_s = NOW_S
    config = SnapshotsConfig(mode="full", folder=tmp_path, keep_s=100)
    (tmp_path / "old.snapshot.jpg").touch()  # of now, which is years after NOW_S
    one = Album(config, lambda: now_s)
    wait_until(lambda: not list(tmp_path.iterdir()), "the old one to go")
    one.folder.put("new", b"jpeg", NOW_S)
    time.sleep(0.1)
    assert one.folder.alerts() == [("new", NOW_S)]
    now_s += 101
    wait_until(lambda: not list(tmp_path.iterdir()), "the new one to go")
    one.close()


def test_off_keeps_none_and_deletes_those_that_are_left(tmp_path: Path) -> None:
    (tmp_path / "left.snapshot.jpg").touch()
    (tmp_path / "mine.jpg").touch()
    assert open_album(SnapshotsConfig(folder=tmp_path), lambda: NOW_S) is None
    assert [path.name for path in tmp_path.iterdir()] == ["mine.jpg"]
    assert open_album(SnapshotsConfig(folder=tmp_path / "none"), lambda: NOW_S) is None


def test_on_without_a_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert open_album(SnapshotsConfig(), lambda: NOW_S) is None
    with pytest.raises(ConfigError, match=r"snapshots\.folder: not set"):
        open_album(SnapshotsConfig(mode="blurred"), lambda: NOW_S)


def test_the_state_directory_is_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}:/other")
    assert SnapshotsConfig().path() == tmp_path / "snapshots"


def test_a_camera_that_begins_anew_gives_nobody_the_picture_of_another(tmp_path: Path) -> None:
    one = album(tmp_path, "full")
    one.saw(tracks({2: RIGHT}, NOW_S, image=noise()), [crop(2)])
    one.changed(frozenset({"floor"}))
    assert len(one._views) == 1
    one.changed(frozenset({"door"}))
    one.decided(None, [alert()], visit_of(ana=2))
    one.close()
    assert list(tmp_path.iterdir()) == []
