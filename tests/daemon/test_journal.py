import io
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.journal import JournalHandler, entry, is_journal


def parsed(data: bytes) -> dict[str, bytes]:
    """Read an entry as the journal does."""
    fields, stream = {}, io.BytesIO(data)
    while line := stream.readline():
        name, equals, value = line[:-1].partition(b"=")
        if not equals:
            value = stream.read(int.from_bytes(stream.read(8), "little"))
            assert stream.read(1) == b"\n"
        fields[name.decode()] = value
    return fields


def test_a_json_line_has_fields_of_its_own() -> None:
    line = json.dumps({"event": "camera state", "camera": "door", "connects": 3, "level": "warning", "odd key": 1})
    assert parsed(entry(line, logging.WARNING)) == {
        "MESSAGE": line.encode(),
        "PRIORITY": b"4",
        "SYSLOG_IDENTIFIER": b"vestibule",
        "VESTIBULE_EVENT": b"camera state",
        "VESTIBULE_CAMERA": b"door",
        "VESTIBULE_CONNECTS": b"3",
    }


@pytest.mark.parametrize("line", ["plain text", "[1, 2]", "12", "null", "{"])
def test_other_lines_are_a_message_only(line: str) -> None:
    assert set(parsed(entry(line, logging.INFO))) == {"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER"}


@given(st.dictionaries(st.text(max_size=10), st.one_of(st.text(), st.integers(), st.none())), st.text())
def test_no_text_can_forge_a_field(values: dict[str, str | int | None], text: str) -> None:
    for line in (json.dumps(values), text):
        fields = parsed(entry(line, logging.ERROR))
        assert fields["MESSAGE"].decode() == line.encode("utf-8", "replace").decode()
        assert fields["PRIORITY"] == b"3"
        known = {"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER"}
        assert all(name in known or name.startswith("VESTIBULE_") for name in fields)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "journal"))
        listener.settimeout(5)
        yield listener


def test_lines_reach_the_journal(journal: socket.socket) -> None:
    handler = JournalHandler(journal.getsockname())
    handler.emit(logging.LogRecord("vestibule", logging.INFO, "x.py", 1, "all is well", None, None))
    handler.close()
    assert parsed(journal.recv(4096))["MESSAGE"] == b"all is well"


def test_a_journal_that_is_gone_loses_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handler = JournalHandler(str(tmp_path / "nowhere"))
    handler.emit(logging.LogRecord("vestibule", logging.INFO, "x.py", 1, "all is well", None, None))
    handler.close()
    assert capsys.readouterr().err == "all is well\n"


def test_only_the_stream_that_systemd_names_is_the_journal(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        status = os.fstat(file.fileno())
        assert is_journal(file.fileno(), {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        assert not is_journal(file.fileno(), {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + 1}"})
        assert not is_journal(file.fileno(), {})
    assert not is_journal(file.fileno() if not file.closed else 999_999, {"JOURNAL_STREAM": "1:2"})


def test_an_uncaught_error_is_logged_with_its_secrets_masked() -> None:
    program = (
        "from pydantic import SecretStr\n"
        "from vestibule import log\nfrom vestibule.sections import LogConfig\n"
        "log.configure(LogConfig(format='json'), [SecretStr('hunter2')])\n"
        "raise RuntimeError('rtsp://anna:hunter2@cam says hunter2')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert json.loads(done.stderr)["event"] == "ended by an error"
    assert "hunter2" not in done.stderr
