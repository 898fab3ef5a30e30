"""What the page shows: alerts, who claimed them, and which daemons are up; in memory, and on disk for a restart."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal

from vestibule.claim_payloads import ClaimPayload
from vestibule.payloads import AlertPayload
from vestibule.web.board_file import BoardFile, Row

Kind = Literal["alert", "claim", "site"]
_MOST_ITEMS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing as it stands now.

    Attributes:
        seq: number of the change that made it so; the newest has the highest.
        kind: what it is.
        site: the store.
        name: the alert's id; empty for a site.
        at_s: when it happened, Unix seconds.
        data: what the page is told.
    """

    seq: int
    kind: Kind
    site: str
    name: str
    at_s: float
    data: dict[str, Any]


class Board:
    """Takes in what the broker says, drops repetitions, and tells what changed since any change.

    Numbers of changes hold within one life of the process; `epoch` tells lives apart. Safe to call from any thread.

    Args:
        file: where alerts and claims outlive the process.
        retention_s: how long they are kept.
        clock: Unix seconds.

    Attributes:
        epoch: of this life.
        on_change: called with every change, in the thread that brought it.
    """

    def __init__(self, file: BoardFile, *, retention_s: float, clock: Callable[[], float]) -> None:
        self._file = file
        self._retention_s = retention_s
        self._clock = clock
        self._turn = Lock()
        self._seq = 0
        self._items: dict[tuple[Kind, str, str], Item] = {}  # in the order of `seq`
        self.epoch = secrets.token_hex(4)
        self.on_change: Callable[[Item], None] = lambda _: None
        self._file.forget(self._oldest_s())
        for row in self._file.load():
            self._put(row.kind, row.site, row.name, row.at_s, row.data)

    def alert(self, alert: AlertPayload) -> None:
        """Take in an alert; a second one of the same id is dropped."""
        with self._turn:
            if ("alert", alert.site, alert.alert_id) in self._items:
                return
        at_s = min(alert.raised_at_s, self._clock())  # a box whose clock is ahead shall not hold its alert for ever
        data = {
            "site": alert.site,
            "alert_id": alert.alert_id,
            "camera": alert.camera,
            "zones": list(alert.zones),
            "garments": [garment.label for garment in (*alert.garments, *alert.groups)],
            "confidence": alert.confidence,
            "raised_at_s": at_s,
        }
        self._take("alert", alert.site, alert.alert_id, at_s, data)

    def claim(self, claim: ClaimPayload) -> None:
        """Take in who goes to the customer of an alert."""
        data = {
            "site": claim.site,
            "alert_id": claim.alert_id,
            "by": claim.by,
            "claim_id": claim.claim_id,
            "claimed_at_s": claim.claimed_at_s,
        }
        self._take("claim", claim.site, claim.alert_id, claim.claimed_at_s, data)

    def site(self, site: str, *, online: bool) -> None:
        """Take in whether a store's daemon is up."""
        self._take("site", site, "", self._clock(), {"site": site, "online": online})

    def since(self, seq: int) -> list[Item]:
        """Return what has changed after change `seq`, oldest first; everything after change 0."""
        with self._turn:
            return [item for item in self._items.values() if item.seq > seq]

    def knows(self, site: str, alert_id: str) -> bool:
        """Whether there is such an alert."""
        with self._turn:
            return ("alert", site, alert_id) in self._items

    def prune(self) -> None:
        """Forget what is older than the retention, here and on disk; write what a full disk had left to write."""
        oldest_s = self._oldest_s()
        with self._turn:
            for key, item in [*self._items.items()]:
                if item.kind != "site" and item.at_s < oldest_s:
                    del self._items[key]
        self._file.forget(oldest_s)

    def _oldest_s(self) -> float:
        return self._clock() - self._retention_s

    def _take(self, kind: Kind, site: str, name: str, at_s: float, data: dict[str, Any]) -> None:
        if kind != "site" and at_s < self._oldest_s():
            return
        item = self._put(kind, site, name, at_s, data)
        if item is None:
            return
        if kind != "site":  # the broker tells that anew at every start
            self._file.save(Row(kind=kind, site=site, name=name, at_s=at_s, data=data))
        self.on_change(item)

    def _put(self, kind: Kind, site: str, name: str, at_s: float, data: dict[str, Any]) -> Item | None:
        """Set an item; None if it is so already."""
        key = (kind, site, name)
        with self._turn:
            before = self._items.get(key)
            if before is not None and before.data == data:
                return None
            self._items.pop(key, None)
            if len(self._items) >= _MOST_ITEMS:
                self._items.pop(next((old for old in self._items if old[0] != "site"), next(iter(self._items))))
            self._seq += 1
            item = Item(seq=self._seq, kind=kind, site=site, name=name, at_s=at_s, data=data)
            self._items[key] = item
        return item
