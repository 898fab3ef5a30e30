"""The folder that the staff page keeps: its signing key, and the databases beside it."""

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from vestibule.errors import ConfigError

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What was found or made in `web.state_dir`.

    Attributes:
        folder: the folder.
        key: signs cookies and pairing codes; hexadecimal.
    """

    folder: Path
    key: SecretStr

    @property
    def client_id(self) -> str:
        """Our name at the broker: the same after every start, another one in every folder."""
        return f"vestibule-web-{hashlib.sha256(self.key.get_secret_value().encode()).hexdigest()[:12]}"


def make_state(folder: Path) -> State:
    """Open the folder, and make it and the key at the first start.

    Raises:
        ConfigError: it cannot be written, or its key is not ours.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = folder / f"key.new-{os.getpid()}"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:  # noqa: PTH123 - with a mode
            file.write(secrets.token_hex(_KEY_BYTES))
        try:
            os.link(draft, folder / "key")  # whole or not at all, and never over another one
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    except OSError as error:
        raise ConfigError(
            f"web.state_dir {folder}: {error.strerror}; name a folder that this user can write"
        ) from error
    return open_state(folder)


def open_state(folder: Path) -> State:
    """Open the folder of a service that has been started before.

    Raises:
        ConfigError: there is none, it cannot be read, or its key is not ours.
    """
    path = folder / "key"
    try:
        key = path.read_text(encoding="ascii").strip()
    except FileNotFoundError as error:
        raise ConfigError(
            f"web.state_dir {folder}: holds no key; start `vestibule web` with this configuration first"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"web.state_dir {folder}: its key cannot be read ({error}); run this as root or the service's user"
        ) from error
    if len(key) != 2 * _KEY_BYTES or not set(key) <= set("0123456789abcdef"):
        raise ConfigError(f"{path}: is no key of ours; remove it and restart the service, then pair the phones again")
    return State(folder=folder, key=SecretStr(key))
