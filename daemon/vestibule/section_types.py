"""What the sections of the configuration are made of."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
Point = tuple[Fraction, Fraction]
"""x, y as fractions of the frame's width and height, from the top left; survives a change of resolution."""
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")]
"""Goes into topics and ids: letters, digits, '-' and '_'."""
TopicPrefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$")]
"""One or more levels of a topic, without wildcards."""
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Threads = Annotated[int, Field(ge=1, le=64)] | Literal["auto"]
"""Of one network; "auto" by the cores that there are for us, see `cores.threads_of`."""


class Section(BaseModel):
    """A table of the configuration: frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def in_state_directory(name: str) -> Path | None:
    """Return where a file of this name lies in systemd's state directory; None where there is no such directory."""
    state = os.environ.get("STATE_DIRECTORY")  # systemd sets it, with ':' between several
    return Path(state.split(":")[0]) / name if state else None
