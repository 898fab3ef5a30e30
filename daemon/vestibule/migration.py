"""Configuration files of earlier versions -> this version's, comments and all."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

from vestibule import config
from vestibule.config_file import rewrite

_NO_SETTING = re.compile(r"\s*(#.*)?")


def _name_the_version(text: str) -> str:
    """0 -> 1: files did not say of which version they are."""
    lines = text.splitlines(keepends=True)
    first = next((i for i, line in enumerate(lines) if not _NO_SETTING.fullmatch(line.rstrip("\n"))), len(lines))
    end = "" if not lines or first == 0 or lines[first - 1].endswith("\n") else "\n"
    return "".join([*lines[:first], f"{end}config_version = 1\n", *lines[first:]])


_STEPS: tuple[Callable[[str], str], ...] = (_name_the_version,)
"""The step from version N to N + 1 at N."""
assert len(_STEPS) == config.VERSION  # noqa: S101 - a version without its step is a mistake of ours


def migrate(path: Path) -> str:
    """Rewrite a configuration file as this version's, and say in one line what was done.

    The old file stays beside it, as `FILE.v0` and so on. Nothing is written if the result would not load.

    Raises:
        ConfigError: the file cannot be read or written, or something else is wrong with it.
    """
    version = config.load(path).config_version
    if version == config.VERSION:
        return f"{path} is of version {version} already; nothing to do"
    text = path.read_text(encoding="utf-8")
    for step in _STEPS[version:]:
        text = step(text)
    tomllib.loads(text)
    kept = path.with_name(f"{path.name}.v{version}")
    rewrite(path, text, kept)
    return f"{path} is of version {config.VERSION} now; the old file is {kept}"
