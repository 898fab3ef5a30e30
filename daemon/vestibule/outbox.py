"""What is on its way to the broker: kept in memory, and on disk before it is first offered.

Memory is the truth while the process lives, so that a disk that fails loses nothing that memory holds; the file
(`outbox_file.py`) is for the next process. Ages are measured by a clock that no change of the time of day moves.
"""

import json
import math
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Condition

import structlog

from vestibule.complaints import Complaints
from vestibule.errors import SinkError
from vestibule.outbox_file import Entry, OutboxFile, Outcome
from vestibule.sqlite_file import FileDamagedError, FileUnavailableError
from vestibule.types import Message

_RETRY_INITIAL_S = 1.0
_RETRY_MAX_S = 60.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_log = structlog.get_logger(__name__)


def since_boot_s() -> float:
    """Seconds since the machine started, asleep or awake; neither NTP nor an administrator moves it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStatus:
    """How delivery stands.

    Attributes:
        waiting: events that the broker has not acknowledged.
        oldest_age_s: how long the oldest of them has waited; 0 without any.
        on_disk: whether there is a file.
        problem: why the file does not take what it should; None if it does, or if there is none.
        outcomes: how many events since the start were acknowledged, expired, refused, dropped.
    """

    waiting: int
    oldest_age_s: float
    on_disk: bool
    problem: str | None
    outcomes: Counter[Outcome]


class Outbox:
    """A queue in three steps: `add`, `offer`, then `settle` in the order of offering. Safe to use from any thread.

    At most `max_events` wait. When one more comes, the oldest visit event that is not on its way is dropped; an alert
    goes only when nothing else waits. Dropping is counted and logged.

    Args:
        path: the file; memory only if absent. Its folder must exist.
        max_events: how many may wait.
        clock: seconds since boot.
        wall: Unix seconds; only tells the age of what an earlier boot left behind.
        acknowledged: told of each event that the broker took how many seconds it had waited.

    Raises:
        SinkError: another process uses the file, a newer version wrote it, or its folder does not exist.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        max_events: int = 20_000,
        clock: Callable[[], float] = since_boot_s,
        wall: Callable[[], float] = time.time,
        acknowledged: Callable[[float], None] = lambda _waited_s: None,
    ) -> None:
        self._clock, self._wall, self._acknowledged = clock, wall, acknowledged
        self._boot_id = _BOOT_ID.read_text(encoding="ascii").strip() if _BOOT_ID.exists() else "unknown"
        self._max_events = max_events
        self._changed = Condition()
        self._waiting: deque[Entry] = deque()
        self._offered: deque[Entry] = deque()
        self._next_expiry_s = 0.0
        self._outcomes: Counter[Outcome] = Counter()
        self._complaints = Complaints(clock)
        if path is not None and not path.parent.is_dir():
            raise SinkError(f"mqtt.outbox_file {path}: there is no folder {path.parent}; make it first")
        stamp = datetime.fromtimestamp(wall(), UTC).strftime("%Y%m%dT%H%M%SZ")
        self._file = None if path is None else OutboxFile(path, stamp)
        self._loaded = path is None
        self._unsaved: dict[int, Entry] = {}  # by identity, in order
        self._settled: dict[int, Outcome] = {}  # by row
        self._problem: str | None = None
        self._retry_s, self._retry_at_s = _RETRY_INITIAL_S, 0.0
        with self._changed:
            self._write()
        if self._waiting:
            _log.info("events left by the last run", waiting=len(self._waiting))

    @property
    def problem(self) -> str | None:
        """Why the file does not take what it should; None if it does, or if there is none."""
        return self._problem

    @property
    def waiting(self) -> int:
        """Events that are not settled."""
        with self._changed:
            return len(self._waiting) + len(self._offered)

    @property
    def full(self) -> bool:
        """Whether the next `add` drops an event."""
        return self.waiting >= self._max_events

    @property
    def offerable(self) -> bool:
        """Whether something waits that is not on its way."""
        return bool(self._waiting)

    def add(self, message: Message, *, ttl_s: float | None = None) -> None:
        """Take an event; it is on disk when this returns, unless the disk fails."""
        with self._changed:
            if len(self._waiting) + len(self._offered) >= self._max_events:
                self._make_room()
            entry = Entry(
                message=message, ttl_s=ttl_s, added_at_s=self._wall(), boot_id=self._boot_id, boot_s=self._clock()
            )
            self._waiting.append(entry)
            if ttl_s is not None:
                self._next_expiry_s = min(self._next_expiry_s, entry.boot_s + ttl_s)
            if self._file is not None:
                self._unsaved[id(entry)] = entry
            self._write()

    def tend(self) -> None:
        """Try a disk that failed again, also if no event comes; call it often, it keeps its own pauses."""
        with self._changed:
            self._write()

    def offer(self) -> Entry | None:
        """Return the oldest event that is not on its way yet; alerts that are no news any more are settled first."""
        with self._changed:
            self._expire()
            if not self._waiting:
                return None
            entry = self._waiting.popleft()
            self._offered.append(entry)
            return entry

    def settle(self, outcome: Outcome) -> None:
        """Note what became of the event that was offered first."""
        with self._changed:
            entry = self._offered.popleft()
            if outcome == "acknowledged":
                self._acknowledged(self._age_s(entry))
            self._note(entry, outcome)
            self._write()
            self._changed.notify_all()

    def recall(self) -> None:
        """Take back what was offered and not settled; it is offered again, in its order."""
        with self._changed:
            self._waiting.extendleft(reversed(self._offered))
            self._offered.clear()
            self._next_expiry_s = 0.0

    def left_s(self, entry: Entry) -> int | None:
        """Whole seconds, at least 1, for which an event is still news; None for ever."""
        return None if entry.ttl_s is None else max(1, math.ceil(entry.ttl_s - self._age_s(entry)))

    def wait_empty(self, timeout_s: float) -> int:
        """Wait until everything is settled; return how much is not."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._offered, timeout_s)
            return len(self._waiting) + len(self._offered)

    def wait_room(self, timeout_s: float) -> bool:
        """Wait until `add` need not drop anything; return whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._waiting) + len(self._offered) < self._max_events, timeout_s)

    def status(self) -> OutboxStatus:
        """Return how delivery stands now."""
        with self._changed:
            self._expire()
            oldest = next(iter((*self._offered, *self._waiting)), None)
            return OutboxStatus(
                waiting=len(self._waiting) + len(self._offered),
                oldest_age_s=0.0 if oldest is None else self._age_s(oldest),
                on_disk=self._file is not None,
                problem=self._problem,
                outcomes=self._outcomes.copy(),
            )

    def close(self) -> int:
        """Write what the disk has not taken yet, if it will, and let go of the file; return how much is lost."""
        with self._changed:
            self._retry_at_s = 0.0
            self._write()
            if self._file is None:
                return len(self._waiting) + len(self._offered)
            self._file.close()
            self._file = None  # whoever still asks for the status must not open it again
            return len(self._unsaved)

    def _age_s(self, entry: Entry) -> float:
        """By the clock that only grows; by the time of day if the machine was restarted since, and never negative."""
        if entry.boot_id == self._boot_id:
            return max(0.0, self._clock() - entry.boot_s)
        return max(0.0, self._wall() - entry.added_at_s)

    def _expire(self) -> None:
        if self._clock() < self._next_expiry_s:
            return
        fresh: deque[Entry] = deque()
        self._next_expiry_s = math.inf
        for entry in self._waiting:
            left_s = math.inf if entry.ttl_s is None else entry.ttl_s - self._age_s(entry)
            if left_s > 0:
                fresh.append(entry)
                self._next_expiry_s = min(self._next_expiry_s, self._clock() + left_s)
            else:
                self._note(entry, "expired")
                self._complain("alert expired", event_id=_event_id(entry), age_s=round(self._age_s(entry), 1))
        if len(fresh) < len(self._waiting):
            self._waiting = fresh
            self._write()
            self._changed.notify_all()

    def _make_room(self) -> None:
        if not self._waiting:
            return  # all of it is on its way already
        place = next((n for n, entry in enumerate(self._waiting) if entry.ttl_s is None), 0)
        entry = self._waiting[place]
        del self._waiting[place]
        self._note(entry, "dropped")
        self._complain("outbox full, oldest event dropped", event_id=_event_id(entry), limit=self._max_events)

    def _note(self, entry: Entry, outcome: Outcome) -> None:
        self._outcomes[outcome] += 1
        self._unsaved.pop(id(entry), None)
        if entry.row is not None:
            self._settled[entry.row] = outcome

    def _write(self) -> None:
        """Bring the file up to date; on failure go on in memory and try again later, with growing pauses."""
        idle = self._loaded and not self._unsaved and not self._settled and self._problem is None
        if self._file is None or idle:
            return
        if self._problem is not None and self._clock() < self._retry_at_s:
            return
        problem = ""
        for _ in range(2):  # a damaged file is set aside, and the second turn begins a new one
            try:
                self._save(self._file)
            except FileDamagedError as error:
                problem = str(error)
                _log.error("outbox file damaged and set aside", problem=problem)
                self._begin_anew()
            except FileUnavailableError as error:
                problem = str(error)
                break
            except SinkError as error:
                if not self._loaded:
                    raise  # the configuration is wrong; better said at the start than in the log
                problem = str(error)
                break
            else:
                if self._problem is not None:
                    _log.info("outbox file written again")
                self._problem, self._retry_s = None, _RETRY_INITIAL_S
                return
        self._degrade(problem)

    def _save(self, file: OutboxFile) -> None:
        if not self._loaded:
            self._load(file)
        if self._unsaved or self._settled:
            file.write([*self._unsaved.values()], self._settled)
        elif self._problem is not None:  # all that waited has been delivered out of memory; the next event may not be
            file.try_out()
        self._unsaved.clear()
        self._settled.clear()

    def _load(self, file: OutboxFile) -> None:
        left_behind = file.load()
        self._loaded = True
        self._waiting.extendleft(reversed(left_behind))  # older than all that came meanwhile
        self._next_expiry_s = 0.0
        while len(self._waiting) > self._max_events:
            self._make_room()

    def _begin_anew(self) -> None:
        """Have everything that waits written into a new file."""
        self._loaded = True
        self._settled.clear()
        self._unsaved = {id(entry): entry for entry in (*self._offered, *self._waiting)}
        for entry in self._unsaved.values():
            entry.row = None

    def _degrade(self, problem: str) -> None:
        if self._problem is None:
            _log.error("outbox file not written; events are kept in memory until it is", problem=problem)
        self._problem = problem
        self._retry_at_s = self._clock() + self._retry_s
        self._retry_s = min(2 * self._retry_s, _RETRY_MAX_S)

    def _complain(self, event: str, **values: object) -> None:
        """Log the first and then one a minute, with the count."""
        if self._complaints.due(event):
            _log.warning(event, **values, outcomes=dict(self._outcomes))


def _event_id(entry: Entry) -> str:
    return str(json.loads(entry.message.payload).get("event_id", "unknown"))
