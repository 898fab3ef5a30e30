"""What is forgotten is in no file any more, and everything else still is."""

import io
import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from threading import Timer

import pytest
from ledgers import NOON_S, alert, claim, ledger, rows, visit

from vestibule import forget as forget_module
from vestibule.cli import main
from vestibule.config import Settings
from vestibule.errors import ConfigError
from vestibule.forget import forget
from vestibule.ledger_section import LedgerConfig
from vestibule.mqtt_section import MqttConfig
from vestibule.outbox import Outbox
from vestibule.privacy_sections import SnapshotsConfig
from vestibule.sections import JsonlConfig
from vestibule.sinks import JsonlSink
from vestibule.snapshot_folder import SnapshotFolder
from vestibule.types import Message
from vestibule.web.board_file import BOARD_FILE, BoardFile, Row
from vestibule.web_sections import WebConfig

DAY_S = 86_400.0
OLD_S = NOON_S - 5 * DAY_S
NOW_S = NOON_S + DAY_S


def keeping(folder: Path) -> Settings:
    return Settings(
        ledger=LedgerConfig(path=folder / "ledger.sqlite3"),
        mqtt=MqttConfig(outbox_file=folder / "outbox.sqlite3"),
        jsonl=JsonlConfig(path=folder / "events.jsonl"),
        snapshots=SnapshotsConfig(folder=folder / "snapshots"),
        web=WebConfig(state_dir=folder / "web"),
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return keeping(tmp_path)


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forget_module, "_WAIT_S", 0.3)


def marked(number: int, at_s: float) -> Message:
    """A visit that carries a word of the time from which it is; of several lengths, so that rows move about."""
    return visit(number, at_s=at_s, zones=("marker-of-old" if at_s < NOON_S else "fresh",) * (1 + number % 7))


def run(settings: Settings | None, before_s: float, path: Path | None = None) -> tuple[int, list[str]]:
    out = io.StringIO()
    code = forget(settings, path, before_s, now_s=NOW_S, out=out)
    return code, out.getvalue().splitlines()


def holding(folder: Path, text: str) -> list[str]:
    """The files anywhere under a folder in which a text stands, free pages, logs and all."""
    return sorted(file.name for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes())


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that is kept, half of it from five days ago; nobody uses it."""
    tmp_path = tmp_path_factory.mktemp("original")
    settings = keeping(tmp_path)
    path = settings.ledger.path
    assert path is not None
    kept = ledger(path)
    outbox = Outbox(settings.mqtt.outbox_file)
    assert settings.jsonl.path is not None
    events = JsonlSink(settings.jsonl.path, append=True, patient=True)
    for number in range(200):
        at_s = OLD_S + number if number % 2 else NOON_S + number
        message = marked(number, at_s)
        kept.publish(message)
        events.publish(message)
        outbox.add(message)
        outbox.offer()
        outbox.settle("refused" if number % 4 < 2 else "acknowledged")
    kept.publish(replace(alert(1, at_s=OLD_S + 1)))
    kept.publish(claim(1, at_s=OLD_S + 1))
    kept.publish(alert(2, at_s=NOON_S + 2))
    outbox.add(marked(1001, OLD_S))  # waits for the broker
    for sink in (kept, outbox, events):
        sink.close()
    pictures = SnapshotFolder(tmp_path / "snapshots", keep_s=30 * DAY_S, max_bytes=10**6)
    pictures.put("door-1", b"marker-of-old", OLD_S)
    pictures.put("door-2", b"fresh", NOON_S)
    (tmp_path / "web").mkdir()
    board = BoardFile(tmp_path / "web" / BOARD_FILE, "now")
    for number, at_s in enumerate((OLD_S, NOON_S)):
        text = "marker-of-old" if at_s == OLD_S else "fresh"
        board.save(Row(kind="alert", site="store", name=str(number), at_s=at_s, data={"summary": text}))
    board.close()
    (tmp_path / "ledger.sqlite3.damaged-20231101T000000Z-1").write_bytes(b"marker-of-old")
    return tmp_path


@pytest.fixture
def filled(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_nothing_from_before_can_be_read_anywhere(settings: Settings, filled: Path) -> None:
    assert len(holding(filled, "marker-of-old")) == 6
    code, lines = run(settings, NOON_S)
    assert code == 0, lines
    assert [line.split(":")[0] for line in lines] == [
        f"ok     {name}" for name in ("ledger", "outbox", "events", "snapshots", "staff page")
    ]
    assert "100 visits and 1 alerts deleted, 1 damaged files deleted" in lines[0]
    assert lines[1].endswith("50 records deleted")
    assert lines[2].endswith("100 lines deleted")
    assert holding(filled, "marker-of-old") == ["outbox.sqlite3"]  # what waits for the broker is news
    db = sqlite3.connect(filled / "outbox.sqlite3")
    assert db.execute("SELECT state, count(*) FROM events GROUP BY state ORDER BY state").fetchall() == [
        ("refused", 50),
        ("waiting", 1),
    ]
    db.close()


def test_everything_from_after_is_still_there(settings: Settings, filled: Path) -> None:
    lines = (filled / "events.jsonl").read_bytes().splitlines(keepends=True)
    run(settings, NOON_S)
    assert len(rows(filled / "ledger.sqlite3")) == 100
    assert [row["alert_id"] for row in rows(filled / "ledger.sqlite3", "SELECT * FROM alerts")] == ["door-2:suit"]
    assert (filled / "events.jsonl").read_bytes() == b"".join(lines[::2])
    assert not (filled / "events.jsonl.forgetting").exists()
    assert [path.name for path in (filled / "snapshots").iterdir()] == ["door-2.snapshot.jpg"]
    board = BoardFile(filled / "web" / BOARD_FILE, "now")
    assert [row.data["summary"] for row in board.load()] == ["fresh"]
    board.close()


def test_what_waits_for_the_broker_is_gone_from_the_disk_once_it_is_delivered(settings: Settings, filled: Path) -> None:
    outbox = Outbox(settings.mqtt.outbox_file)
    outbox.offer()
    outbox.settle("acknowledged")
    outbox.close()
    assert run(settings, NOON_S)[0] == 0
    assert holding(filled, "marker-of-old") == []


@pytest.mark.usefixtures("_hurried")
def test_while_the_daemon_runs_the_ledger_forgets_and_the_rest_says_what_to_do(
    settings: Settings, filled: Path
) -> None:
    path = settings.ledger.path
    assert path is not None
    assert settings.jsonl.path is not None
    kept, outbox = ledger(path), Outbox(settings.mqtt.outbox_file)
    events = JsonlSink(settings.jsonl.path, append=True, patient=True)
    board = BoardFile(filled / "web" / BOARD_FILE, "now")
    try:
        code, lines = run(settings, NOON_S)
        assert code == 1
        assert [line.split()[0] for line in lines] == ["ok", "FAILED", "FAILED", "ok", "FAILED"]
        assert "the daemon holds it; stop it, run this again and start it" in lines[1]
        assert "the daemon holds it" in lines[2]
        assert "the staff page holds it" in lines[4]
        assert holding(filled, "marker-of-old") == ["alerts.sqlite3", "events.jsonl", "outbox.sqlite3"]
        kept.publish(marked(2001, NOON_S))  # the daemon's own connection goes on
        assert len(rows(path)) == 101
    finally:
        for each in (kept, outbox, events, board):
            each.close()
    assert run(settings, NOON_S)[0] == 0


def test_a_reader_is_waited_for(filled: Path) -> None:
    path = filled / "ledger.sqlite3"
    reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM visits").fetchall()
    done = Timer(0.5, lambda: reader.execute("COMMIT"))
    done.start()
    assert run(None, NOON_S, path)[0] == 0
    done.join()
    reader.close()
    assert "ledger.sqlite3" not in holding(filled, "marker-of-old")


@pytest.mark.usefixtures("filled")
def test_a_daemon_that_starts_meanwhile_loses_no_line(settings: Settings) -> None:
    path, now_s = settings.jsonl.path, [0.0]
    assert path is not None
    with path.open("r+b") as file, forget_module._alone(file, path):
        events = JsonlSink(path, append=True, patient=True, clock=lambda: now_s[0])
        events.publish(marked(3001, NOON_S))
    now_s[0] = 100.0
    events.publish(marked(3003, NOON_S))
    events.close()
    last = [json.loads(line)["payload"]["visit_id"] for line in path.read_bytes().splitlines()[-2:]]
    assert last == ["door-3001", "door-3003"]


def test_a_line_that_is_no_event_goes_too(settings: Settings) -> None:
    path = settings.jsonl.path
    assert path is not None
    path.write_bytes(b'{"topic":"half a marker-of-old\n[]\n{"at_s":"x","payload":{}}\n')
    assert run(settings, OLD_S)[1][2].endswith("3 lines deleted")
    assert path.read_bytes() == b""


def test_an_event_of_somebody_who_came_before_goes_with_them(settings: Settings) -> None:
    path = settings.jsonl.path
    assert path is not None
    events = JsonlSink(path, append=True)
    events.publish(visit(1, at_s=NOON_S - 10))  # ended after noon
    events.close()
    assert run(settings, NOON_S)[1][2].endswith("1 lines deleted")


def test_where_nothing_is_kept_nothing_is_made(settings: Settings, tmp_path: Path) -> None:
    code, lines = run(settings, NOON_S)
    assert code == 0
    assert len(lines) == 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("before_s", "path", "problem"),
    [
        (NOW_S + 1, None, "has not come yet"),
        (float("nan"), None, "is no time"),
        (NOON_S, Path("/nowhere/ledger"), "/nowhere/ledger: there is no such file"),
    ],
)
def test_what_makes_no_sense_is_refused(before_s: float, path: Path | None, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        run(None, before_s, path)


def test_a_damaged_ledger_is_set_aside_first_and_deleted_the_next_time(filled: Path) -> None:
    path = filled / "ledger.sqlite3"
    path.write_bytes(b"marker-of-old" * 1000)
    code, lines = run(None, NOON_S, path)
    assert code == 1
    assert "set aside as" in lines[0]
    path.touch()
    assert run(None, NOON_S, path)[0] == 0
    assert not any(name.startswith("ledger") for name in holding(filled, "marker-of-old"))


def test_the_command(filled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = filled / "ledger.sqlite3"
    assert main(["forget", "--before", "2023-11-15T12:00Z", "--ledger", str(path)]) == 0
    assert "100 visits and 1 alerts deleted" in capsys.readouterr().out
    assert main(["forget", "--before", "2023-11-15"]) == 1
    assert "name a configuration with --config, or a ledger with --ledger" in capsys.readouterr().err
    config = filled / "vestibule.toml"
    config.write_text(f"[ledger]\npath = '{path}'\n[web]\nstate_dir = '{filled}/web'\n", encoding="utf-8")
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert main(["forget", "--before", "2023-11-16", "--config", str(config)]) == 0
    assert rows(path) == []
