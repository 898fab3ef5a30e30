import json
import logging
import sys
import threading
import warnings
from collections import Counter
from datetime import datetime, timedelta

import pytest
import structlog
from pydantic import SecretStr

from vestibule import log
from vestibule.sections import LogConfig

SECRET = SecretStr("hunter2")


Capture = pytest.CaptureFixture[str]


def lines(capture: Capture) -> list[dict[str, object]]:
    return [json.loads(line) for line in capture.readouterr().err.splitlines()]


def test_a_line_says_when_who_how_bad_and_what(capsys: Capture) -> None:
    log.configure(LogConfig())
    structlog.get_logger("vestibule.sources.network").info("camera open", camera="door", fps=12.5)
    (line,) = lines(capsys)
    moment = datetime.fromisoformat(str(line.pop("timestamp")))
    assert moment.utcoffset() == timedelta(0)
    assert line == {
        "event": "camera open",
        "camera": "door",
        "fps": 12.5,
        "level": "info",
        "logger": "vestibule.sources.network",
    }


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_our_events_pass_from_the_configured_level_on(capsys: Capture, level: str, expected: list[str]) -> None:
    log.configure(LogConfig.model_validate({"level": level}))
    logger = structlog.get_logger("vestibule.pipeline")
    for method in ("debug", "info", "warning", "error"):
        getattr(logger, method)("event")
    assert [line["level"] for line in lines(capsys)] == expected


def test_libraries_pass_from_warnings_on_in_the_same_form(capsys: Capture) -> None:
    log.configure(LogConfig(level="debug"), [SECRET])
    library = logging.getLogger("paho.mqtt.client")
    library.info("Sending CONNECT")
    library.warning("refused %s at %s", "hunter2", "mqtt://v:w@broker")
    (line,) = lines(capsys)
    assert line["event"] == "refused *** at mqtt://***@broker"
    assert (line["level"], line["logger"]) == ("warning", "paho.mqtt.client")


def test_warnings_are_lines_too(capsys: Capture) -> None:
    log.configure(LogConfig())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old setting", UserWarning, stacklevel=1)
    (line,) = lines(capsys)
    assert "UserWarning: old setting" in str(line["event"])


def refuse() -> None:
    raise ConnectionError("rtsp://viewer:other@cam/a refused hunter2") from ValueError("hunter2")


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_is_written(capsys: Capture, form: str) -> None:
    log.configure(LogConfig.model_validate({"format": form}), [SECRET])
    logger = structlog.get_logger("vestibule.pipeline").bind(bound="hunter2")
    logger.info("with hunter2", nested={"deep": ["rtsp://v:w@cam/a", ("hunter2",)]}, error=OSError("hunter2"))
    try:
        refuse()
    except ConnectionError:
        logger.exception("source failed")
        logging.getLogger("av").exception("hunter2")
    written = capsys.readouterr().err
    assert written.count("ConnectionError") >= 2
    assert "with ***" in written
    assert "rtsp://***@cam/a" in written
    for hidden in ("hunter2", "viewer:other", "v:w@"):
        assert hidden not in written


def test_a_traceback_is_one_json_line(capsys: Capture) -> None:
    log.configure(LogConfig())
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        structlog.get_logger("vestibule").exception("thread failed", thread="vision")
    (line,) = lines(capsys)
    assert "ZeroDivisionError: division by zero" in str(line["exception"])
    assert line["thread"] == "vision"


def test_auto_is_text_on_a_terminal(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    log.configure(LogConfig(format="auto"))
    structlog.get_logger("vestibule").info("camera open", camera="door")
    written = capsys.readouterr().err
    assert not written.startswith("{")
    assert "camera open" in written
    assert "\x1b[" in written


def test_json_stays_json_on_a_terminal(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    log.configure(LogConfig(format="json"))
    structlog.get_logger("vestibule").info("camera open")
    assert lines(capsys)[0]["event"] == "camera open"


def test_text_in_a_file_has_no_colours(capsys: Capture) -> None:
    log.configure(LogConfig(format="console"))
    structlog.get_logger("vestibule").error("camera gone", camera="door")
    written = capsys.readouterr().err
    assert "camera gone" in written
    assert "\x1b[" not in written


def test_a_second_call_replaces_the_first(capsys: Capture) -> None:
    logger = structlog.get_logger("vestibule.early")
    log.configure(LogConfig(level="error"))
    log.configure(LogConfig(level="info"))
    logger.info("once")
    logging.getLogger("paho").warning("twice")
    assert [line["event"] for line in lines(capsys)] == ["once", "twice"]


def test_lines_of_many_threads_stay_whole(capsys: Capture) -> None:
    log.configure(LogConfig())
    logger = structlog.get_logger("vestibule")

    def say(n: int) -> None:
        for _ in range(50):
            logger.info("event", n=n, text="x" * 200)

    threads = [threading.Thread(target=say, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert Counter(line["n"] for line in lines(capsys)) == dict.fromkeys(range(4), 50)


def test_a_password_that_was_changed_meanwhile_is_masked_too(capsys: Capture) -> None:
    log.configure(LogConfig(), [SECRET])
    log.mask_too(SecretStr("tr0ub4dor"))
    structlog.get_logger("vestibule").error("refused", problem="hunter2, tr0ub4dor")
    log.configure(LogConfig())
    structlog.get_logger("vestibule").error("refused", problem="tr0ub4dor")
    assert [line["problem"] for line in lines(capsys)] == ["***, ***", "tr0ub4dor"]
