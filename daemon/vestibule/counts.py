"""Today's customers by camera and garment, kept while they come; pure, time is what the caller says it is."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from vestibule.customers import Customer, customer_of
from vestibule.ledger_rows import VisitRow
from vestibule.store_day import day_of, start_s
from vestibule_models.labels import LABELS

VISITS = "visits"
COUNTED = (VISITS, *map(str, LABELS))
"""Names of a camera's counters: its customers, and those in each garment."""


def counts_topic(prefix: str, site: str, camera: str, name: str) -> str:
    """Topic of a counter, retained; `name` is one of `COUNTED`."""
    return f"{prefix}/{site}/counts/{camera}/{name}"


class DayCounts:
    """Counts each customer once, on the camera that saw them first, from when their garments are final.

    A customer belongs to the day on which they came. What is learned later (staff after all, the same as one on
    another camera) changes the counts, so that they are what the ledger says in the end.

    Args:
        zone: of the store.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._today = date.min
        self._until_s = float("-inf")
        self._stays: dict[str, dict[str, VisitRow]] = {}  # of yesterday too: who came then may be seen again today
        self._stay_of: dict[str, str] = {}
        self._counted: dict[str, Customer] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def turn(self, now_s: float) -> bool:
        """Begin a new day if it has begun by `now_s`, Unix seconds; return whether it had."""
        today = day_of(now_s, self._zone) if now_s >= self._until_s else self._today
        if today == self._today:
            return False
        self._today, self._until_s = today, start_s(today + timedelta(days=1), self._zone)
        kept_from_s = self.memory_begins_s(now_s)
        visits = [row for stay in self._stays.values() for row in stay.values() if row.began_at_s >= kept_from_s]
        self._stays, self._stay_of, self._counted = {}, {}, {}
        self._counts.clear()
        self._take_all(visits)
        return True

    def memory_begins_s(self, now_s: float) -> float:
        """Return since when visits matter to the day of a moment: since the day before began."""
        return start_s(day_of(now_s, self._zone) - timedelta(days=1), self._zone)

    def take(self, visit: VisitRow, now_s: float) -> None:
        """Take in a visit as it stands now; one whose garments are not final yet waits."""
        self.turn(now_s)
        self._take_all([visit])

    def _take_all(self, visits: Iterable[VisitRow]) -> None:
        for visit in visits:
            if visit.type == "new":
                continue
            changed = {visit.stay_id, self._stay_of.get(visit.visit_id, visit.stay_id)}
            for stay_id in changed:
                self._stays.setdefault(stay_id, {}).pop(visit.visit_id, None)
            self._stays[visit.stay_id][visit.visit_id] = visit
            self._stay_of[visit.visit_id] = visit.stay_id
            for stay_id in changed:
                self._count(stay_id)

    def _count(self, stay_id: str) -> None:
        if before := self._counted.pop(stay_id, None):
            self._counts.subtract(_names(before))
        if not self._stays[stay_id]:
            del self._stays[stay_id]
            return
        customer = customer_of([*self._stays[stay_id].values()])
        if customer is not None and day_of(customer.began_at_s, self._zone) == self._today:
            self._counted[stay_id] = customer
            self._counts.update(_names(customer))

    def told(self, cameras: Sequence[str], step: int) -> dict[tuple[str, str], int]:
        """Return what is told of each camera and name: the count, down to a whole number of steps."""
        return {(each, name): self._counts[each, name] // step * step for each in cameras for name in COUNTED}


def _names(customer: Customer) -> list[tuple[str, str]]:
    return [(customer.camera, name) for name in (VISITS, *customer.worn)]
