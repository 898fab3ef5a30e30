"""The outbox's file, by way of the outbox: what damages it, and who may use it."""

import sqlite3
from pathlib import Path

import pytest
import structlog
from mqtt_client import make_message
from outboxes import on_disk
from structlog.testing import LogCapture

from vestibule import outbox as outbox_module
from vestibule.errors import SinkError
from vestibule.outbox import Outbox


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> LogCapture:
    capture = LogCapture()
    monkeypatch.setattr(outbox_module, "_log", structlog.wrap_logger(None, processors=[capture]))
    return capture


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


def at_a_known_time(path: Path) -> Outbox:
    return Outbox(path, wall=lambda: 1_700_000_000.0)


def fill(path: Path, count: int = 40) -> None:
    outbox = Outbox(path)
    for n in range(count):
        outbox.add(make_message(n))
    outbox.close()


class TestDamagedFile:
    @pytest.mark.parametrize("damage", ["garbage", "header", "middle"])
    def test_it_is_set_aside_and_a_new_one_begun(self, path: Path, damage: str, log: LogCapture) -> None:
        fill(path)
        sound = path.read_bytes()
        assert len(sound) > 20_000
        cut = {"garbage": (0, len(sound)), "header": (0, 100), "middle": (4096, 16_384)}[damage]
        spoilt = sound[: cut[0]] + b"\xa5" * (cut[1] - cut[0]) + sound[cut[1] :]
        path.write_bytes(spoilt)
        outbox = at_a_known_time(path)
        outbox.add(make_message(100))
        outbox.close()
        assert on_disk(path) == [100]
        (aside,) = path.parent.glob("outbox.damaged-20231114T221320Z-1")
        assert aside.read_bytes() == spoilt
        told = [e for e in log.entries if e["event"] == "outbox file damaged and set aside"]
        assert len(told) == 1
        assert aside.name in told[0]["problem"]

    def test_a_second_one_does_not_take_the_first_one_s_place(self, path: Path) -> None:
        for text in (b"first" * 300, b"second" * 300):
            path.write_bytes(text)
            at_a_known_time(path).close()
        assert {file.read_bytes()[:5] for file in path.parent.glob("outbox.damaged-*")} == {b"first", b"secon"}

    def test_damage_while_it_runs_loses_nothing_that_waits(self, path: Path) -> None:
        outbox = Outbox(path)
        for n in range(3):
            outbox.add(make_message(n))
        outbox.offer()
        assert outbox._file is not None
        outbox._file.close()  # SQLite would answer from its cache
        path.write_bytes(b"\xa5" * 8192)
        outbox.add(make_message(3))
        assert outbox.problem is None
        outbox.close()
        assert on_disk(path) == [0, 1, 2, 3]


def test_a_second_process_is_refused(path: Path) -> None:
    first = Outbox(path)
    with pytest.raises(SinkError, match=r"outbox: another process uses it; give each daemon an mqtt\.outbox_file"):
        Outbox(path)
    first.close()
    Outbox(path).close()


def test_a_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(SinkError, match=r"written by a newer version of Vestibule \(layout 9, known is 1\)"):
        Outbox(path)


def test_a_missing_folder_is_said_at_the_start(path: Path) -> None:
    with pytest.raises(SinkError, match=r"mqtt\.outbox_file .*: there is no folder .*missing; make it first"):
        Outbox(path / "missing" / "outbox")


def test_records_of_what_was_not_sent_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestibule.outbox_file._KEPT_RECORDS", 3)
    outbox = Outbox(path)
    for n in range(6):
        outbox.add(make_message(n))
        outbox.offer()
        outbox.settle("refused")
    outbox.close()
    assert on_disk(path, "refused") == [3, 4, 5]
