"""Complaints in the log that are spaced: who sends us nonsense must not fill the disk with what we say of it."""

from collections.abc import Callable

_EVERY_S = 60.0


class Complaints:
    """Tells when it is time to complain: of each kind the first time, and then once a minute at most.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next_s: dict[str, float] = {}

    def due(self, kind: str) -> bool:
        """Whether to complain of this kind now; a complaint that is due counts as made."""
        now_s = self._clock()
        if now_s < self._next_s.get(kind, now_s):
            return False
        self._next_s[kind] = now_s + _EVERY_S
        return True
