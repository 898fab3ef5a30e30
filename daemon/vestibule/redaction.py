"""Keeps passwords out of logs and messages."""

import json
import re
from collections.abc import Collection, Mapping
from pathlib import PurePath
from urllib.parse import quote

from pydantic import SecretStr

MASK = "***"

# A user and a password, even one with a '/', '?' or '#' as it is, which ends the address there for every parser; digits
# before the path are a port.
_LOGIN = re.compile(r"(?<=://)[^\s/@:\[]*:(?!\d+(?:[/?#\s]|$))[^\s@]*@")
# RFC 3986, section 3.2: whatever stands before the last '@' of the part up to the path.
_USERINFO = re.compile(rf"(?<=://)(?:[^\s/?#@]*@)+|{_LOGIN.pattern}")


def has_password(address: str) -> bool:
    """Tell whether an address carries a password: `rtsp://user:password@host/path`."""
    return _LOGIN.search(address) is not None


def mask_userinfo(text: str) -> str:
    """Replace the user and the password of every address in a text: `rtsp://***@host/path`."""
    return _USERINFO.sub(f"{MASK}@", text)


class Redactor:
    """Masks known secrets, and the user part of addresses, in text and in whatever holds text.

    Args:
        secrets: what must never be written; empty ones are passed over.
    """

    def __init__(self, secrets: Collection[SecretStr]) -> None:
        self._known = {*secrets}
        spelt = {form for secret in secrets for form in _spellings(secret.get_secret_value())}
        longest_first = sorted(spelt, key=lambda form: (-len(form), form))
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if spelt else None

    def knowing(self, secret: SecretStr) -> "Redactor":
        """Return one that masks this secret too."""
        return self if secret in self._known else Redactor({*self._known, secret})

    def text(self, value: str) -> str:
        """Return the text with secrets masked."""
        if self._secrets is not None:
            value = self._secrets.sub(MASK, value)
        return mask_userinfo(value)

    def value(self, value: object) -> object:
        """Return a copy with every string masked; containers at any depth, other objects as their masked `repr`."""
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self.text(value)
            case PurePath():
                return self.text(str(value))
            case Mapping():
                return {self.text(str(key)): self.value(item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.value(item) for item in value]
            case _:
                return self.text(repr(value))


def _spellings(secret: str) -> set[str]:
    """Return how a secret may look in text: as it is, percent-encoded, and inside a Python or JSON string."""
    forms = {secret, quote(secret, safe=""), quote(secret), repr(secret)[1:-1], json.dumps(secret)[1:-1]}
    return forms - {""}
