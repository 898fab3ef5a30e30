"""Passwords from files, as systemd hands them to a service."""

import os
from pathlib import Path

from pydantic import SecretStr

from vestibule.errors import ConfigError


def credential_path(path: Path) -> Path:
    """Return where a credential file lies; a bare name is one of systemd's `$CREDENTIALS_DIRECTORY`."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory or path.name != str(path):
        return path
    # The service loads a whole folder of secrets, each of which systemd then calls secret_NAME.
    given, of_folder = Path(directory) / path, Path(directory) / f"secret_{path}"
    return of_folder if of_folder.exists() and not given.exists() else given


def read_secret(path: Path) -> SecretStr:
    """Return the first line of a credential file; a bare name is one of systemd's `$CREDENTIALS_DIRECTORY`.

    Raises:
        ConfigError: the file cannot be read or is empty.
    """
    path = credential_path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"password_file {path}: cannot be read ({error}); name a readable text file") from error
    if not lines or not lines[0]:
        raise ConfigError(f"password_file {path}: is empty; its first line must be the password")
    return SecretStr(lines[0])
