"""Today's counts as retained messages: a dashboard has them as soon as it subscribes."""

from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Literal
from zoneinfo import ZoneInfo

from vestibule.counts import COUNTED, DayCounts, counts_topic
from vestibule.ledger_rows import VisitRow, row_of
from vestibule.types import Message


class CountersSink:
    """Keeps `<prefix>/<site>/counts/<camera>/<garment>` at today's customers, in plain digits; 0 from midnight.

    `publish` and `tend` may be called from two threads.

    Args:
        site: the store's id.
        prefix: of the topics.
        zone: of the store.
        cameras: ids of those that are counted.
        told: "steps" tells whole multiples of `min_cell`, so that no step is a single customer; "exact" tells every
            one; "off" has the broker forget what it was told.
        min_cell: the step.
        known: what the ledger holds of the visits that matter today, asked for by the moment since when they do.
        gone: cameras of which counters may be left, from an earlier configuration.
        tell: has the broker retain a message.
        clock: Unix seconds, UTC.
    """

    def __init__(
        self,
        *,
        site: str,
        prefix: str,
        zone: ZoneInfo,
        cameras: Sequence[str],
        told: Literal["steps", "exact", "off"],
        min_cell: int,
        known: Callable[[float], Iterable[VisitRow]],
        gone: Sequence[str],
        tell: Callable[[Message], None],
        clock: Callable[[], float],
    ) -> None:
        self._site, self._prefix, self._tell, self._clock = site, prefix, tell, clock
        self._step = min_cell if told == "steps" else 1
        self._off = told == "off"
        self._counts = DayCounts(zone)
        self._turn = Lock()
        self._cameras: tuple[str, ...] = ()
        self._told: dict[tuple[str, str], int] = {}
        now_s = clock()
        for visit in known(self._counts.memory_begins_s(now_s)):
            self._counts.take(visit, now_s)
        self._forget((*gone, *cameras) if self._off else set(gone) - {*cameras}, now_s)
        self.watch(cameras)

    def publish(self, message: Message) -> None:
        """Count what a message says of a visit."""
        row = row_of(message, prefix=self._prefix, site=self._site)
        if isinstance(row, VisitRow) and not self._off:
            with self._turn:
                now_s = self._clock()
                self._counts.take(row, now_s)
                self._tell_changes(now_s)

    def tend(self, now_s: float) -> None:
        """Begin the new day when it is time."""
        with self._turn:
            if self._counts.turn(now_s):
                self._tell_changes(now_s)

    def watch(self, cameras: Sequence[str]) -> None:
        """Count these from now on; what was told of others is forgotten."""
        with self._turn:
            now_s = self._clock()
            self._forget(set(self._cameras) - {*cameras}, now_s)
            self._cameras = () if self._off else tuple(cameras)
            self._told = {place: count for place, count in self._told.items() if place[0] in self._cameras}
            self._counts.turn(now_s)
            self._tell_changes(now_s)

    def close(self) -> None:
        """Nothing to let go of: the counts stay at the broker."""

    def _tell_changes(self, now_s: float) -> None:
        now = self._counts.told(self._cameras, self._step)
        for (camera, name), count in now.items():
            if self._told.get((camera, name)) != count:
                self._send(camera, name, str(count).encode(), now_s)
        self._told = now

    def _forget(self, cameras: Iterable[str], now_s: float) -> None:
        for camera in sorted(cameras):
            for name in COUNTED:
                self._send(camera, name, b"", now_s)

    def _send(self, camera: str, name: str, payload: bytes, now_s: float) -> None:
        topic = counts_topic(self._prefix, self._site, camera, name)
        self._tell(Message(topic=topic, at_s=now_s, payload=payload, retain=True))
