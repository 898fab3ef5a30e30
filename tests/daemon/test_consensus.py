from dataclasses import replace
from itertools import permutations
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from fakes import visit
from hypothesis import given
from hypothesis import strategies as st

from vestibule.alert_sections import AlertRule
from vestibule.classifiers import SHIPPED
from vestibule.consensus import Evidence
from vestibule.rules import Rules
from vestibule.types import Reading
from vestibule_models.artifact import GarmentManifest, GroupThresholds, ScoreMap, Thresholds, load_manifest
from vestibule_models.labels import LABELS, GarmentGroup, GarmentLabel, GarmentName

THRESHOLDS: dict[GarmentName, Thresholds] = {
    **{label: Thresholds(positives=30, likely=0.5, certain=0.8) for label in LABELS},
    **{group: GroupThresholds(positives=30, likely=0.5, certain=0.8, alone=0.6) for group in GarmentGroup},
}

ASKED: tuple[tuple[GarmentName, ...], ...] = (
    (GarmentLabel.DRESS,),
    (GarmentLabel.BLAZER,),
    (GarmentLabel.TEE,),
    (GarmentGroup.OUTERWEAR,),
    (GarmentGroup.LIGHT_TOP,),
)
VISIT = replace(visit("door-1000-1", phase="confirmed"), first_seen_at_s=1.0, last_seen_at_s=4.0)


def reading(dress: float, jeans: float = 0.0, *, quality: float = 0.5, at_s: float = 0.0, look: int = 0) -> Reading:
    probs = np.zeros(15, np.float32)
    probs[[LABELS.index(GarmentLabel.DRESS), LABELS.index(GarmentLabel.JEANS)]] = dress, jeans
    embedding = np.zeros(4, np.float32)
    embedding[look] = 1
    return Reading(camera_id="door", track_id=1, captured_at_s=at_s, quality=quality, probs=probs, embedding=embedding)


def coat(blazer: float, jacket: float, *, quality: float = 0.5) -> Reading:
    """A reading of outerwear."""
    probs = np.zeros(15, np.float32)
    probs[[LABELS.index(GarmentLabel.BLAZER), LABELS.index(GarmentLabel.JACKET)]] = blazer, jacket
    return replace(reading(0.0, quality=quality), probs=probs)


def evidence(*readings: Reading, thresholds: dict[GarmentName, Thresholds] = THRESHOLDS) -> Evidence:
    made = Evidence(thresholds)
    for item in readings:
        made.add(item)
    return made


def test_nothing_read_is_nothing_worn() -> None:
    nothing = evidence()
    assert nothing.garments() == ()
    assert not nothing.suffices(1, 9)
    assert nothing.distance(evidence(reading(0.9))) is None


def test_what_somebody_looks_like_is_the_weighted_mean_and_unknown_colours_are_left_out() -> None:
    assert evidence().appearance() is None
    near, far = reading(0.9, quality=1.0), reading(0.3, quality=0.5, look=1)
    red, grey = (np.array([light, 40, 20] * 2, np.float32) for light in (90, 180))
    some = evidence(replace(near, clothes_lab=red), far)
    some.merge(evidence(replace(far, clothes_lab=grey)))
    found = some.appearance()
    assert found is not None
    assert found.look == pytest.approx(np.array([1, 2 / 8, 0, 0]) / np.hypot(1, 2 / 8))
    assert found.garments[LABELS.index(GarmentLabel.DRESS)] == pytest.approx((0.9 + 2 * 0.3 / 8) / (1 + 2 / 8))
    assert found.clothes_lab == pytest.approx(np.array([100, 40, 20] * 2))  # (90 + 180 / 8) / (1 + 1 / 8)
    unknown = evidence(near).appearance()
    assert unknown is not None
    assert np.isnan(unknown.clothes_lab).all()


def test_the_score_is_the_mean_weighted_by_the_cube_of_the_quality() -> None:
    (garment,) = evidence(reading(0.9, quality=1.0), reading(0.3, quality=0.5)).garments()
    assert garment.label == "Dress"
    assert garment.score == pytest.approx((0.9 + 0.3 / 8) / (1 + 1 / 8))
    assert garment.votes == 1


def test_a_bad_early_reading_is_outweighed() -> None:
    assert [g.label for g in evidence(reading(0, 1, quality=0.1), reading(1, 0, quality=0.8)).garments()] == ["Dress"]


def test_quality_zero_still_counts() -> None:
    assert evidence(reading(0.9, quality=0)).garments()[0].score == pytest.approx(0.9)


def test_garments_come_best_first_and_reach_the_threshold_exactly() -> None:
    assert [g.label for g in evidence(reading(0.5, 0.75)).garments()] == ["Jeans", "Dress"]
    assert [g.label for g in evidence(reading(0.75, 0.75)).garments()] == ["Dress", "Jeans"]
    assert evidence(reading(0.499)).garments() == ()


def test_a_category_without_a_threshold_is_never_worn() -> None:
    unknown = THRESHOLDS | {GarmentLabel.DRESS: Thresholds(positives=3, likely=None, certain=None)}
    assert evidence(reading(1.0), thresholds=unknown).garments() == ()
    del unknown[GarmentLabel.DRESS]
    assert evidence(reading(1.0), thresholds=unknown).garments() == ()


def test_a_group_is_told_where_its_members_are_not() -> None:
    unsure = evidence(coat(0.4, 0.4))
    assert unsure.garments() == ()
    (group,) = unsure.groups()
    assert (group.label, group.votes) == ("Outerwear", 1)
    assert group.score == pytest.approx(1 - 0.6 * 0.6)


def test_views_that_take_one_member_for_the_other_agree_on_the_group() -> None:
    (group,) = evidence(coat(0.8, 0.1), coat(0.1, 0.8)).groups()
    assert group.score == pytest.approx(1 - 0.2 * 0.9)  # each view's score, not that of the mean probabilities
    assert group.votes == 2


def test_near_views_count_more_for_groups_too() -> None:
    (group,) = evidence(coat(0.9, 0, quality=1.0), coat(0.3, 0, quality=0.5)).groups()
    assert group.score == pytest.approx((0.9 + 0.3 / 8) / (1 + 1 / 8))


def test_a_group_is_there_beside_its_member_and_not_without_a_threshold() -> None:
    sure = evidence(coat(0.0, 0.9))
    assert [g.label for g in (*sure.garments(), *sure.groups())] == ["Jacket", "Outerwear"]
    without = dict(THRESHOLDS)
    del without[GarmentGroup.OUTERWEAR]
    assert evidence(coat(0.4, 0.4), thresholds=without).groups() == ()
    without |= {GarmentGroup.OUTERWEAR: GroupThresholds(positives=33, likely=None, certain=None)}
    assert evidence(coat(0.4, 0.4), thresholds=without).groups() == ()
    assert evidence().groups() == ()


def test_a_group_none_of_whose_members_is_told_must_stand_alone() -> None:
    assert evidence(coat(0.36, 0.36)).groups() == ()  # 0.59: likely, and not where neither is likely
    assert [g.label for g in evidence(coat(0.37, 0.37)).groups()] == ["Outerwear"]  # 0.603
    assert [g.label for g in evidence(coat(0.0, 0.55)).groups()] == ["Outerwear"]  # beside the jacket
    never = THRESHOLDS | {GarmentGroup.OUTERWEAR: GroupThresholds(positives=30, likely=0.5, certain=0.8)}
    assert evidence(coat(0.45, 0.45), thresholds=never).groups() == ()
    assert [g.label for g in evidence(coat(0.0, 0.55), thresholds=never).groups()] == ["Outerwear"]


def test_it_suffices_with_enough_readings_that_agree() -> None:
    assert not evidence(reading(1), reading(1)).suffices(3, 9)
    assert evidence(reading(1), reading(1), reading(1)).suffices(3, 9)
    wavering = evidence(reading(1), reading(1), reading(0, 1, quality=1))
    assert not wavering.suffices(3, 9)
    wavering.add(reading(0, 1, quality=1))
    assert wavering.suffices(3, 9)
    assert evidence(reading(1)).suffices(1, 9)


def test_a_score_near_its_threshold_or_nothing_recognised_takes_more_readings() -> None:
    for doubtful in (0.6, 0.4, 0.0):
        made = evidence(*[reading(doubtful)] * 5)
        assert not made.suffices(3, 6)
        made.add(reading(doubtful))
        assert made.suffices(3, 6)


def test_what_is_not_a_number_is_left_out() -> None:
    made = evidence(reading(0.9), reading(float("nan")), reading(0.9, quality=float("nan")))
    assert made.count == 1
    assert made.garments()[0].score == pytest.approx(0.9)


def test_the_order_of_readings_does_not_matter() -> None:
    readings = [reading(0.9, quality=0.2, at_s=3), reading(0.2, 0.7, at_s=1), reading(0.8, 0.8, quality=1, at_s=2)]
    for order in permutations(readings):
        made = evidence(*order)
        assert made.first_at_s == 1
        assert [(g.label, g.votes) for g in made.garments()] == [("Jeans", 2), ("Dress", 2)]
        assert made.garments()[0].score == pytest.approx((0.7 / 8 + 0.8) / (0.008 + 1 / 8 + 1))


def test_merging_is_reading_all() -> None:
    parts = evidence(reading(0.9, at_s=5)), evidence(reading(0.7, at_s=2, look=1), reading(0.6))
    parts[0].merge(parts[1])
    parts[0].merge(evidence())
    together = evidence(reading(0.9, at_s=5), reading(0.7, at_s=2, look=1), reading(0.6))
    coats = evidence(coat(0.3, 0.4))
    coats.merge(evidence(coat(0.6, 0.3)))
    assert coats.groups() == evidence(coat(0.3, 0.4), coat(0.6, 0.3)).groups() != ()
    assert parts[0].garments() == pytest.approx(together.garments())
    assert (parts[0].count, parts[0].first_at_s) == (3, 0.0)
    assert parts[0].distance(together) == pytest.approx(0)


def test_an_empty_one_takes_over_that_the_other_suffices() -> None:
    empty = evidence()
    empty.merge(evidence(reading(1), reading(1), reading(1)))
    assert empty.suffices(3, 9)


def test_looks_are_compared_by_angle() -> None:
    assert evidence(reading(1)).distance(evidence(reading(0, 1, quality=1))) == pytest.approx(0)
    assert evidence(reading(1)).distance(evidence(reading(1, look=1))) == pytest.approx(1)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_scores_stay_within_what_was_read(values: list[tuple[float, float]]) -> None:
    made = evidence(*(reading(dress, quality=quality) for dress, quality in values))
    for garment in made.garments():
        assert min(d for d, _ in values) - 1e-6 <= garment.score <= max(d for d, _ in values) + 1e-6
        assert 0 <= garment.votes <= len(values)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0.05, 1)), min_size=1, max_size=6),
    st.floats(0.2, 3),
    st.floats(-2, 2),
)
def test_published_scores_change_no_decision(
    seen: list[tuple[float, float, float, float]], slope: float, intercept: float
) -> None:
    """What is told, in which order, and what is alerted on: as by the network's own scores."""
    shipped = load_manifest(SHIPPED)
    assert isinstance(shipped, GarmentManifest)
    plain = shipped.model_copy(update={"score_map": None, "group_score_map": None})
    maps = {"score_map": ScoreMap(slope=slope, intercept=intercept), "group_score_map": ScoreMap(slope=2, intercept=1)}
    mapped = plain.model_copy(update=maps)
    told = []
    for manifest in (plain, mapped):
        made = Evidence(manifest.all_thresholds, manifest.published)
        for dress, blazer, tee, quality in seen:
            item = replace(coat(blazer, 0.0), quality=quality)
            item.probs.setflags(write=True)
            item.probs[[LABELS.index(GarmentLabel.DRESS), LABELS.index(GarmentLabel.TEE)]] = dress, tee
            made.add(item)
        worn = (made.garments(), made.groups())
        asked = [
            AlertRule(name=f"{confidence}-{index}", any_of=names, confidence=confidence)
            for confidence in ("likely", "certain")
            for index, names in enumerate(ASKED)
        ]
        rules = Rules(rules=asked, thresholds=manifest.published_thresholds, zone_info=ZoneInfo("UTC"))
        visit = replace(VISIT, garments=worn[0], groups=worn[1])
        alerts = [
            (alert.rule, alert.confidence, [g.label for g in (*alert.garments, *alert.groups)])
            for alert in rules.judge(visit, 9.0)
        ]
        told.append(([[(g.label, g.votes) for g in each] for each in worn], alerts))
    assert told[0] == told[1]
