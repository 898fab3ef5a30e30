from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fakes import visit
from hypothesis import given
from hypothesis import strategies as st

from vestibule.alert_sections import AlertRule, OpeningHours
from vestibule.rules import Rules, is_open
from vestibule.types import Garment, Visit
from vestibule_models.artifact import GroupThresholds, Thresholds
from vestibule_models.labels import LABELS, GarmentGroup, GarmentLabel, GarmentName

MEXICO = ZoneInfo("America/Mexico_City")
MADRID = ZoneInfo("Europe/Madrid")
THRESHOLDS: dict[GarmentName, Thresholds] = {
    **{name: Thresholds(positives=30, likely=0.5, certain=0.8) for name in (*LABELS, *GarmentGroup)},
    GarmentGroup.ONE_PIECE: Thresholds(positives=33, likely=None, certain=None),
    GarmentLabel.JUMPSUIT: Thresholds(positives=28, likely=None, certain=None),
    GarmentLabel.ROMPER: Thresholds(positives=4, likely=None, certain=None),
    GarmentLabel.BLOUSE: Thresholds(positives=25, likely=0.6, certain=None),
}
VISIT = replace(
    visit("door-1000-1", phase="confirmed"),
    first_seen_at_s=1.0,
    last_seen_at_s=4.0,
    zones=("hall",),
    garments=(Garment(label="Dress", score=0.9, votes=3), Garment(label="Blazer", score=0.6, votes=2)),
)


def rules(*asked: dict[str, Any], zone_info: ZoneInfo = MEXICO) -> Rules:
    made = [AlertRule.model_validate({"name": f"rule{number}"} | rule) for number, rule in enumerate(asked)]
    return Rules(rules=made, thresholds=THRESHOLDS, zone_info=zone_info)


def other(number: int, **changes: Any) -> Visit:  # noqa: ANN401 - any field of a visit
    return replace(VISIT, visit_id=f"door-1000-{number}", **changes)


def test_an_alert_tells_who_and_what() -> None:
    (alert,) = rules({"name": "smart", "any_of": ["Dress", "Blazer", "Jeans"]}).judge(VISIT, 5.0)
    assert alert.alert_id == "door-1000-1-smart"
    assert (alert.visit_id, alert.camera_id, alert.rule, alert.zones) == ("door-1000-1", "door", "smart", ("hall",))
    assert [g.label for g in alert.garments] == ["Dress", "Blazer"]
    assert (alert.first_seen_at_s, alert.raised_at_s) == (1.0, 5.0)


@pytest.mark.parametrize(
    ("asked", "worn", "confidence"),
    [
        (["Dress"], {"Dress": 0.9}, "certain"),
        (["Dress"], {"Dress": 0.8}, "certain"),
        (["Dress"], {"Dress": 0.79}, "likely"),
        (["Dress", "Blazer"], {"Dress": 0.9, "Blazer": 0.6}, "likely"),  # the least sure of the two
        (["Dress"], {"Dress": 0.9, "Blazer": 0.6}, "certain"),  # the blazer is not told
        (["Blouse"], {"Blouse": 1.0}, "likely"),  # nothing makes a blouse certain
    ],
)
def test_an_alert_tells_how_sure_its_least_sure_garment_is(
    asked: list[str], worn: dict[str, float], confidence: str
) -> None:
    garments = tuple(Garment(label=label, score=score, votes=3) for label, score in worn.items())
    (alert,) = rules({"any_of": asked}).judge(replace(VISIT, garments=garments), 5.0)
    assert alert.confidence == confidence


def test_one_alert_a_stay_and_rule() -> None:
    both = rules({"any_of": ["Dress"]}, {"any_of": ["Dress"], "cameras": ["hall"]})
    assert [alert.rule for alert in both.judge(VISIT, 5.0, "door-1000-1")] == ["rule0"]
    in_hall = other(2, camera_id="hall")
    assert [alert.alert_id for alert in both.judge(in_hall, 9.0, "door-1000-1")] == ["door-1000-2-rule1"]
    both.judge(replace(VISIT, phase="ended"), 60.0, "door-1000-1")
    assert both.judge(in_hall, 61.0, "door-1000-1") == ()
    both.forget("door-1000-1")
    assert [alert.rule for alert in both.judge(in_hall, 62.0, "door-1000-1")] == ["rule0", "rule1"]


def test_one_alert_a_visit_and_rule() -> None:
    both = rules({"any_of": ["Dress"]}, {"any_of": ["Dress", "Blazer"]})
    assert [alert.rule for alert in both.judge(VISIT, 5.0)] == ["rule0", "rule1"]
    assert both.judge(VISIT, 6.0) == ()
    assert both.judge(replace(VISIT, zones=("hall", "till")), 7.0) == ()
    assert len(both.judge(other(2), 7.0)) == 2


@pytest.mark.parametrize(
    "changes",
    [{"settled": False}, {"entered": False}, {"silent": True}, {"phase": "ended"}, {"garments": ()}],
    ids=lambda changes: next(iter(changes)),
)
def test_no_alert_for(changes: dict[str, Any]) -> None:
    assert rules({"any_of": ["Dress"]}).judge(replace(VISIT, **changes), 5.0) == ()


def test_an_alert_follows_when_the_customer_enters_later() -> None:
    one = rules({"any_of": ["Dress"]})
    assert one.judge(replace(VISIT, entered=False), 5.0) == ()
    assert len(one.judge(VISIT, 6.0)) == 1


@pytest.mark.parametrize(
    ("rule", "garments"),
    [
        ({"any_of": ["Jeans"]}, None),
        ({"any_of": ["Jeans", "Blazer"]}, ["Blazer"]),
        ({"all_of": ["Dress", "Blazer"]}, ["Dress", "Blazer"]),
        ({"all_of": ["Dress", "Jeans"]}, None),
        ({"all_of": ["Dress"], "any_of": ["Jeans", "Blazer"]}, ["Dress", "Blazer"]),
        ({"all_of": ["Dress"], "any_of": ["Jeans"]}, None),
        ({"any_of": ["Dress", "Blazer"], "confidence": "certain"}, ["Dress"]),
        ({"all_of": ["Dress", "Blazer"], "confidence": "certain"}, None),
        ({"any_of": ["Dress", "Blazer"], "min_score": 0.6}, ["Dress", "Blazer"]),
        ({"any_of": ["Dress", "Blazer"], "min_score": 0.61}, ["Dress"]),
        ({"any_of": ["Dress"], "min_score": 0.95}, None),
        ({"any_of": ["Dress"], "cameras": ["door", "back"]}, ["Dress"]),
        ({"any_of": ["Dress"], "cameras": ["back"]}, None),
        ({"any_of": ["Dress"], "zones": ["till", "hall"]}, ["Dress"]),
        ({"any_of": ["Dress"], "zones": ["till"]}, None),
    ],
)
def test_what_a_rule_asks_for(rule: dict[str, Any], garments: list[str] | None) -> None:
    alerts = rules(rule).judge(VISIT, 5.0)
    assert [[g.label for g in alert.garments] for alert in alerts] == ([] if garments is None else [garments])


def test_no_alert_on_a_category_without_a_threshold() -> None:
    asked = rules(
        {"name": "a", "any_of": ["Romper", "Dress"], "all_of": ["Romper"]},
        {"name": "b", "any_of": ["Blouse"], "confidence": "certain"},
        {"name": "c", "any_of": ["Blouse"]},
    )
    sure = replace(VISIT, garments=tuple(Garment(label=n, score=1.0, votes=9) for n in ("Romper", "Blouse")))
    assert [alert.rule for alert in asked.judge(sure, 5.0)] == ["c"]
    assert asked.unalertable() == [
        ("a", GarmentLabel.ROMPER, "likely"),
        ("b", GarmentLabel.BLOUSE, "certain"),
    ]


def worn(**scores: float) -> tuple[Garment, ...]:
    return tuple(Garment(label=name.replace("_", " "), score=score, votes=3) for name, score in scores.items())


@pytest.mark.parametrize(
    ("rule", "garments", "groups", "told"),
    [
        ({"any_of": ["Outerwear"]}, {}, {"Outerwear": 0.5}, ["Outerwear"]),
        ({"any_of": ["Outerwear"]}, {}, {"Outerwear": 0.49}, None),
        ({"any_of": ["Outerwear"]}, {}, {"Light_top": 0.9}, None),
        ({"any_of": ["Jacket"]}, {}, {"Outerwear": 0.9}, None),
        ({"any_of": ["Outerwear"]}, {"Jacket": 0.6}, {"Outerwear": 0.7}, ["Jacket"]),
        ({"any_of": ["Outerwear"]}, {"Jacket": 0.6}, {}, ["Jacket"]),  # a model without thresholds of groups
        ({"any_of": ["Outerwear"]}, {"Jeans": 0.9}, {}, None),
        ({"any_of": ["Outerwear"], "confidence": "certain"}, {"Jacket": 0.6}, {"Outerwear": 0.9}, ["Outerwear"]),
        ({"any_of": ["Outerwear"], "confidence": "certain"}, {"Jacket": 0.6}, {"Outerwear": 0.7}, None),
        ({"any_of": ["Outerwear"], "min_score": 0.75}, {"Jacket": 0.6}, {"Outerwear": 0.8}, ["Outerwear"]),
        ({"any_of": ["Outerwear"], "min_score": 0.85}, {"Jacket": 0.6}, {"Outerwear": 0.8}, None),
        ({"any_of": ["Outerwear", "Jeans"]}, {"Jeans": 0.9}, {"Outerwear": 0.8}, ["Jeans", "Outerwear"]),
        ({"all_of": ["Outerwear", "Jeans"]}, {"Jeans": 0.9}, {"Outerwear": 0.8}, ["Jeans", "Outerwear"]),
        ({"all_of": ["Outerwear", "Jeans"]}, {"Jeans": 0.9, "Blazer": 0.6}, {}, ["Jeans", "Blazer"]),
        ({"all_of": ["Outerwear", "Jeans"]}, {"Jeans": 0.9}, {"Knitwear": 0.9}, None),
        ({"all_of": ["Outerwear", "Light top"]}, {}, {"Outerwear": 0.9, "Light_top": 0.6}, ["Outerwear", "Light top"]),
        ({"any_of": ["One-piece"]}, {}, {"One-piece": 1.0}, None),
    ],
)
def test_a_rule_may_name_a_group(
    rule: dict[str, Any], garments: dict[str, float], groups: dict[str, float], told: list[str] | None
) -> None:
    visit = replace(VISIT, garments=worn(**garments), groups=worn(**groups))
    alerts = rules(rule).judge(visit, 5.0)
    assert [[g.label for g in (*a.garments, *a.groups)] for a in alerts] == ([] if told is None else [told])


def test_a_group_can_alert_if_it_or_a_member_can() -> None:
    asked = rules({"name": "a", "any_of": ["One-piece", "Knitwear"]}, {"name": "b", "any_of": ["Outerwear"]})
    assert asked.unalertable() == [("a", GarmentGroup.ONE_PIECE, "likely")]
    for alone, outcome in ((None, [("a", GarmentGroup.ONE_PIECE, "likely")]), (0.7, [])):
        found = GroupThresholds(positives=33, likely=0.5, certain=None, alone=alone)  # but no member is ever told
        made = [AlertRule(name="a", any_of=(GarmentGroup.ONE_PIECE,))]
        given = THRESHOLDS | {GarmentGroup.ONE_PIECE: found}
        assert Rules(rules=made, thresholds=given, zone_info=MEXICO).unalertable() == outcome
    older: dict[GarmentName, Thresholds] = {label: THRESHOLDS[label] for label in LABELS}
    made = [AlertRule(name="a", any_of=(GarmentGroup.ONE_PIECE,)), AlertRule(name="b", any_of=(GarmentGroup.KNITWEAR,))]
    without = Rules(rules=made, thresholds=older, zone_info=MEXICO)
    assert without.unalertable() == [("a", GarmentGroup.ONE_PIECE, "likely")]


def test_the_cooldown_silences_a_rule_per_camera_and_for_good() -> None:
    one = rules({"any_of": ["Dress"], "cooldown_s": 60}, {"any_of": ["Blazer"]})
    assert [a.rule for a in one.judge(VISIT, 100.0)] == ["rule0", "rule1"]
    assert [a.rule for a in one.judge(other(2), 159.9)] == ["rule1"]
    assert [a.rule for a in one.judge(other(3, camera_id="back"), 159.9)] == ["rule0", "rule1"]
    assert one.judge(other(2), 200.0) == ()
    assert [a.rule for a in one.judge(other(4), 160.0)] == ["rule0", "rule1"]


def test_nothing_is_remembered_of_visits_that_have_ended() -> None:
    one = rules({"any_of": ["Dress"]})
    for number in range(50):
        assert len(one.judge(other(number), 5.0)) == 1
        one.judge(other(number, phase="ended"), 6.0)
        one.judge(other(number + 1000, phase="ended"), 6.0)
    assert not one._spent


# Opening hours


def at(zone: ZoneInfo, text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


DAY = OpeningHours(opens="10:00", closes="20:30", days=("mon", "tue", "wed", "thu", "fri", "sat"))
NIGHT = OpeningHours(opens="22:00", closes="02:00", days=("fri", "sat"))


@pytest.mark.parametrize(
    ("hours", "when", "expected"),
    [
        (DAY, "2026-11-23T10:00:00", True),
        (DAY, "2026-11-23T09:59:59.999", False),
        (DAY, "2026-11-23T20:29:59.999", True),
        (DAY, "2026-11-23T20:30:00", False),
        (DAY, "2026-11-22T12:00:00", False),  # a Sunday
        (NIGHT, "2026-11-20T22:00:00", True),  # a Friday
        (NIGHT, "2026-11-20T01:00:00", False),  # the night from Thursday
        (NIGHT, "2026-11-21T00:00:00", True),
        (NIGHT, "2026-11-21T01:59:59", True),
        (NIGHT, "2026-11-21T02:00:00", False),
        (NIGHT, "2026-11-22T01:00:00", True),  # Sunday, of Saturday's night
        (NIGHT, "2026-11-22T23:00:00", False),
        (NIGHT, "2026-11-23T01:00:00", False),
        (OpeningHours(opens="08:00", closes="00:00"), "2026-11-23T23:59:59", True),
        (OpeningHours(opens="08:00", closes="00:00"), "2026-11-23T00:00:00", False),
        (OpeningHours(opens="00:00", closes="00:00", days=("mon",)), "2026-11-23T12:00:00", True),
        (OpeningHours(opens="00:00", closes="00:00", days=("mon",)), "2026-11-24T00:00:00", False),
        (OpeningHours(opens="00:00", closes="23:59"), "2026-11-23T23:59:00", False),
    ],
)
def test_the_shop_is_open(hours: OpeningHours, when: str, *, expected: bool) -> None:
    assert is_open(hours, at(MEXICO, when)) is expected


def test_hours_are_those_of_the_store() -> None:
    one = {"any_of": ["Dress"], "hours": [{"opens": "10:00", "closes": "20:00", "days": ["mon"]}]}
    noon_in_mexico = at(MEXICO, "2026-11-23T12:00:00").timestamp()
    late_in_mexico = at(MEXICO, "2026-11-23T19:30:00").timestamp()  # Tuesday already in Madrid
    assert len(rules(one).judge(VISIT, noon_in_mexico)) == 1
    assert len(rules(one).judge(VISIT, late_in_mexico)) == 1
    assert len(rules(one, zone_info=MADRID).judge(VISIT, noon_in_mexico)) == 1
    assert rules(one, zone_info=MADRID).judge(VISIT, late_in_mexico) == ()


def test_one_of_several_hours_is_enough_and_waiting_for_them_spends_nothing() -> None:
    one = rules(
        {
            "any_of": ["Dress"],
            "hours": [{"opens": "09:00", "closes": "13:00"}, {"opens": "16:00", "closes": "20:00"}],
        }
    )
    assert one.judge(VISIT, at(MEXICO, "2026-11-23T14:00:00").timestamp()) == ()
    assert len(one.judge(VISIT, at(MEXICO, "2026-11-23T16:00:00").timestamp())) == 1


@pytest.mark.parametrize(
    ("utc", "expected"),
    [
        ("2026-03-29T00:59:59+00:00", False),  # 01:59 in Madrid; the clock goes on to 03:00
        ("2026-03-29T01:00:00+00:00", True),  # 03:00
        ("2026-03-29T01:29:59+00:00", True),
        ("2026-03-29T01:30:00+00:00", False),
        ("2026-10-25T00:10:00+00:00", True),  # 02:10 in Madrid for the first time
        ("2026-10-25T01:10:00+00:00", True),  # and for the second
        ("2026-10-25T02:30:00+00:00", False),
    ],
)
def test_the_clock_on_the_wall_decides_when_it_is_changed(utc: str, *, expected: bool) -> None:
    one = rules({"any_of": ["Dress"], "hours": [{"opens": "02:00", "closes": "03:30"}]}, zone_info=MADRID)
    assert bool(one.judge(VISIT, datetime.fromisoformat(utc).timestamp())) is expected


clocks = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@given(
    clocks,
    clocks,
    st.sets(st.sampled_from(DAYS), min_size=1),
    st.datetimes(datetime(2026, 1, 5), datetime(2026, 1, 11)),  # noqa: DTZ001 - wall clock
)
def test_night_hours_are_the_rest_of_the_day_hours(opens: str, closes: str, days: set[str], when: datetime) -> None:
    hours = OpeningHours.model_validate({"opens": opens, "closes": closes, "days": sorted(days)})
    every_day = OpeningHours(opens=opens, closes=closes)
    turned = OpeningHours(opens=closes, closes=opens)
    assert is_open(hours, when) <= is_open(every_day, when)
    assert is_open(every_day, when) != is_open(turned, when) or opens == closes
