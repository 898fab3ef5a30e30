"""What a reload must begin anew, and what can go on as if nothing had happened."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from vestibule.config import Settings

Passwords = Mapping[str, SecretStr | None]
"""What each camera's password was when the configuration was read, by the camera's id."""

_IN_PLACE = {"config_version", "cameras", "alerts", "log", "metrics", "web", "installer"}
"""Sections that change while everything runs ([web] is another program's); any other has a new pipeline built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changeover:
    """Ids of the cameras that a reload concerns.

    Attributes:
        anew: new, gone, or not what they were: their visits end.
        reopened: the same with another password: they are opened again, and their visits go on.
    """

    anew: frozenset[str]
    reopened: frozenset[str]


def changeover(before: Settings, after: Settings, old: Passwords, new: Passwords) -> Changeover | None:
    """Compare two configurations; None if the whole pipeline has to be built anew.

    Args:
        before: what runs.
        after: what is to run.
        old: the passwords of what runs.
        new: those that are found now.
    """
    if any(getattr(before, name) != getattr(after, name) for name in Settings.model_fields if name not in _IN_PLACE):
        return None
    was, will_be = ({camera.id: camera for camera in settings.cameras} for settings in (before, after))
    anew = {name for name in was.keys() | will_be.keys() if was.get(name) != will_be.get(name)}
    reopened = {name for name in will_be.keys() - anew if old.get(name) != new.get(name)}
    return Changeover(anew=frozenset(anew), reopened=frozenset(reopened))
