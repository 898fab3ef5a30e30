"""Events as lines of a file."""

import json
import os
from pathlib import Path

from vestibule.errors import SinkError
from vestibule.types import Message


class JsonlSink:
    """Writes one JSON object a line: `topic`, `at_s` since the start, and `payload` byte for byte as published.

    Every line is handed to the operating system before `publish` returns; a process that is killed loses none.

    Args:
        path: the file; its folder must exist.
        start_s: Unix seconds that `at_s` counts from; 0 leaves Unix seconds.
        append: go on at the end of an existing file (daemon) instead of starting it afresh (replay).

    Raises:
        SinkError: the file cannot be opened for writing.
    """

    def __init__(self, path: Path, *, start_s: float = 0.0, append: bool = False) -> None:
        self._path = path
        self._start_s = start_s
        try:
            torn = append and _ends_mid_line(path)
            # Unbuffered: no half-written line waits in this process, and closing cannot fail on a full disk.
            self._file = path.open("ab" if append else "wb", buffering=0)
        except OSError as error:
            raise self._explain(error) from error
        if torn:
            self._write(b"\n")

    def publish(self, message: Message) -> None:
        """Write one line.

        Raises:
            SinkError: the line cannot be written, for example because the disk is full.
        """
        topic = json.dumps(message.topic, ensure_ascii=False).encode()
        at_s = json.dumps(round(message.at_s - self._start_s, 3)).encode()
        self._write(b'{"topic":' + topic + b',"at_s":' + at_s + b',"payload":' + message.payload + b"}\n")

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._file.close()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise self._explain(error) from error

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
