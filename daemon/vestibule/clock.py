"""The daemon's clock: UTC read once and carried on by the monotonic clock, so that setting the time breaks nothing."""

import time
from collections.abc import Callable
from threading import Lock


class SteadyClock:
    """Unix seconds, UTC, that never go back and never jump.

    When the system's clock is set (by NTP, by hand), this one follows it slowly: it runs at most `slew` faster or
    slower until the two agree, an hour's error within a day. Safe to call from any thread.

    Args:
        wall: the system's clock, Unix seconds.
        monotonic: seconds that only grow, at the pace of real ones.
        slew: largest deviation of its pace from that of real seconds; 0.05 makes 10 s at most 10.5 s.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        slew: float = 0.05,
    ) -> None:
        self._wall, self._monotonic, self._slew = wall, monotonic, slew
        self._turn = Lock()
        self._anchor_s = monotonic()
        self._now_s = wall()

    def __call__(self) -> float:
        """Return the time now."""
        with self._turn:
            anchor_s = self._monotonic()
            passed_s = max(0.0, anchor_s - self._anchor_s)
            behind_s = self._wall() - (self._now_s + passed_s)
            room_s = self._slew * passed_s
            self._anchor_s = anchor_s
            self._now_s += passed_s + min(max(behind_s, -room_s), room_s)
            return self._now_s
