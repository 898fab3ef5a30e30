import json
from pathlib import Path

import pytest
from mqtt_client import make_message

from vestibule.errors import SinkError
from vestibule.sinks import JsonlSink
from vestibule.types import Message

PLAIN = Message(topic="vestibule/store/alerts", at_s=1002.34567, payload=b'{"b":1,"a":"\xc3\xa9"}')


def test_a_line_is_topic_time_and_the_payload_verbatim(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink = JsonlSink(path, start_s=1000.0)
    sink.publish(PLAIN)
    expected = b'{"topic":"vestibule/store/alerts","at_s":2.346,"payload":{"b":1,"a":"\xc3\xa9"}}\n'
    assert path.read_bytes() == expected  # before closing: nothing waits in this process
    sink.publish(make_message(2))
    sink.close()
    sink.close()
    second = json.loads(path.read_bytes().splitlines()[1])
    assert second["payload"] == json.loads(make_message(2).payload)


def test_a_replay_starts_afresh_and_a_daemon_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for append, lines in ((False, 1), (False, 1), (True, 2)):
        sink = JsonlSink(path, append=append)
        sink.publish(PLAIN)
        sink.close()
        assert len(path.read_bytes().splitlines()) == lines


def test_a_torn_last_line_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"topic":"half a li')
    sink = JsonlSink(path, append=True)
    sink.publish(PLAIN)
    sink.close()
    assert json.loads(path.read_bytes().splitlines()[-1])["payload"] == {"b": 1, "a": "é"}


def test_errors_name_the_file_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"events\.jsonl: No such file.*make the folder .*missing first"):
        JsonlSink(tmp_path / "missing" / "events.jsonl")
    with pytest.raises(SinkError, match=r"Is a directory; name a file"):
        JsonlSink(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_told_and_closing_does_not_fail() -> None:
    sink = JsonlSink(Path("/dev/full"))
    with pytest.raises(SinkError, match=r"/dev/full: No space left on device; free some space"):
        sink.publish(PLAIN)
    sink.close()
