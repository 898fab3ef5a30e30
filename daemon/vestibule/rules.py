"""Which visits the staff asked to be told of: one alert per visit (or stay) and rule."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from vestibule.alert_sections import AlertRule, OpeningHours
from vestibule.types import Alert, Garment, Visit
from vestibule_models.artifact import GroupThresholds, Thresholds
from vestibule_models.labels import GROUP_OF, MEMBERS, GarmentGroup, GarmentLabel, GarmentName

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Rules:
    """Judges visits of all cameras; remembers what was raised until the visit ends, or its stay is forgotten.

    A visit raises an alert only when it is settled, has entered, is not silent and has not ended. An alert that the
    cool-down suppresses is spent: it is not sent later.
    """

    def __init__(
        self, *, rules: Sequence[AlertRule], thresholds: Mapping[GarmentName, Thresholds], zone_info: ZoneInfo
    ) -> None:
        self._rules = tuple(rules)
        self._thresholds = {name.value: found for name, found in thresholds.items()}
        self._zone_info = zone_info
        self._spent: defaultdict[str, set[str]] = defaultdict(set)
        self._raised_at_s: dict[tuple[str, str], float] = {}

    def change(self, rules: Sequence[AlertRule]) -> None:
        """Judge by other rules from now on; what a visit has been told of under a rule's name is not told again."""
        self._rules = tuple(rules)

    def unalertable(self) -> list[tuple[str, GarmentName, str]]:
        """Return (rule, garment, confidence) for what is asked for and can never raise an alert.

        The category has no threshold of that confidence: the data could not establish its precision. Of a group,
        neither it nor any of its members has one, or nothing lets it be told.
        """
        return [
            (rule.name, name, rule.confidence)
            for rule in self._rules
            for name in dict.fromkeys((*rule.any_of, *rule.all_of))
            if not self._can_alert(rule, name)
        ]

    def _can_alert(self, rule: AlertRule, name: GarmentName) -> bool:
        members = _members(name)
        if any(self._floor(rule, member) is not None for member in members):
            return True
        found = self._thresholds.get(name)
        stands_alone = isinstance(found, GroupThresholds) and found.alone is not None
        likely = (each.likely for member in members if (each := self._thresholds.get(member)))
        is_told = not members or stands_alone or any(score is not None for score in likely)
        return is_told and self._floor(rule, name) is not None

    def judge(self, visit: Visit, now_s: float, stay_id: str | None = None) -> tuple[Alert, ...]:
        """Return the alerts that a visit raises now.

        Args:
            visit: as it is now.
            now_s: Unix seconds, UTC.
            stay_id: the stay that the visit belongs to, within which each rule is raised once; None: the visit itself.
        """
        if visit.phase == "ended":
            if stay_id is None:
                self.forget(visit.visit_id)
            return ()
        if not visit.settled or not visit.entered or visit.silent:
            return ()
        spent = self._spent[stay_id or visit.visit_id]
        return tuple(alert for rule in self._rules if (alert := self._apply(rule, visit, now_s, spent)))

    def forget(self, stay_id: str) -> None:
        """Nobody will belong to this stay any more."""
        self._spent.pop(stay_id, None)

    def _apply(self, rule: AlertRule, visit: Visit, now_s: float, spent: set[str]) -> Alert | None:
        if rule.name in spent or not self._is_asked(rule, visit, now_s):
            return None
        garments, groups = self._matching(rule, visit)
        if not garments and not groups:
            return None
        spent.add(rule.name)
        raised_at_s = self._raised_at_s.get((visit.camera_id, rule.name))
        if raised_at_s is not None and now_s - raised_at_s < rule.cooldown_s:
            return None
        self._raised_at_s[visit.camera_id, rule.name] = now_s
        return Alert(
            alert_id=f"{visit.visit_id}-{rule.name}",
            visit_id=visit.visit_id,
            camera_id=visit.camera_id,
            zones=visit.zones,
            rule=rule.name,
            garments=garments,
            first_seen_at_s=visit.first_seen_at_s,
            raised_at_s=now_s,
            groups=groups,
            confidence="certain" if all(map(self._is_certain, (*garments, *groups))) else "likely",
        )

    def _is_asked(self, rule: AlertRule, visit: Visit, now_s: float) -> bool:
        if rule.cameras and visit.camera_id not in rule.cameras:
            return False
        if rule.zones and not set(rule.zones) & set(visit.zones):
            return False
        local = datetime.fromtimestamp(now_s, tz=UTC).astimezone(self._zone_info)
        return not rule.hours or any(is_open(hours, local) for hours in rule.hours)

    def _matching(self, rule: AlertRule, visit: Visit) -> tuple[tuple[Garment, ...], tuple[Garment, ...]]:
        """Return the garments and groups asked for, in the visit's order; none unless the rule as a whole is met.

        A garment that passes stands for its group, which is not repeated beside it.
        """
        asked = {*rule.any_of, *rule.all_of}
        wanted = {each for name in asked for each in (name, *_members(name))}
        garments = tuple(g for g in visit.garments if g.label in wanted and self._passes(rule, g))
        worn = {group for g in garments if (group := GROUP_OF.get(g.label))}
        groups = tuple(g for g in visit.groups if g.label in asked - worn and self._passes(rule, g))
        met = worn.union(g.label for g in (*garments, *groups))
        if not met.issuperset(rule.all_of) or (rule.any_of and met.isdisjoint(rule.any_of)):
            return (), ()
        return garments, groups

    def _passes(self, rule: AlertRule, garment: Garment) -> bool:
        floor = self._floor(rule, garment.label)
        return floor is not None and garment.score >= max(floor, rule.min_score)

    def _is_certain(self, garment: Garment) -> bool:
        thresholds = self._thresholds.get(garment.label)
        return thresholds is not None and thresholds.certain is not None and garment.score >= thresholds.certain

    def _floor(self, rule: AlertRule, name: str) -> float | None:
        thresholds = self._thresholds.get(name)
        if thresholds is None:
            return None
        return thresholds.likely if rule.confidence == "likely" else thresholds.certain


def _members(name: GarmentName) -> tuple[GarmentLabel, ...]:
    return MEMBERS[name] if isinstance(name, GarmentGroup) else ()


def is_open(hours: OpeningHours, local: datetime) -> bool:
    """Return whether a store-local time is within the hours, `opens` included and `closes` not.

    Hours that run over midnight belong to the day on which they open; equal times mean all around the clock. The
    clock on the wall decides, also on the days on which it is changed.
    """
    clock = f"{local:%H:%M}"
    today, yesterday = (_DAYS[day.weekday()] for day in (local, local - timedelta(days=1)))
    if hours.opens < hours.closes:
        return today in hours.days and hours.opens <= clock < hours.closes
    return (today in hours.days and clock >= hours.opens) or (yesterday in hours.days and clock < hours.closes)
