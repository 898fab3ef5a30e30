"""The configuration's file, rewritten: whole or not at all, and never into something that does not load."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from vestibule import config
from vestibule.errors import ConfigError


def rewrite(path: Path, text: str, kept: Path, approve: Callable[[config.Settings], None] = lambda _: None) -> None:
    """Replace the file by a text that loads; the old one stays as `kept`.

    Args:
        path: the file; where it is a link, what it leads to.
        text: of the new one.
        kept: where the old one goes.
        approve: looks at what was read from the new one, and raises ConfigError to keep the old.

    Raises:
        ConfigError: the file cannot be written, or the new one does not load.
    """
    path = path.resolve()
    new = path.with_name(f"{path.name}.new")
    try:
        shutil.copy2(path, kept)
        shutil.copy2(path, new)  # its mode
        os.chown(new, path.stat().st_uid, path.stat().st_gid)
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        approve(config.load(new))
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise ConfigError(f"configuration {path}: cannot be rewritten ({error.strerror}); check permissions") from error
    except ConfigError as error:
        new.unlink(missing_ok=True)
        raise ConfigError(str(error).replace(str(new), str(path))) from error
