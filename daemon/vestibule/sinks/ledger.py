"""Ended visits, alerts and claims into the ledger: a file for reports."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock

import structlog

from vestibule.errors import SinkError
from vestibule.ledger_file import LedgerFile, SiteRow
from vestibule.ledger_rows import Row, VisitRow, row_of
from vestibule.sections import SiteConfig
from vestibule.sqlite_file import FileDamagedError, FileUnavailableError, set_aside_files
from vestibule.store_day import day_of, start_s
from vestibule.types import Message

_WAITING_ROWS = 20_000
_RETRY_INITIAL_S, _RETRY_MAX_S = 1.0, 60.0
_TRY_DELETION_AGAIN_S = 600.0

_log = structlog.get_logger(__name__)


class LedgerSink:
    """Keeps each ended visit, alert and claim as a row, once, however often its message comes.

    Every row is committed before `publish` returns. While the disk is full, read-only or another process holds the
    file, rows wait in memory, the newest 20,000, and are written when it is possible again. `publish` and `tend` may
    be called from two threads; neither waits for the other.

    Args:
        path: the file; its folder must exist.
        site: the store: id and time zone.
        prefix: of the topics.
        min_cell: noted in the file, for reports.
        retention_days: what `tend` keeps; None for ever.
        patient: outlast a disk that fails (daemon) instead of raising (replay).
        clock: seconds that only grow; spaces the tries.
        wall: Unix seconds; names a damaged file that is set aside.

    Raises:
        SinkError: the folder does not exist, or a newer version wrote the file; unless `patient`, if it cannot be
            written.
    """

    def __init__(
        self,
        path: Path,
        *,
        site: SiteConfig,
        prefix: str,
        min_cell: int,
        retention_days: int | None = None,
        patient: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        if not path.parent.is_dir():
            raise SinkError(f"ledger {path}: there is no folder {path.parent}; make it first")
        stamp = datetime.fromtimestamp(wall(), UTC).strftime("%Y%m%dT%H%M%SZ")
        known = SiteRow(site=site.id, time_zone=site.time_zone, min_cell=min_cell)
        self._file = LedgerFile(path, known, stamp=stamp)
        self._site, self._prefix, self._zone = site.id, prefix, site.zone_info
        self._retention_days, self._patient, self._clock = retention_days, patient, clock
        self._turn = Lock()
        self._waiting: deque[Row] = deque()
        self._lost = 0
        self._problem: str | None = None
        self._retry_s, self._retry_at_s = _RETRY_INITIAL_S, 0.0
        self._next_deletion_s = float("-inf")
        self._started = False
        self._write()
        self._started = True

    @property
    def problem(self) -> str | None:
        """Why the file does not take what it should; None if it does."""
        return self._problem

    def publish(self, message: Message) -> None:
        """Write what a message says of an ended visit, an alert or a claim; others are passed over.

        Raises:
            SinkError: it cannot be written; never if `patient`.
        """
        row = row_of(message, prefix=self._prefix, site=self._site)
        if row is None or (isinstance(row, VisitRow) and row.type != "end"):
            return
        self._waiting.append(row)
        if len(self._waiting) > _WAITING_ROWS:
            self._waiting.popleft()
            self._lost += 1
        self._write_due()

    def tend(self, now_s: float) -> None:
        """Write what waits, and try a file that failed; once a day, and at first, delete what is older than it may be.

        Args:
            now_s: Unix seconds, UTC.
        """
        self._write_due()
        if self._retention_days is not None and now_s >= self._next_deletion_s:
            with self._turn:
                self._delete_old(now_s, timedelta(days=self._retention_days))
            self._write_due()

    def visits_since(self, since_s: float) -> tuple[VisitRow, ...]:
        """Return the visits of every stay that has one since then; none if the file cannot be read now."""
        with self._turn, suppress(FileDamagedError, FileUnavailableError):
            return self._file.visits_since(self._site, since_s)
        return ()

    def cameras(self) -> tuple[str, ...]:
        """Return the cameras of which there are visits; none if the file cannot be read now."""
        with self._turn, suppress(FileDamagedError, FileUnavailableError):
            return self._file.cameras(self._site)
        return ()

    def close(self) -> None:
        """Write what waits, if the disk takes it, and let go of the file; safe to call twice."""
        with self._turn:
            if self._waiting:
                self._write()
            if self._waiting:
                _log.error("ledger not written", file=str(self._file.path), lost=len(self._waiting))
            self._waiting.clear()
            self._file.close()

    @property
    def _due(self) -> bool:
        return bool(self._waiting) if self._problem is None else self._clock() >= self._retry_at_s

    def _write_due(self) -> None:
        """Who finds the other thread at work leaves it the rest: the other looks again after letting go."""
        while self._due:
            if not self._turn.acquire(blocking=False):
                return
            try:
                self._write()
            finally:
                self._turn.release()

    def _write(self) -> None:
        """Commit what waits; on failure go on in memory and try again later, with growing pauses."""
        rows = []
        while self._waiting:
            rows.append(self._waiting.popleft())
        problem = self._try(rows)
        if problem is None:
            if self._problem is not None:
                _log.info("ledger written again", lost=self._lost)
            self._problem, self._lost, self._retry_s = None, 0, _RETRY_INITIAL_S
            return
        if not self._patient:
            raise SinkError(problem)
        self._waiting.extendleft(reversed(rows))
        if self._problem is None:
            _log.error("ledger not written; visits are kept in memory until it is", problem=problem)
        self._problem, self._retry_at_s = problem, self._clock() + self._retry_s
        self._retry_s = min(2 * self._retry_s, _RETRY_MAX_S)

    def _try(self, rows: Sequence[Row]) -> str | None:
        """Commit; return why that cannot be, or None."""
        try:
            try:
                self._file.write(rows)
            except FileDamagedError as error:
                _log.error("ledger damaged and set aside", problem=str(error))
                self._file.write(rows)  # into a new one
        except (FileDamagedError, FileUnavailableError) as error:
            return str(error)
        except SinkError as error:
            if not self._started:
                raise  # the configuration is wrong; better said at the start than in the log
            return str(error)
        return None

    def _delete_old(self, now_s: float, kept: timedelta) -> None:
        today = day_of(now_s, self._zone)
        before_s = start_s(today - kept, self._zone)
        try:
            visits, alerts = self._file.delete_before(before_s)
            for file in set_aside_files(self._file.path):
                if file.stat().st_mtime < before_s:
                    file.unlink()
        except (FileDamagedError, FileUnavailableError, OSError) as error:
            _log.error("old visits not deleted; tried again", problem=str(error))
            self._next_deletion_s = now_s + _TRY_DELETION_AGAIN_S
            return
        if visits or alerts:
            _log.info("old visits deleted", visits=visits, alerts=alerts, older_than_days=kept.days)
        self._next_deletion_s = start_s(today + timedelta(days=1), self._zone)
