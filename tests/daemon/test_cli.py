import json
import signal
import socket
from pathlib import Path

import pytest
from daemon_process import daemon
from mqtt_client import wait_until
from toyshop import clip, crossing, toy_models

from vestibule.broker import Mosquitto, find_mosquitto
from vestibule.cli import main
from vestibule.errors import SinkError


def has_mosquitto() -> bool:
    try:
        find_mosquitto()
    except SinkError:
        return False
    return True


needs_mosquitto = pytest.mark.skipif(not has_mosquitto(), reason="mosquitto is not installed")


@pytest.fixture
def dress(tmp_path: Path) -> Path:
    return clip(tmp_path / "dress.mp4", 6, crossing("Dress", 0.5))


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "vestibule.toml"
    path.write_text("", encoding="utf-8")
    return path


@pytest.fixture
def _toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestibule.replay.load_models", lambda _: toy_models())


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed to standard error: exactly one line."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.usefixtures("_toy")
def test_replay_writes_events_and_a_summary(
    dress: Path, plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(dress), "--config", str(plain), "--out", str(tmp_path / "events.jsonl")]) == 0
    assert "60 frames (6.0 s)" in one_line(capsys)
    lines = (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert sum(json.loads(line)["topic"].endswith("/alerts") for line in lines) == 1


@pytest.mark.usefixtures("_toy")
def test_another_cameras_recording_is_given_with_its_id(
    dress: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "two.toml", tmp_path / "events.jsonl"
    path.write_text('cameras = [{id = "door", source = "0"}, {id = "hall", role = "floor", source = "1"}]\n')
    assert main(["replay", str(dress), "--with", f"hall={dress}", "--config", str(path), "--out", str(out)]) == 0
    assert "120 frames (6.0 s)" in one_line(capsys)
    assert {json.loads(line)["payload"]["camera"] for line in out.read_text(encoding="utf-8").splitlines()} == {
        "door",
        "hall",
    }
    with pytest.raises(SystemExit):
        main(["replay", str(dress), "--with", "hall", "--config", str(path)])
    assert "'hall' is not ID=FILE, as in hall=hall.mp4" in capsys.readouterr().err


@pytest.mark.usefixtures("_toy")
def test_start_is_a_time_of_day_or_unix_seconds(dress: Path, plain: Path, tmp_path: Path) -> None:
    for number, start in enumerate(("2026-11-23T09:00:00-06:00", "2026-11-23T15:00:00", "1795446000")):
        out = tmp_path / f"{number}.jsonl"
        assert main(["replay", str(dress), "--config", str(plain), "--start", start, "--out", str(out)]) == 0
    assert len({(tmp_path / f"{n}.jsonl").read_bytes() for n in range(3)}) == 1
    assert b"2026-11-23T15:00:0" in (tmp_path / "0.jsonl").read_bytes()
    with pytest.raises(SystemExit):
        main(["replay", str(dress), "--config", str(plain), "--start", "noon"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mqqt]\nhost = 'x'", "mqqt: unknown key"),
        ("[[alerts]]\nname = 'a'\nany_of = ['Drss']", "'Drss'"),
        ("[site", "not valid TOML"),
        ("[classifier]\nmodel = '/nosuch/model'", "/nosuch/model"),
        ("[detector]\nmodel = '/nosuch/model'", "/nosuch/model"),
    ],
)
def test_bad_configuration_is_one_line_and_a_failure(
    dress: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    assert main(["replay", str(dress), "--config", str(path)]) == 1
    assert said in one_line(capsys)


@pytest.mark.usefixtures("_toy")
def test_bad_files_are_one_line_and_a_failure(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "letter.mp4").write_text("Dear customer", encoding="utf-8")
    (tmp_path / "empty.mp4").touch()
    for name in ("letter.mp4", "empty.mp4", "missing.mp4"):
        assert main(["replay", str(tmp_path / name), "--config", str(plain)]) == 1
        assert name in one_line(capsys)


def test_missing_configuration_is_said(dress: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(dress), "--config", str(tmp_path / "nosuch.toml")]) == 1
    line = one_line(capsys)
    assert "nosuch.toml" in line
    assert "config.example.toml" in line


def test_run_without_cameras_is_said(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--config", str(plain)]) == 1
    assert "no cameras configured" in one_line(capsys)


@pytest.mark.usefixtures("_toy")
def test_publish_without_a_broker_is_said(dress: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = tmp_path / "vestibule.toml"
    path.write_text(f"[mqtt]\nport = {port}\nconnect_timeout_s = 2\n[log]\nlevel = 'error'", encoding="utf-8")
    assert main(["replay", str(dress), "--config", str(path), "--publish"]) == 1
    assert f"127.0.0.1:{port}" in one_line(capsys)


@needs_mosquitto
@pytest.mark.usefixtures("_toy")
def test_a_refused_password_is_said_without_the_password(
    dress: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "password").write_text("swordfish\n", encoding="utf-8")
    with Mosquitto(users={"vestibule": "another"}) as broker:
        path = tmp_path / "vestibule.toml"
        path.write_text(
            f"[mqtt]\nport = {broker.port}\nusername = 'vestibule'\npassword_file = '{tmp_path / 'password'}'\n"
            "[log]\nlevel = 'error'",
            encoding="utf-8",
        )
        assert main(["replay", str(dress), "--config", str(path), "--publish"]) == 1
    line = one_line(capsys)
    assert "password" in line
    assert "swordfish" not in line


@needs_mosquitto
def test_the_daemon_publishes_and_ends_on_a_signal(dress: Path, tmp_path: Path) -> None:
    """A real process, a real broker, two cameras; the networks are the toy shop's."""
    seen = tmp_path / "seen.jsonl"
    with Mosquitto() as broker:
        path = tmp_path / "vestibule.toml"
        path.write_text(
            f"[mqtt]\nport = {broker.port}\n[jsonl]\npath = '{seen}'\n"
            f"[[cameras]]\nid = 'door'\nsource = '{dress}'\n[[cameras]]\nid = 'floor'\nsource = 'rtsp://127.0.0.1:9/x'\n",
            encoding="utf-8",
        )
        with daemon(path) as running:
            wait_until(lambda: seen.exists() and b"/alerts" in seen.read_bytes(), "an alert")
            running.signal(signal.SIGTERM)
            assert running.ended() == 0, running.printed
    types = [json.loads(line)["payload"].get("type") for line in seen.read_text(encoding="utf-8").splitlines()]
    assert types.count("end") == 1
    assert running.states("floor") == ["offline"]
