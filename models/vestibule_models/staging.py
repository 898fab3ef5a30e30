"""Write a folder as a whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vestibule_models.artifact import ArtifactError


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path` to fill, and rename it to `path` if the block ends without an error.

    Whoever looks at `path` sees nothing, or everything. What a killed run left behind is a hidden folder beside it.

    Raises:
        ArtifactError: `path` exists, or its parent cannot be written.
    """
    if path.exists():
        raise ArtifactError(f"{path} is there already; name a new folder, or remove that one first")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise ArtifactError(f"cannot write {path} ({error.strerror}); name a folder that you may write") from error
    try:
        yield unfinished
        unfinished.chmod(0o777 & ~_umask())  # mkdtemp keeps others out; a daemon of another user must read it
        for file in unfinished.rglob("*"):
            _flush(file)
        unfinished.rename(path)
        _flush(path.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _flush(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
