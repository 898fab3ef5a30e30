"""What is kept of visits, alerts and claims, and that it is kept and deleted whatever happens to the disk."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from fakes import Clock
from ledgers import NOON_S, alert, claim, ledger, on_disk, rows, visit
from small_disk import SmallDisk, small_disk
from structlog.testing import LogCapture

from vestibule import ledger_file
from vestibule.errors import SinkError
from vestibule.ledger_reading import summary
from vestibule.sinks import ledger as ledger_module
from vestibule.types import Message

DAY_S = 86_400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> LogCapture:
    capture = LogCapture()
    monkeypatch.setattr(ledger_module, "_log", structlog.wrap_logger(None, processors=[capture]))
    return capture


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as mounted:
        yield mounted


def told(log: LogCapture) -> list[str]:
    return [entry["event"] for entry in log.entries]


class TestWhatIsKept:
    def test_an_ended_visit_is_a_row_with_its_garments(self, path: Path) -> None:
        sink = ledger(path)
        sink.publish(visit(worn=("Dress", "Blazer")))
        (row,) = rows(path)  # before closing: it is committed
        sink.close()
        assert {name: row[name] for name in ("site", "camera", "visit_id", "stay_id", "zones")} == {
            "site": "store",
            "camera": "door",
            "visit_id": "door-1",
            "stay_id": "door-1",
            "zones": '["rack"]',
        }
        assert (row["began_at_s"], row["duration_s"]) == (NOON_S, 90.0)
        assert (row["entered"], row["staff"], row["settled"], row["in_doubt"], row["readings"]) == (1, 0, 1, 0, 5)
        assert (row["classifier"], row["detector"]) == ("garments@1", "persons@1")
        worn = rows(path, "SELECT label, score, is_group FROM garments ORDER BY label")
        assert [tuple(each.values()) for each in worn] == [
            ("Blazer", 0.9, 0),
            ("Dress", 0.9, 0),
            ("Knitwear", 0.6, 1),
        ]

    def test_visits_that_go_on_and_other_messages_are_no_rows(self, path: Path) -> None:
        sink = ledger(path)
        sink.publish(visit(phase="new"))
        sink.publish(visit(phase="confirmed"))
        sink.publish(Message(topic="vestibule/store/counts/door/Dress", at_s=1.0, payload=b"3", retain=True))
        sink.publish(Message(topic="vestibule/store/cameras", at_s=1.0, payload=b"{}", retain=True))
        sink.publish(Message(topic="vestibule/store/alerts/a/claim/state", at_s=1.0, payload=b"", retain=True))
        sink.close()
        assert rows(path) == rows(path, "SELECT * FROM alerts") == []

    def test_a_stay_of_several_cameras(self, path: Path) -> None:
        sink = ledger(path)
        sink.publish(visit(1, stay={"stay_id": "stay-7", "cameras": ["door"], "in_doubt": False}))
        sink.publish(visit(2, camera="hall", stay={"stay_id": "stay-7", "cameras": ["door", "hall"], "in_doubt": True}))
        sink.close()
        assert [(row["camera"], row["stay_id"], row["in_doubt"]) for row in rows(path)] == [
            ("door", "stay-7", 0),
            ("hall", "stay-7", 1),
        ]

    def test_the_same_event_twice_is_one_row(self, path: Path) -> None:
        for _ in range(2):  # also after a restart
            sink = ledger(path)
            for _ in range(2):
                for message in (visit(), alert(), claim()):
                    sink.publish(message)
            sink.close()
        assert len(rows(path)) == len(rows(path, "SELECT * FROM alerts")) == 1
        assert len(rows(path, "SELECT * FROM garments")) == 2

    def test_a_visit_that_ends_once_more_is_told_anew(self, path: Path) -> None:
        sink = ledger(path)
        sink.publish(visit(worn=("Dress",)))
        sink.publish(visit(worn=("Jeans",), stay={"stay_id": "stay-7", "in_doubt": False}))
        sink.close()
        assert [row["stay_id"] for row in rows(path)] == ["stay-7"]
        assert {row["label"] for row in rows(path, "SELECT label FROM garments")} == {"Jeans", "Knitwear"}

    @pytest.mark.parametrize("claim_first", [False, True])
    def test_an_alert_and_its_claim(self, path: Path, *, claim_first: bool) -> None:
        sink = ledger(path)
        messages = [claim(after_s=30), alert()] if claim_first else [alert(), claim(after_s=30)]
        for message in (*messages, claim(after_s=99)):  # the first claim counts
            sink.publish(message)
        sink.close()
        (row,) = rows(path, "SELECT * FROM alerts")
        assert row["rule"] == "suit"
        assert (row["began_at_s"], row["raised_at_s"], row["claimed_at_s"]) == (NOON_S, NOON_S + 2, NOON_S + 32)
        assert row["claim_latency_s"] == 30.0

    def test_nobodys_name_is_kept(self, path: Path) -> None:
        sink = ledger(path)
        sink.publish(claim())
        assert on_disk(path, "door-1:suit")  # the search finds what is there
        assert not on_disk(path, "Garcia")
        sink.close()
        assert not on_disk(path, "Garcia")


class TestWhateverHappens:
    def test_a_kill_loses_no_row_that_was_published(self, path: Path) -> None:
        program = (
            "import sys, itertools, pathlib; from ledgers import ledger, visit\n"
            "sink = ledger(pathlib.Path(sys.argv[1]))\n"
            "for n in itertools.count():\n    sink.publish(visit(n)); print(n, flush=True)\n"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(
            [sys.executable, "-c", program, path], stdout=subprocess.PIPE, text=True, env=environment
        ) as process:
            assert process.stdout is not None
            seen = [process.stdout.readline() for _ in range(20)]
            process.send_signal(signal.SIGKILL)
            seen += process.stdout.readlines()
        published = int([line for line in seen if line.endswith("\n")][-1])
        sink = ledger(path)
        sink.publish(visit(published + 2))
        sink.close()
        assert {f"door-{n}" for n in range(published + 1)} <= {row["visit_id"] for row in rows(path)}

    def test_a_full_disk_stops_nothing_and_loses_nothing(self, disk: SmallDisk, log: LogCapture) -> None:
        path, clock = disk.folder / "ledger.sqlite3", Clock()
        sink = ledger(path, clock=clock)
        sink.publish(visit(0))
        disk.fill()
        for n in range(1, 40):
            sink.publish(visit(n))
            clock.now_s += 0.1
        assert sink.problem is not None
        assert "free some space" in sink.problem
        disk.empty()
        clock.now_s += 100
        sink.tend(NOON_S)
        assert sink.problem is None
        sink.close()
        assert [row["visit_id"] for row in rows(path)] == [f"door-{n}" for n in range(40)]
        assert told(log) == ["ledger not written; visits are kept in memory until it is", "ledger written again"]

    def test_a_disk_that_is_read_only_at_the_start(self, disk: SmallDisk) -> None:
        path, clock = disk.folder / "ledger.sqlite3", Clock()
        disk.set_writable(writable=False)
        sink = ledger(path, clock=clock)
        sink.publish(visit(1))
        assert sink.problem is not None
        disk.set_writable(writable=True)
        clock.now_s += 100
        sink.publish(visit(2))
        sink.close()
        assert [row["visit_id"] for row in rows(path)] == ["door-1", "door-2"]

    def test_a_disk_that_can_be_written_again_is_noticed_while_nobody_comes(self, disk: SmallDisk) -> None:
        clock = Clock()
        disk.set_writable(writable=False)
        sink = ledger(disk.folder / "ledger.sqlite3", clock=clock)
        assert "is the disk mounted, writable" in str(sink.problem)
        clock.now_s += 100
        sink.tend(NOON_S)
        assert sink.problem is not None
        disk.set_writable(writable=True)
        sink.tend(NOON_S)
        assert sink.problem is not None  # its pause is not over
        clock.now_s += 100
        sink.tend(NOON_S)
        assert sink.problem is None
        sink.close()

    def test_what_waits_in_memory_is_bounded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: LogCapture
    ) -> None:
        monkeypatch.setattr(ledger_module, "_WAITING_ROWS", 3)
        path, clock = tmp_path / "ledger.sqlite3", Clock()
        path.mkdir()  # a file of that name cannot be opened
        sink = ledger(path, clock=clock)
        for n in range(5):
            sink.publish(visit(n))
        path.rmdir()
        clock.now_s += 100
        sink.tend(NOON_S)
        sink.close()
        assert [row["visit_id"] for row in rows(path)] == ["door-2", "door-3", "door-4"]
        assert log.entries[-1]["lost"] == 2

    @pytest.mark.parametrize("spoilt", ["garbage", "middle"])
    def test_a_damaged_file_is_set_aside(self, path: Path, spoilt: str, log: LogCapture) -> None:
        sink = ledger(path)
        for n in range(200):
            sink.publish(visit(n))
        sink.close()
        sound = path.read_bytes()
        cut = (0, len(sound)) if spoilt == "garbage" else (8192, 16_384)
        path.write_bytes(sound[: cut[0]] + b"\xa5" * (cut[1] - cut[0]) + sound[cut[1] :])
        sink = ledger(path, wall=lambda: 1_700_000_000.0)
        sink.publish(visit(1000))
        sink.close()
        assert [row["visit_id"] for row in rows(path)] == ["door-1000"]
        assert path.with_name("ledger.sqlite3.damaged-20231114T221320Z-1").exists()
        assert told(log) == ["ledger damaged and set aside"]

    def test_another_process_that_holds_it_is_waited_for_without_waiting(self, path: Path) -> None:
        clock = Clock()
        sink = ledger(path, clock=clock)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        sink.publish(visit(1))
        assert sink.problem is not None
        other.execute("COMMIT")
        other.close()
        clock.now_s += 100
        sink.publish(visit(2))
        sink.close()
        assert len(rows(path)) == 2

    def test_whoever_finds_the_other_thread_at_work_does_not_wait(self, path: Path) -> None:
        sink = ledger(path)
        with sink._turn:  # as while `tend` deletes
            publishing = threading.Thread(target=sink.publish, args=(visit(1),))
            publishing.start()
            publishing.join(10)
            assert not publishing.is_alive()
            assert rows(path) == []
        sink.tend(NOON_S)
        assert len(rows(path)) == 1
        sink.close()

    def test_a_replay_says_that_it_cannot_write(self, tmp_path: Path) -> None:
        with pytest.raises(SinkError, match="unable to open"):
            ledger(tmp_path, patient=False)
        with pytest.raises(SinkError, match=r"there is no folder .*nowhere; make it first"):
            ledger(tmp_path / "nowhere" / "ledger.sqlite3")


class TestVersions:
    def test_a_newer_one_is_left_alone(self, path: Path) -> None:
        db = sqlite3.connect(path)
        db.execute("PRAGMA user_version = 99")
        db.close()
        before = path.read_bytes()
        with pytest.raises(SinkError, match="layout 99, known is 1"):
            ledger(path)
        with pytest.raises(SinkError, match="layout 99, known is 1"):
            summary(path)
        assert path.read_bytes() == before

    def test_an_earlier_one_is_brought_up_to_date_with_its_rows(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sink = ledger(path)
        sink.publish(visit())
        sink.close()
        steps = (*ledger_file._STEPS, ("ALTER TABLE visits ADD COLUMN weather TEXT",))
        monkeypatch.setattr(ledger_file, "_STEPS", steps)
        monkeypatch.setattr(ledger_file, "VERSION", len(steps))
        ledger(path).close()
        assert rows(path)[0]["weather"] is None
        assert rows(path, "PRAGMA user_version") == [{"user_version": 2}]

    def test_a_step_that_fails_changes_nothing(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        ledger(path).close()
        monkeypatch.setattr(ledger_file, "_STEPS", (*ledger_file._STEPS, ("DROP TABLE alerts", "DROP TABLE nosuch")))
        monkeypatch.setattr(ledger_file, "VERSION", 2)
        sink = ledger(path)
        assert sink.problem is not None
        sink.close()
        assert rows(path, "SELECT * FROM alerts") == []
        assert rows(path, "PRAGMA user_version") == [{"user_version": 1}]


class TestRetention:
    def test_old_visits_go_at_the_start_and_every_day(self, path: Path, log: LogCapture) -> None:
        sink = ledger(path, retention_days=2)
        for day in range(4):
            sink.publish(visit(day, at_s=NOON_S + day * DAY_S))
            sink.publish(alert(day, at_s=NOON_S + day * DAY_S))
        sink.tend(NOON_S + 3 * DAY_S)
        assert [row["visit_id"] for row in rows(path)] == ["door-1", "door-2", "door-3"]
        sink.tend(NOON_S + 3.4 * DAY_S)
        assert len(rows(path)) == 3
        sink.tend(NOON_S + 3.5 * DAY_S)  # midnight
        assert [row["visit_id"] for row in rows(path)] == ["door-2", "door-3"]
        assert len(rows(path, "SELECT * FROM alerts")) == 2
        sink.close()
        assert told(log) == ["old visits deleted", "old visits deleted"]

    def test_nothing_of_them_is_left_in_the_files(self, path: Path) -> None:
        sink = ledger(path, retention_days=1)
        for n in range(300):  # of several lengths, so that rows move between pages
            old = n % 3 == 0
            zones = ("marker-of-old" if old else "fresh",) * (1 + n % 7)
            at_s = NOON_S - (5 * DAY_S if old else 0) + n
            sink.publish(visit(n, at_s=at_s, zones=zones))
        assert on_disk(path, "marker-of-old")
        sink.tend(NOON_S)
        assert len(rows(path)) == 200
        assert on_disk(path, "marker-of-old") == []
        assert on_disk(path, "fresh")
        sink.close()
        assert on_disk(path, "marker-of-old") == []

    def test_a_reader_that_holds_the_log_only_delays_it(self, path: Path, log: LogCapture) -> None:
        sink = ledger(path, retention_days=1)
        sink.publish(visit(1, at_s=NOON_S - 5 * DAY_S, zones=("marker-of-old",)))
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM visits").fetchall()
        sink.tend(NOON_S)
        assert told(log) == ["old visits not deleted; tried again"]
        assert on_disk(path, "marker-of-old")
        reader.execute("COMMIT")
        sink.tend(NOON_S + 60)
        assert on_disk(path, "marker-of-old")  # not before the next try
        sink.tend(NOON_S + 700)
        assert on_disk(path, "marker-of-old") == []
        reader.close()
        sink.close()

    def test_what_was_set_aside_goes_when_it_is_old(self, path: Path) -> None:
        sink = ledger(path, retention_days=1)
        old, new = (path.with_name(f"{path.name}.damaged-{n}-1") for n in ("a", "b"))
        for file, at_s in ((old, NOON_S - 5 * DAY_S), (new, NOON_S)):
            file.write_bytes(b"damaged")
            os.utime(file, (at_s, at_s))
        sink.tend(NOON_S)
        sink.close()
        assert not old.exists()
        assert new.exists()

    def test_a_replay_deletes_nothing(self, path: Path) -> None:
        sink = ledger(path)
        sink.publish(visit(at_s=0.0))
        sink.tend(NOON_S)
        sink.close()
        assert len(rows(path)) == 1


class TestReading:
    def test_a_summary_beside_the_daemon(self, path: Path) -> None:
        sink = ledger(path)
        assert summary(path) == "0 visits"
        sink.publish(visit())
        assert summary(path) == "1 visits since 2023-11-15"
        sink.close()
        assert summary(path) == "1 visits since 2023-11-15"

    def test_a_disk_that_cannot_be_written(self, disk: SmallDisk) -> None:
        path = disk.folder / "ledger.sqlite3"
        sink = ledger(path)
        sink.publish(visit())
        sink.close()
        disk.set_writable(writable=False)
        assert summary(path) == "1 visits since 2023-11-15"

    def test_what_is_no_ledger_is_said_in_one_line(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        with pytest.raises(SinkError, match="there is no such file"):
            summary(path)
        path.write_bytes(b"text" * 1000)
        with pytest.raises(SinkError, match="file is not a database; is it a ledger"):
            summary(path)
        path.write_bytes(b"")
        with pytest.raises(SinkError, match="is none, or of an earlier version"):
            summary(path)
        assert not list(tmp_path.glob("x?*"))
