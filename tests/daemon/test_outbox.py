import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from mqtt_client import make_message
from outboxes import number, offered, on_disk
from structlog.testing import LogCapture

from vestibule import outbox as outbox_module
from vestibule.outbox import Outbox


class Clocks:
    """Both clocks that an outbox reads; a change of the time of day moves one of them."""

    def __init__(self) -> None:
        self.boot_s, self.wall_s = 1000.0, 1_700_000_000.0

    def pass_s(self, seconds: float) -> None:
        self.boot_s += seconds
        self.wall_s += seconds


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> LogCapture:
    capture = LogCapture()
    monkeypatch.setattr(outbox_module, "_log", structlog.wrap_logger(None, processors=[capture]))
    return capture


Open = Callable[..., Outbox]


@pytest.fixture
def open_outbox(clocks: Clocks, tmp_path: Path) -> Iterator[Open]:
    opened: list[Outbox] = []

    def open_one(path: Path | None = tmp_path / "outbox", *, max_events: int = 100) -> Outbox:
        one = Outbox(path, max_events=max_events, clock=lambda: clocks.boot_s, wall=lambda: clocks.wall_s)
        opened.append(one)
        return one

    yield open_one
    for one in opened:
        one.close()


@pytest.mark.parametrize("path", [None, "outbox"])
def test_events_leave_in_order_and_come_back_in_order(open_outbox: Open, tmp_path: Path, path: str | None) -> None:
    outbox = open_outbox(path and tmp_path / path)
    for n in range(5):
        outbox.add(make_message(n))
    assert [number(outbox.offer()), number(outbox.offer()), number(outbox.offer())] == [0, 1, 2]
    outbox.settle("acknowledged")
    outbox.recall()  # the connection broke
    assert offered(outbox) == [1, 2, 3, 4]
    for _ in range(4):
        outbox.settle("acknowledged")
    assert (outbox.waiting, outbox.wait_empty(0.0)) == (0, 0)
    assert outbox.status().outcomes == {"acknowledged": 5}


def test_what_was_not_acknowledged_is_there_for_the_next_process(open_outbox: Open, tmp_path: Path) -> None:
    outbox = open_outbox()
    for n in range(4):
        outbox.add(make_message(n))
    outbox.offer()
    outbox.settle("acknowledged")
    outbox.offer()  # under way when the process ends
    assert outbox.close() == 0
    assert on_disk(tmp_path / "outbox") == [1, 2, 3]
    again = open_outbox()
    assert again.waiting == 3
    again.add(make_message(4))
    entry = again.offer()
    assert entry is not None
    assert entry.message == make_message(1)
    assert offered(again) == [2, 3, 4]


def test_an_event_is_on_disk_when_add_returns(tmp_path: Path) -> None:
    """Killed right after: nothing of the process gets to tidy up."""
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from mqtt_client import make_message\n"
        "from vestibule.outbox import Outbox\n"
        "outbox = Outbox(Path(sys.argv[1]))\n"
        "for n in range(3):\n"
        "    outbox.add(make_message(n))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program, tmp_path / "outbox"], env=environment, check=False, timeout=60)
    assert on_disk(tmp_path / "outbox") == [0, 1, 2]


def test_commits_of_new_events_are_synced_and_those_of_settled_ones_need_not_be(open_outbox: Open) -> None:
    outbox = open_outbox()
    seen: list[str] = []
    assert outbox._file is not None
    outbox.add(make_message(0))
    assert outbox._file._db is not None
    outbox._file._db.set_trace_callback(seen.append)
    outbox.add(make_message(1))
    outbox.offer()
    outbox.settle("acknowledged")
    levels = [statement.split()[-1] for statement in seen if "synchronous" in statement]
    assert levels == ["FULL", "NORMAL"]


class TestExpiry:
    def test_an_alert_that_is_no_news_any_more_is_recorded_and_not_offered(
        self, open_outbox: Open, clocks: Clocks, tmp_path: Path, log: LogCapture
    ) -> None:
        outbox = open_outbox()
        outbox.add(make_message(1), ttl_s=120)
        outbox.add(make_message(2))  # as a visit: for ever
        clocks.pass_s(60)
        outbox.add(make_message(3), ttl_s=120)
        clocks.pass_s(60)
        assert offered(outbox) == [2, 3]
        assert outbox.status().outcomes == {"expired": 1}
        assert [(e["event"], e["event_id"], e["age_s"]) for e in log.entries] == [
            ("alert expired", "visit-1:suit", 120.0)
        ]
        outbox.close()
        assert on_disk(tmp_path / "outbox", "expired") == [1]
        assert on_disk(tmp_path / "outbox") == [2, 3]

    def test_what_is_left_of_its_time_goes_with_it(self, open_outbox: Open, clocks: Clocks) -> None:
        outbox = open_outbox()
        outbox.add(make_message(1), ttl_s=120)
        outbox.add(make_message(2))
        clocks.pass_s(100.4)
        alert, visit = outbox.offer(), outbox.offer()
        assert alert is not None
        assert visit is not None
        assert (outbox.left_s(alert), outbox.left_s(visit)) == (20, None)
        clocks.pass_s(50)
        assert outbox.left_s(alert) == 1  # 0 would be for ever

    def test_it_may_expire_after_it_was_offered_in_vain(self, open_outbox: Open, clocks: Clocks) -> None:
        outbox = open_outbox()
        outbox.add(make_message(1), ttl_s=120)
        assert number(outbox.offer()) == 1
        clocks.pass_s(130)
        outbox.recall()
        assert outbox.offer() is None
        assert outbox.status().outcomes == {"expired": 1}

    @pytest.mark.parametrize("jump_s", [3600, -3600])
    @pytest.mark.parametrize("restart", [False, True])
    def test_a_change_of_the_time_of_day_expires_nothing_and_makes_no_negative_age(
        self, open_outbox: Open, clocks: Clocks, jump_s: float, *, restart: bool
    ) -> None:
        outbox = open_outbox()
        outbox.add(make_message(1), ttl_s=120)
        clocks.wall_s += jump_s
        if restart:
            outbox.close()
            outbox = open_outbox()
        clocks.pass_s(119)
        assert outbox.status().oldest_age_s == pytest.approx(119)
        assert number(outbox.offer()) == 1
        clocks.pass_s(2)
        outbox.recall()
        assert outbox.offer() is None  # and it does expire when its time has passed

    @pytest.mark.parametrize("away", [(60, [1]), (180, []), (-3600, [1])])
    def test_after_a_restart_of_the_machine_the_time_of_day_counts(
        self,
        open_outbox: Open,
        clocks: Clocks,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        away: tuple[float, list[int]],
    ) -> None:
        away_s, left = away
        outbox = open_outbox()
        outbox.add(make_message(1), ttl_s=120)
        outbox.close()
        boot_id = tmp_path / "boot_id"
        boot_id.write_text("another boot\n", encoding="ascii")
        monkeypatch.setattr(outbox_module, "_BOOT_ID", boot_id)
        clocks.boot_s, clocks.wall_s = 5.0, clocks.wall_s + away_s
        again = open_outbox()
        assert again.status().oldest_age_s >= 0
        assert offered(again) == left


class TestBound:
    def test_the_oldest_visit_goes_first_and_alerts_last(
        self, open_outbox: Open, log: LogCapture, clocks: Clocks, tmp_path: Path
    ) -> None:
        outbox = open_outbox(max_events=4)
        outbox.add(make_message(0))
        outbox.offer()  # under way: stays
        outbox.add(make_message(1), ttl_s=120)
        outbox.add(make_message(2))
        outbox.add(make_message(3), ttl_s=120)
        assert outbox.full
        outbox.add(make_message(4), ttl_s=120)
        outbox.add(make_message(5), ttl_s=120)
        assert outbox.status().outcomes == {"dropped": 2}
        outbox.recall()
        assert offered(outbox) == [0, 3, 4, 5]
        clocks.pass_s(61)
        outbox.add(make_message(6), ttl_s=120)
        dropped = [(e["event_id"], e["outcomes"]["dropped"]) for e in log.entries]
        assert dropped == [("visit-2:suit", 1)]  # all are under way now: one more is taken than the limit says
        outbox.close()
        assert on_disk(tmp_path / "outbox") == [0, 3, 4, 5, 6]

    def test_a_file_with_more_than_the_limit_is_cut_as_it_is_read(self, open_outbox: Open) -> None:
        outbox = open_outbox()
        for n in range(9):
            outbox.add(make_message(n))
        outbox.close()
        again = open_outbox(max_events=3)
        assert offered(again) == [6, 7, 8]


class TestFailingDisk:
    @pytest.fixture
    def broken(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
        """Let every write fail as on a full disk, or not; the file's own logic is at work otherwise."""
        import vestibule.outbox_file as module  # noqa: PLC0415 - patched below

        settle = module.OutboxFile._settle

        def full(*_: object) -> None:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

        def switch(on: bool) -> None:
            monkeypatch.setattr(module.OutboxFile, "_settle", full if on else settle)

        return switch

    def test_memory_takes_over_says_so_and_hands_back(
        self, open_outbox: Open, clocks: Clocks, broken: Callable[[bool], None], log: LogCapture, tmp_path: Path
    ) -> None:
        outbox = open_outbox()
        outbox.add(make_message(0))
        broken(True)
        for n in range(1, 4):
            clocks.pass_s(10)
            outbox.add(make_message(n))
        assert "disk is full; free some space" in str(outbox.status().problem)
        outbox.offer()
        outbox.settle("acknowledged")  # cannot be noted either
        outbox.offer()
        outbox.settle("acknowledged")  # was never on disk
        broken(False)
        clocks.pass_s(100)
        outbox.add(make_message(4))
        assert outbox.problem is None
        assert [e["event"] for e in log.entries] == [
            "outbox file not written; events are kept in memory until it is",
            "outbox file written again",
        ]
        outbox.close()
        assert on_disk(tmp_path / "outbox") == [2, 3, 4]

    def test_a_failing_disk_is_not_tried_at_every_event(
        self, open_outbox: Open, clocks: Clocks, broken: Callable[[bool], None]
    ) -> None:
        outbox = open_outbox()
        broken(True)
        outbox.add(make_message(0))
        broken(False)
        outbox.add(make_message(1))
        assert outbox.problem is not None
        clocks.pass_s(1.1)
        outbox.add(make_message(2))
        assert outbox.problem is None

    def test_a_disk_that_takes_events_again_is_found_out_without_one(
        self, open_outbox: Open, clocks: Clocks, broken: Callable[[bool], None], tmp_path: Path
    ) -> None:
        outbox = open_outbox()
        broken(True)
        outbox.add(make_message(0))
        broken(False)
        outbox.tend()
        assert outbox.problem is not None
        clocks.pass_s(1.1)
        outbox.tend()
        assert outbox.problem is None
        outbox.close()
        assert on_disk(tmp_path / "outbox") == [0]

    def test_closing_tries_once_more_and_tells_what_is_lost(
        self, open_outbox: Open, broken: Callable[[bool], None], tmp_path: Path
    ) -> None:
        outbox = open_outbox()
        broken(True)
        outbox.add(make_message(0))
        assert outbox.close() == 1
        outbox = open_outbox()
        outbox.add(make_message(1))
        broken(False)
        assert outbox.close() == 0
        assert on_disk(tmp_path / "outbox") == [1]


def test_what_was_refused_can_be_sent_again(open_outbox: Open, tmp_path: Path) -> None:
    """The statement that docs/operations.md gives to the administrator."""
    outbox = open_outbox()
    outbox.add(make_message(1))
    outbox.offer()
    outbox.settle("refused")
    outbox.close()
    db = sqlite3.connect(tmp_path / "outbox")
    with db:
        db.execute("UPDATE events SET state = 'waiting' WHERE state = 'refused'")
    db.close()
    assert offered(open_outbox()) == [1]


def test_the_real_clock_does_not_follow_the_time_of_day() -> None:
    before_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before_s <= outbox_module.since_boot_s() <= time.clock_gettime(time.CLOCK_BOOTTIME)
