import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fakes import Clock
from mqtt_client import make_alert
from small_disk import small_disk
from staff_page import message_of
from structlog.testing import capture_logs

from vestibule.claim_payloads import ClaimPayload, ClaimSetPayload, claim_message
from vestibule.errors import SinkError
from vestibule.payloads import AlertPayload
from vestibule.web.board import Board, Item
from vestibule.web.board_file import BoardFile

HOUR_S = 3600.0
RAISED_S = make_alert().raised_at_s


@pytest.fixture
def clock() -> Clock:
    return Clock(RAISED_S + 10)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[BoardFile]:
    with closing(BoardFile(tmp_path / "alerts.sqlite3", "now")) as opened:
        yield opened


def board_of(file: BoardFile, clock: Clock) -> Board:
    return Board(file, retention_s=24 * HOUR_S, clock=clock)


def alert_of(number: int, site: str = "store") -> AlertPayload:
    return AlertPayload.model_validate_json(message_of(make_alert(number), site).payload)


def claim_of(number: int, by: str = "Ana") -> ClaimPayload:
    asked = ClaimSetPayload(schema_version=1, by=by, claim_id=f"claim-{by}-{number}")
    made = claim_message(make_alert(number), asked, site="store", prefix="vestibule", at_s=RAISED_S + 5)
    return ClaimPayload.model_validate_json(made.payload)


def told(items: list[Item]) -> list[tuple[str, str, str]]:
    return [(item.kind, item.site, item.name) for item in items]


def test_what_is_new_is_told_once_and_a_repetition_is_not(file: BoardFile, clock: Clock) -> None:
    board, heard = board_of(file, clock), list[Item]()
    board.on_change = heard.append
    for _ in range(2):
        board.alert(alert_of(1))
        board.alert(alert_of(1, "north"))  # ids are unique within a store only
        board.claim(claim_of(1))
        board.site("store", online=True)
    expected = [
        ("alert", "store", "visit-1:suit"),
        ("alert", "north", "visit-1:suit"),
        ("claim", "store", "visit-1:suit"),
        ("site", "store", ""),
    ]
    assert told(heard) == told(board.since(0)) == expected
    assert [item.seq for item in heard] == [1, 2, 3, 4]
    assert heard[0].data["garments"] == ["Dress", "Blazer"]


def test_a_page_gets_what_it_missed_in_order(file: BoardFile, clock: Clock) -> None:
    board = board_of(file, clock)
    for number in range(1, 6):
        board.alert(alert_of(number))
    board.site("store", online=True)
    board.site("store", online=False)  # as it stands now, not what it was meanwhile
    assert told(board.since(4)) == [("alert", "store", "visit-5:suit"), ("site", "store", "")]
    assert board.since(4)[-1].data == {"site": "store", "online": False}
    assert board.since(99) == []


def test_the_first_claim_that_the_daemon_tells_of_may_be_corrected_by_it(file: BoardFile, clock: Clock) -> None:
    board = board_of(file, clock)
    board.claim(claim_of(1, "Ana"))
    board.claim(claim_of(1, "Luis"))
    assert [item.data["by"] for item in board.since(0)] == ["Luis"]


def test_alerts_and_claims_survive_a_restart_and_sites_are_asked_for_anew(tmp_path: Path, clock: Clock) -> None:
    with closing(BoardFile(tmp_path / "a.sqlite3", "now")) as file:
        first = board_of(file, clock)
        first.alert(alert_of(1))
        first.claim(claim_of(1))
        first.site("store", online=True)
    with closing(BoardFile(tmp_path / "a.sqlite3", "now")) as file:
        second = board_of(file, clock)
        assert sorted(told(second.since(0))) == [("alert", "store", "visit-1:suit"), ("claim", "store", "visit-1:suit")]
        assert second.epoch != first.epoch  # what a page had last is not of this life
        assert second.knows("store", "visit-1:suit")
        heard: list[Item] = []
        second.on_change = heard.append
        second.alert(alert_of(1))  # delivered once more
        assert heard == []


def test_what_is_old_goes_also_from_the_disk(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "a.sqlite3"
    with closing(BoardFile(path, "now")) as file:
        board = board_of(file, clock)
        board.alert(alert_of(1))
        board.claim(claim_of(1, "Annabel"))
        board.site("store", online=True)
        assert b"Annabel" in path.read_bytes()
        clock.now_s = RAISED_S + 24 * HOUR_S + 6
        board.prune()
        assert told(board.since(0)) == [("site", "store", "")]
        assert not board.knows("store", "visit-1:suit")
        kept = b"".join(each.read_bytes() for each in tmp_path.iterdir())
        assert b"Annabel" not in kept
        assert b"visit-1" not in kept
        board.alert(alert_of(1))  # late news of the day before
        assert not board.knows("store", "visit-1:suit")


def test_an_alert_of_a_box_whose_clock_is_ahead_ages_and_goes(file: BoardFile, clock: Clock) -> None:
    board = board_of(file, clock)
    board.alert(alert_of(1).model_copy(update={"raised_at_s": clock.now_s + 1e8}))
    assert board.since(0)[0].data["raised_at_s"] == clock.now_s
    clock.now_s += 24 * HOUR_S + 1
    board.prune()
    assert board.since(0) == []


def test_there_is_an_end_to_what_it_holds(file: BoardFile, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestibule.web.board._MOST_ITEMS", 3)
    board = board_of(file, clock)
    board.site("store", online=True)
    for number in range(10):
        board.alert(alert_of(number))
    assert told(board.since(0)) == [
        ("site", "store", ""),
        ("alert", "store", "visit-8:suit"),
        ("alert", "store", "visit-9:suit"),
    ]


def test_a_full_disk_costs_nothing_but_the_disk(tmp_path: Path, clock: Clock) -> None:
    with small_disk(tmp_path / "disk") as disk:
        path = disk.folder / "a.sqlite3"
        with closing(BoardFile(path, "now")) as file:
            board = board_of(file, clock)
            board.alert(alert_of(1))
            disk.fill()
            with capture_logs() as log:
                for number in range(2, 60):
                    board.alert(alert_of(number))
            assert len(board.since(0)) == 59
            assert [entry["event"] for entry in log] == ["alerts are kept in memory only"]
            disk.empty()
            board.prune()  # as every minute
        with closing(BoardFile(path, "now")) as file:
            assert len(board_of(file, clock).since(0)) == 59


@pytest.mark.parametrize("damage", [b"Dear customer, " * 500, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_set_aside(tmp_path: Path, clock: Clock, damage: bytes) -> None:
    path = tmp_path / "a.sqlite3"
    path.write_bytes(damage)
    with closing(BoardFile(path, "now")) as file:
        board = board_of(file, clock)
        board.alert(alert_of(1))
        assert (tmp_path / "a.sqlite3.damaged-now-1").read_bytes() == damage
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM items").fetchone() == (1,)


def test_two_services_with_one_folder_are_told_so(tmp_path: Path) -> None:
    with (
        closing(BoardFile(tmp_path / "a.sqlite3", "now")),
        pytest.raises(SinkError, match=r"give each service a web\.state_dir"),
    ):
        BoardFile(tmp_path / "a.sqlite3", "now")
