"""Who is told of the live pipeline's work without having a part in it: of its times, or of its pictures."""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from vestibule.claims import ClaimDecision
from vestibule.types import Crop, Message, Tracks, Visit

Stage = Literal["look", "classify", "decide", "publish"]
"""What is timed. look: one frame, or those that went together; classify: one batch; decide: one frame's tracks or one
batch's readings; publish: the messages of one decision, until every sink has them."""


class Meter(Protocol):
    """Told how long the live stages take; called from their threads, often, and so to be quick."""

    def took(self, stage: Stage, seconds: float) -> None:
        """A stage did its work once."""
        ...

    def batch(self, crops: int) -> None:
        """A batch of so many crops goes to the classifier."""
        ...

    def published(self, message: Message, since_capture_s: float | None) -> None:
        """Every sink has a message; so long after the picture that led to it, if one did."""
        ...

    def claimed(self, decision: ClaimDecision) -> None:
        """Somebody claimed an alert, and that became of it."""
        ...


class Onlooker(Protocol):
    """Shown the live pictures and what becomes of the people on them, from the workers' threads: to be quick."""

    def saw(self, tracks: Tracks, crops: Sequence[Crop]) -> None:
        """A frame was looked at; nobody else keeps its picture."""
        ...

    def changed(self, anew: frozenset[str]) -> None:
        """These cameras begin anew: what they showed before is not to be shown any more. From the thread that looks."""
        ...

    def decided(
        self, tracks: Tracks | None, messages: Sequence[Message], visit_of: Callable[[str, int], Visit | None]
    ) -> None:
        """A frame's tracks, or readings (None), were dealt with, and every sink has the messages.

        `visit_of` tells a camera's track's visit, during this call only.
        """
        ...


class NoMeter:
    """Measures nothing."""

    def took(self, stage: Stage, seconds: float) -> None:
        """Do nothing."""

    def batch(self, crops: int) -> None:
        """Do nothing."""

    def published(self, message: Message, since_capture_s: float | None) -> None:
        """Do nothing."""

    def claimed(self, decision: ClaimDecision) -> None:
        """Do nothing."""
