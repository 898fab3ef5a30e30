"""The store's days: from midnight to midnight of its time zone, 23 to 25 hours long where clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


def start_s(day: date, zone: ZoneInfo) -> float:
    """Return the first moment of a day, Unix seconds.

    Where clocks skip midnight (Beirut, Santiago), Python reads 00:00 by the offset before: that is the moment of the
    change. Where midnight comes twice (Havana), the first one counts.
    """
    return datetime.combine(day, time(), zone).timestamp()


def day_of(at_s: float, zone: ZoneInfo) -> date:
    """Return the day that a moment belongs to.

    Where clocks are put back over midnight, the calendar is a day back for an hour; the store's day is not: once it
    has begun it goes on.
    """
    day = local(at_s, zone).date()
    return day + _DAY if at_s >= start_s(day + _DAY, zone) else day


def local(at_s: float, zone: ZoneInfo) -> datetime:
    """Return a moment by the store's clock."""
    # By way of UTC: fromtimestamp(at_s, zone) rounds half a microsecond otherwise than timestamp() does.
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at_s)).astimezone(zone)


def hours_of(day: date, zone: ZoneInfo) -> float:
    """Return how long a day is: 24 hours, or 23 or 25 where clocks change."""
    return (start_s(day + _DAY, zone) - start_s(day, zone)) / 3600


def days_of(first: date, last: date) -> tuple[date, ...]:
    """Return every day from the first to the last."""
    return tuple(first + n * _DAY for n in range((last - first).days + 1))
