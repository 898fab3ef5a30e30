"""What is published of the cameras' states."""

from typing import Annotated, Literal

from pydantic import Field

from vestibule.errors import SourceProblem
from vestibule.payload_fields import Name, Payload, Seconds, Version

CameraState = SourceProblem | Literal["connecting", "online", "blank", "still", "ended"]
"""connecting: not tried yet; online: gives pictures; blank: of one colour; still: the same one again and again;
ended: a file, played."""

_Count = Annotated[int, Field(ge=0)]


class CameraPayload(Payload):
    """One camera."""

    state: CameraState
    since_s: Seconds
    reason: str = Field(description="What is wrong, in words; empty if nothing is.")
    connects: _Count = Field(description="How often it was opened.")
    frames: dict[str, _Count] = Field(description="What became of its frames; see docs/operations.md.")


class CamerasPayload(Payload):
    """`<prefix>/<site>/cameras`, retained: how the cameras are; when that changes, and every 30 seconds."""

    schema_version: Version
    site: Name
    at_s: Seconds
    summary: Name = Field(description="The states in words, for people.")
    cameras: dict[str, CameraPayload] = Field(description="By the camera's id.")
    counts: dict[str, _Count] = Field(description="What the whole daemon counted since its start.")


def cameras_topic(prefix: str, site: str) -> str:
    """Topic of the cameras' states, retained."""
    return f"{prefix}/{site}/cameras"
