import io
import socket
from pathlib import Path

import pytest
from footage import moving_square, write_clip
from ledgers import ledger, visit
from rtsp_camera import rtsp_camera
from toyshop import ToyClassifier, ToyDetector, clip, crossing

from vestibule.broker import Mosquitto, find_mosquitto
from vestibule.check import check
from vestibule.errors import SinkError


@pytest.fixture(autouse=True)
def _toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestibule.check.build_detector", lambda _: ToyDetector())
    monkeypatch.setattr("vestibule.check.build_classifier", lambda _: ToyClassifier())


def checked(path: Path, text: str) -> tuple[int, list[str]]:
    path.write_text(f"config_version = 1\n{text}", encoding="utf-8")
    out = io.StringIO()
    return check(path, out), out.getvalue().splitlines()


def test_all_is_well(tmp_path: Path) -> None:
    try:
        find_mosquitto()
    except SinkError as error:
        pytest.skip(str(error))
    video = clip(tmp_path / "clip.mp4", 1, crossing("Dress", 0))
    with Mosquitto() as broker:
        text = f"[mqtt]\nport = {broker.port}\n[[cameras]]\nid = 'door'\nsource = '{video}'\n"
        code, lines = checked(tmp_path / "vestibule.toml", text)
    assert code == 0, lines
    assert [line.split()[0] for line in lines] == ["ok"] * 6
    assert "camera door: 400x240" in lines[3]
    assert lines[5] == "ok     ledger: none is kept; set ledger.path if reports are wanted"


@pytest.mark.parametrize(("size", "code"), [((400, 240), 0), ((400, 300), 1)])
def test_both_streams_of_a_camera_are_opened_and_compared(tmp_path: Path, size: tuple[int, int], code: int) -> None:
    main = write_clip(tmp_path / "main.mp4", moving_square(30, 800, 480), fps=25)
    small = write_clip(tmp_path / "sub.mp4", moving_square(30, *size), fps=25)
    with rtsp_camera(main, "--sub", str(small)) as camera:
        text = f"[[cameras]]\nid = 'door'\nsource = '{camera.address}'\ndetect_source = '{camera.sub_address}'\n"
        (line,) = [line for line in checked(tmp_path / "a.toml", text)[1] if "camera door" in line]
    told = "camera door: 400x240 to detect on, people cut out of 800x480"
    refused = f"camera door ({camera.address}): the main stream is 800x480 and the sub-stream 400x300, of another shape"
    assert line.startswith(f"FAILED {refused}" if code else f"ok     {told}")


def test_each_failure_has_its_line_and_the_rest_is_tried(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = (
        f"[mqtt]\nport = {port}\nconnect_timeout_s = 2\n"
        "[[cameras]]\nid = 'a'\nsource = '/nosuch.mp4'\n[[cameras]]\nid = 'b'\nsource = '99'\n"
    )
    code, lines = checked(tmp_path / "vestibule.toml", text)
    assert code == 1
    assert [line.split()[0] for line in lines] == ["ok", "ok", "ok", "FAILED", "FAILED", "FAILED", "ok"]
    assert "/nosuch.mp4" in lines[3]
    assert [line.count("camera b") for line in lines] == [0, 0, 0, 0, 1, 0, 0]
    assert str(port) in lines[5]


def test_a_staff_page_that_is_set_up_has_its_line(tmp_path: Path) -> None:
    text = f"[mqtt]\nport = 1\nconnect_timeout_s = 1\n[web]\nstate_dir = '{tmp_path / 'web'}'\n"
    _, lines = checked(tmp_path / "vestibule.toml", text)
    assert "ok     staff page: http://127.0.0.1:8780, no TLS here, not started yet" in lines
    _, lines = checked(tmp_path / "vestibule.toml", text + "cert_file = '/nowhere.crt'\n")
    assert [line for line in lines if line.startswith("FAILED staff page: web.cert_file /nowhere.crt: ")]


def test_a_bad_configuration_is_one_line(tmp_path: Path) -> None:
    code, lines = checked(tmp_path / "vestibule.toml", "[sight]\nid='x'")
    assert code == 1
    assert len(lines) == 1
    assert "sight: unknown key" in lines[0]


def test_no_camera_is_a_failure(tmp_path: Path) -> None:
    code, lines = checked(tmp_path / "vestibule.toml", "[mqtt]\nport = 1\nconnect_timeout_s = 1")
    assert code == 1
    assert any(line.startswith("FAILED cameras") for line in lines)


def test_a_garment_that_can_never_alert_is_named(tmp_path: Path) -> None:
    text = "[mqtt]\nport = 1\nconnect_timeout_s = 1\n[[alerts]]\nname = 'romper'\nany_of = ['Romper']"
    _, lines = checked(tmp_path / "vestibule.toml", text)
    assert "alert romper can never name Romper (likely)" in lines[2]


def test_the_ledger_has_a_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    text = f"[ledger]\npath = '{path}'\nretention_days = 30\n"
    assert checked(tmp_path / "vestibule.toml", text)[1][4] == f"ok     ledger {path}: a new one, kept for 30 days"
    assert not path.exists()
    sink = ledger(path)
    sink.publish(visit())
    sink.close()
    line = checked(tmp_path / "vestibule.toml", text)[1][4]
    assert line == f"ok     ledger {path}: 1 visits since 2023-11-15, kept for 30 days"
    line = checked(tmp_path / "vestibule.toml", f"[ledger]\npath = '{tmp_path}/nowhere/x'\n")[1][4]
    assert line.startswith(f"FAILED ledger {tmp_path}/nowhere/x: cannot be written")


def test_snapshots_are_told_and_their_folder_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    _, lines = checked(tmp_path / "a.toml", f"[snapshots]\nmode = 'blurred'\nfolder = '{tmp_path}/pictures'\n")
    assert f"ok     snapshots: blurred, in {tmp_path}/pictures for 24 h" in lines
    assert not (tmp_path / "pictures").exists()
    _, lines = checked(tmp_path / "a.toml", "[snapshots]\nmode = 'full'\n")
    assert "ok     snapshots: full, in the service's state directory for 24 h" in lines


def test_the_installer_s_page_is_told_where_it_is_and_what_is_wrong_with_its_password(tmp_path: Path) -> None:
    text = f"[installer]\nenabled = true\npassword_file = '{tmp_path}/password'\n"
    assert any("password: cannot be read" in line for line in checked(tmp_path / "a.toml", text)[1])
    (tmp_path / "password").write_text("too short\n", encoding="utf-8")
    lines = checked(tmp_path / "a.toml", text)[1]
    assert any(line.startswith("FAILED installer: ") and "the password is too short" in line for line in lines), lines
    (tmp_path / "password").write_text("long enough for this\n", encoding="utf-8")
    assert any(
        line.startswith("ok     installer: its page is at 127.0.0.1:9465")
        for line in checked(tmp_path / "a.toml", text)[1]
    )
