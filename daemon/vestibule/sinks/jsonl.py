"""Events as lines of a file."""

import fcntl
import json
import os
import time
from collections import deque
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import Literal

import structlog

from vestibule.errors import SinkError
from vestibule.types import Message

_WAITING_LINES = 20_000
_RETRY_S = 5.0

_log = structlog.get_logger(__name__)


class JsonlSink:
    """Writes one JSON object a line: `topic`, `at_s` since the start, and `payload` byte for byte as published.

    Every line is handed to the operating system before `publish` returns; a process that is killed loses none.
    `publish` and `tend` may be called from two threads.

    Args:
        path: the file; its folder must exist.
        start_s: Unix seconds that `at_s` counts from; 0 leaves Unix seconds.
        append: go on at the end of an existing file (daemon) instead of starting it afresh (replay).
        patient: outlast a full or failing disk: keep lines in memory, the newest 20,000, say so in the log, and write
            them when there is room again (daemon) instead of raising (replay).
        clock: seconds that only grow; spaces the tries.

    Raises:
        SinkError: the file cannot be opened for writing.
    """

    def __init__(
        self,
        path: Path,
        *,
        start_s: float = 0.0,
        append: bool = False,
        patient: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._start_s = start_s
        self._mode: Literal["ab", "wb"] = "ab" if append else "wb"
        self._patient = patient
        self._clock = clock
        self._file: FileIO | None = None
        self._closed = False
        self._problem: str | None = None
        self._turn = Lock()
        self._waiting: deque[memoryview] = deque()
        self._retry_at_s, self._lost = 0.0, 0
        try:
            self._flush()
        except OSError as error:
            self._fail(error, starting=True)

    @property
    def problem(self) -> str | None:
        """Why the file does not take what it should, with the remedy; None if it does."""
        return self._problem

    def publish(self, message: Message) -> None:
        """Write one line for an event; what is retained is none.

        Raises:
            SinkError: the line cannot be written, for example because the disk is full; never if `patient`.
        """
        if message.retain:
            return
        topic = json.dumps(message.topic, ensure_ascii=False).encode()
        at_s = json.dumps(round(message.at_s - self._start_s, 3)).encode()
        line = b'{"topic":' + topic + b',"at_s":' + at_s + b',"payload":' + message.payload + b"}\n"
        with self._turn:
            self._waiting.append(memoryview(line))
            self._write()

    def tend(self) -> None:
        """Try a disk that failed again, also if no event comes; call it often, it keeps its own pauses."""
        if self._problem is None or not self._turn.acquire(blocking=False):  # else an event is being written just now
            return
        try:
            self._write()
        finally:
            self._turn.release()

    def close(self) -> None:
        """Write what waits, if the disk takes it, and close the file; safe to call twice."""
        with self._turn:
            if self._closed:
                return
            self._closed = True
            if self._waiting and self._patient:
                try:
                    self._flush()
                except OSError:
                    _log.error("events file not written", file=str(self._path), lost=len(self._waiting))
            if self._file is not None:
                self._file.close()

    def _write(self) -> None:
        """Write what waits, unless the last try was just now."""
        if self._problem is not None and self._clock() < self._retry_at_s:
            self._forget_oldest()
            return
        try:
            self._flush()
        except OSError as error:
            self._fail(error)
        else:
            if self._problem is not None:
                _log.info("events file written again", file=str(self._path), lost=self._lost)
            self._problem, self._lost = None, 0

    def _flush(self) -> None:
        """Open the file if it is not yet; write what waits. A line taken in part goes on where it stopped."""
        if self._file is None:
            torn = self._mode == "ab" and _ends_mid_line(self._path)
            self._file = self._open()
            if torn:
                self._waiting.appendleft(memoryview(b"\n"))
        while self._waiting:
            line = self._waiting[0]
            line = line[self._file.write(line) :]
            if line:
                self._waiting[0] = line
            else:
                self._waiting.popleft()

    def _open(self) -> FileIO:
        # Unbuffered: no half-written line waits in this process, and closing cannot fail on a full disk.
        file = self._path.open(self._mode, buffering=0)
        if self._mode == "ab":
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # `vestibule forget` rewrites what nobody holds
            except BlockingIOError:
                file.close()
                raise
            except OSError:
                _log.debug("events file not locked: its file system knows no locks", file=str(self._path))
        return file

    def _fail(self, error: OSError, *, starting: bool = False) -> None:
        told = self._explain(error)
        misnamed = isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError))
        if not self._patient or (starting and misnamed):
            raise told from error
        if self._problem is None:
            _log.error("events file not written; lines are kept in memory until it is", problem=str(told))
        self._problem, self._retry_at_s = str(told), self._clock() + _RETRY_S
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        """Keep memory bounded; never the first line, which may be half written."""
        if len(self._waiting) > _WAITING_LINES:
            del self._waiting[1]
            self._lost += 1

    def _explain(self, error: OSError) -> SinkError:
        match error:
            case FileNotFoundError():
                remedy = f"make the folder {self._path.parent} first"
            case PermissionError() | IsADirectoryError() | NotADirectoryError():
                remedy = "name a file in a folder that this user may write to"
            case _:
                remedy = "free some space or name a file on another disk"
        return SinkError(f"events file {self._path}: {error.strerror or error}; {remedy}")


def _ends_mid_line(path: Path) -> bool:
    """Whether the last line lacks its newline, as after a power cut; appending to it would spoil two events."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
