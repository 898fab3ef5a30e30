"""The folder of snapshots: one JPEG an alert, readable by the daemon alone, deleted when its time is over."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vestibule.errors import ConfigError

_SUFFIX = ".snapshot.jpg"
"""Nothing else is ever deleted, should the folder hold more."""
_NAME = re.compile(r"^[A-Za-z0-9_-]{1,200}$")


class SnapshotFolder:
    """Snapshots by the id of their alert; a file's modification time is when its alert was raised.

    Args:
        path: made if it is not there; nobody else may look into it.
        keep_s: how long each is kept.
        max_bytes: the oldest go when all together are larger.

    Raises:
        ConfigError: the folder cannot be made or written to.
    """

    def __init__(self, path: Path, *, keep_s: float, max_bytes: int) -> None:
        self._path, self._keep_s, self._max_bytes = path, keep_s, max_bytes
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o700)
        except OSError as error:
            raise ConfigError(
                f"snapshots.folder {path}: cannot be used ({error.strerror}); name a folder that the daemon owns"
            ) from error

    def put(self, alert_id: str, jpeg: bytes, at_s: float) -> None:
        """Write one, whole or not at all.

        Raises:
            OSError: it cannot be written; nothing of it is left.
            ValueError: no alert has such an id.
        """
        if not _NAME.match(alert_id):
            raise ValueError(f"no alert's id: {alert_id!r}")
        target = self._path / (alert_id + _SUFFIX)
        draft = self._path / f".{alert_id}{_SUFFIX}"
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor
                file.write(jpeg)
            os.utime(draft, (at_s, at_s))
            draft.replace(target)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def sweep(self, now_s: float) -> int:
        """Delete those whose time is over and what is too much, and drafts left by a crash; return how many went.

        One dated far ahead, by a clock that was wrong, has had its time too.
        """
        gone, kept_bytes = 0, 0
        for path, at_s, size in sorted(self._files(), key=lambda file: -file[1]):
            kept_bytes += size
            if abs(now_s - at_s) > self._keep_s or kept_bytes > self._max_bytes or path.name.startswith("."):
                path.unlink(missing_ok=True)
                gone += 1
        return gone

    def alerts(self) -> list[tuple[str, float]]:
        """Return (alert_id, when it was raised in Unix seconds), newest first."""
        found = [(p.name.removesuffix(_SUFFIX), at_s) for p, at_s, _ in self._files() if not p.name.startswith(".")]
        return sorted(found, key=lambda one: -one[1])

    def jpeg(self, alert_id: str) -> bytes | None:
        """Return one, or None if there is none."""
        if not _NAME.match(alert_id):
            return None
        try:
            return (self._path / (alert_id + _SUFFIX)).read_bytes()
        except OSError:
            return None

    def _files(self) -> Iterator[tuple[Path, float, int]]:
        for path in self._path.glob(f"*{_SUFFIX}"):
            with suppress(FileNotFoundError):  # another has deleted it meanwhile
                known = path.lstat()
                yield path, known.st_mtime, known.st_size


def forget(path: Path, before_s: float) -> int:
    """Delete the snapshots of alerts raised before a time, Unix seconds; return how many there were.

    Raises:
        OSError: one cannot be deleted.
    """
    if not path.is_dir():
        return 0
    gone = 0
    for one in path.glob(f"*{_SUFFIX}"):
        if one.lstat().st_mtime < before_s:
            one.unlink(missing_ok=True)
            gone += 1
    return gone
