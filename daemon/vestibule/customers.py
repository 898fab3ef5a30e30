"""Visits become customers: one for each stay, whatever the number of its cameras; staff and passers-by are none."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vestibule.ledger_rows import VisitRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """One customer.

    Attributes:
        camera: the one that saw the customer first.
        began_at_s: when, Unix seconds, UTC; the customer belongs to that day and hour.
        visits: of how many cameras' visits the stay was made.
        in_doubt: whether it may be the same as another customer.
        settled: whether what is worn is final; only then is any of it counted.
        worn: the categories, by the visit of the stay that settled with most readings.
    """

    camera: str
    began_at_s: float
    visits: int
    in_doubt: bool
    settled: bool
    worn: frozenset[str]


def customer_of(visits: Sequence[VisitRow], camera: str | None = None) -> Customer | None:
    """Return the customer whom the visits of one stay show; None if it is staff, did not enter, or was not there.

    Args:
        visits: of one stay, at least one.
        camera: count what this one saw and nothing else; staff is who is staff on any.
    """
    if any(visit.staff for visit in visits):
        return None
    seen = sorted(
        (visit for visit in visits if camera is None or visit.camera == camera), key=lambda visit: visit.began_at_s
    )
    if not any(visit.entered for visit in seen):
        return None
    best = max(seen, key=lambda visit: (visit.settled, visit.readings))  # the first of equals
    worn = frozenset(worn.label for worn in best.worn if not worn.is_group) if best.settled else frozenset()
    return Customer(
        camera=seen[0].camera,
        began_at_s=seen[0].began_at_s,
        visits=len(seen),
        in_doubt=any(visit.in_doubt for visit in seen),
        settled=best.settled,
        worn=worn,
    )


def customers_of(visits: Iterable[VisitRow], camera: str | None = None) -> list[Customer]:
    """Return the customers among the visits of one site, in the order of their stays' first visits."""
    stays: defaultdict[str, list[VisitRow]] = defaultdict(list)
    for visit in visits:
        stays[visit.stay_id].append(visit)
    found = (customer_of(stay, camera) for stay in stays.values())
    return [customer for customer in found if customer is not None]
