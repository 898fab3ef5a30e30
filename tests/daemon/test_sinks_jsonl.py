import errno
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest
from fakes import Clock
from mqtt_client import make_message
from small_disk import small_disk
from structlog.testing import capture_logs

from vestibule.errors import SinkError
from vestibule.sinks import JsonlSink
from vestibule.types import Message

REMEDY = "free some space or name a file on another disk"
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


def test_how_things_stand_is_no_event(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink = JsonlSink(path)
    sink.publish(Message(topic="vestibule/store/counts/door/Dress", at_s=1.0, payload=b"3", retain=True))
    sink.publish(PLAIN)
    sink.close()
    assert len(path.read_bytes().splitlines()) == 1


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


class TestPatience:
    """A disk that takes `room` bytes and no more."""

    @pytest.fixture
    def disk(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[JsonlSink, int], None]:
        def limit(sink: JsonlSink, room: int) -> None:
            assert sink._file is not None
            real = sink._file
            left = [room]

            class Full:
                def write(self, data: memoryview) -> int:
                    if not left[0]:
                        raise OSError(errno.ENOSPC, "No space left on device")
                    count = real.write(data[: left[0]])
                    assert count is not None
                    left[0] -= count
                    return count

                def close(self) -> None:
                    real.close()

            monkeypatch.setattr(sink, "_file", Full() if room < 1_000_000 else real)

        return limit

    def test_lines_wait_in_memory_and_follow_whole(
        self, tmp_path: Path, disk: Callable[[JsonlSink, int], None]
    ) -> None:
        now_s, path = [0.0], tmp_path / "events.jsonl"
        sink = JsonlSink(path, append=True, patient=True, clock=lambda: now_s[0])
        sound = sink._file
        disk(sink, 100)  # part of the first line
        with capture_logs() as log:
            for number in range(4):
                sink.publish(make_message(number))
            assert path.stat().st_size == 100
            sink._file = sound
            now_s[0] = 6.0
            sink.publish(make_message(4))
        sink.close()
        assert [json.loads(line)["payload"]["seq"] for line in path.read_bytes().splitlines()] == [0, 1, 2, 3, 4]
        assert [entry["event"] for entry in log] == [
            "events file not written; lines are kept in memory until it is",
            "events file written again",
        ]

    def test_room_is_noticed_without_any_event(self, tmp_path: Path) -> None:
        clock = Clock()
        with small_disk(tmp_path / "disk") as mounted:
            path = mounted.folder / "events.jsonl"
            sink = JsonlSink(path, append=True, patient=True, clock=clock)
            mounted.fill()
            for number in range(20):  # the last block of the file has some room
                sink.publish(make_message(number))
            assert sink.problem == f"events file {path}: No space left on device; {REMEDY}"
            clock.now_s += 60
            sink.tend()
            assert sink.problem is not None  # as full as before
            mounted.empty()
            sink.tend()
            assert sink.problem is not None  # its pause is not over
            clock.now_s += 60
            sink.tend()
            assert sink.problem is None
            lines = path.read_bytes().splitlines()  # before closing
            sink.close()
        assert [json.loads(line)["payload"]["seq"] for line in lines] == list(range(20))

    def test_two_threads_write_each_line_once(self, tmp_path: Path) -> None:
        """A disk that refuses every other write, while one thread publishes and the other tends."""
        path, done = tmp_path / "events.jsonl", Event()
        sink = JsonlSink(path, append=True, patient=True, clock=itertools.count(0, 10).__next__)
        assert sink._file is not None
        real, refuses = sink._file, itertools.cycle([True, False])

        class Flaky:
            def write(self, data: memoryview) -> int:
                if next(refuses):
                    raise OSError(errno.ENOSPC, "No space left on device")
                return real.write(data[: len(data) // 2 + 1]) or 0

            def close(self) -> None:
                real.close()

        def tend() -> None:
            while not done.is_set() or sink.problem is not None:
                sink.tend()

        sink._file = Flaky()  # type: ignore[assignment]
        tending = Thread(target=tend)
        tending.start()
        for number in range(300):
            sink.publish(make_message(number))
        done.set()
        tending.join(60)
        sink._file = real
        sink.close()
        assert [json.loads(line)["payload"]["seq"] for line in path.read_bytes().splitlines()] == list(range(300))

    def test_memory_is_bounded_and_the_torn_line_is_kept(
        self, tmp_path: Path, disk: Callable[[JsonlSink, int], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("vestibule.sinks.jsonl._WAITING_LINES", 3)
        now_s, path = [0.0], tmp_path / "events.jsonl"
        sink = JsonlSink(path, append=True, patient=True, clock=lambda: now_s[0])
        sound = sink._file
        disk(sink, 50)
        for number in range(6):
            sink.publish(make_message(number))
        sink._file = sound
        sink.close()
        assert [json.loads(line)["payload"]["seq"] for line in path.read_bytes().splitlines()] == [0, 4, 5]

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
    def test_a_disk_that_stays_full_raises_nothing_and_is_told_at_the_end(self) -> None:
        with capture_logs() as log:
            sink = JsonlSink(Path("/dev/full"), append=True, patient=True)
            sink.publish(PLAIN)
            sink.publish(PLAIN)
            sink.close()
        assert [(entry["event"], entry.get("lost")) for entry in log] == [
            ("events file not written; lines are kept in memory until it is", None),
            ("events file not written", 2),
        ]

    def test_a_wrong_name_is_still_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(SinkError, match="make the folder"):
            JsonlSink(tmp_path / "missing" / "events.jsonl", append=True, patient=True)
