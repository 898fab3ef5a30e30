import numpy as np
import pytest

from vestibule_models.artifact import GarmentManifest, GroupThresholds, ScoreMap, Thresholds, load_manifest
from vestibule_models.calibration import average_precision
from vestibule_models.garment_metrics import Floats, confusion, measure, redrawn_precisions
from vestibule_models.labels import LABELS, GarmentGroup, GarmentLabel
from vestibule_models.predict import shipped_classifier


def manifest(
    thresholds: dict[GarmentLabel, Thresholds] | None = None,
    groups: dict[GarmentGroup, GroupThresholds] | None = None,
    score_map: ScoreMap | None = None,
) -> GarmentManifest:
    """A manifest with these thresholds and no others."""
    shipped = load_manifest(shipped_classifier())
    assert isinstance(shipped, GarmentManifest)
    none = {label: Thresholds(positives=0, likely=None, certain=None) for label in LABELS}
    changed = {"thresholds": none | (thresholds or {}), "group_thresholds": groups or {}, "score_map": score_map}
    return shipped.model_copy(update=changed)


NO_THRESHOLDS = manifest()


def row(**scores: float) -> Floats:
    return np.array([scores.get(label, 0) for label in LABELS], np.float32)


def known(*unknown: str) -> Floats:
    return np.array([label not in unknown for label in LABELS], np.float32)


def dresses_and_jeans(dresses: int, jeans: int) -> tuple[Floats, Floats]:
    targets = np.stack([row(Dress=1)] * dresses + [row(Jeans=1)] * jeans)
    return targets, np.ones_like(targets)


def test_a_perfect_ranking_of_enough_photos() -> None:
    targets, everything = dresses_and_jeans(12, 12)
    thresholds = manifest({GarmentLabel.DRESS: Thresholds(positives=30, likely=0.5, certain=0.95)})
    found = measure(targets, everything, targets * 0.9, thresholds, rounds=50)
    assert found.macro_ap_over == ("Dress", "Jeans")
    assert found.macro_ap is not None
    assert found.macro_ap.value == 1
    assert found.top1.value == 1
    dress = found.per_category["Dress"]
    assert dress.likely is not None
    assert dress.certain is not None
    assert dress.likely.precision is not None
    assert dress.likely.recall is not None
    assert (dress.likely.precision.value, dress.likely.recall.value) == (1, 1)
    assert dress.certain.precision is None  # nothing reached it, which is not a precision of nought
    assert dress.certain.recall is not None
    assert dress.certain.recall.value == 0
    assert found.per_category["Jeans"].likely is None


def test_categories_with_few_positives_stay_out_of_the_mean() -> None:
    targets, everything = dresses_and_jeans(9, 15)
    found = measure(targets, everything, np.full((24, 15), 0.5, np.float32), NO_THRESHOLDS, rounds=50)
    assert found.macro_ap_over == ("Jeans",)
    dress = found.per_category["Dress"].ap
    assert dress is not None
    assert dress.value == 9 / 24
    assert dress.low < dress.value < dress.high


def test_photos_on_which_nobody_could_tell_count_neither_way() -> None:
    targets, everything = dresses_and_jeans(12, 12)
    everything[12:, LABELS.index(GarmentLabel.DRESS)] = 0
    probs = np.full_like(targets, 0.5)
    probs[12:, LABELS.index(GarmentLabel.DRESS)] = 0.9
    found = measure(targets, everything, probs, NO_THRESHOLDS, rounds=20)
    assert (found.per_category["Dress"].known, found.per_category["Dress"].positives) == (12, 12)
    assert found.per_category["Dress"].ap is not None
    assert found.per_category["Dress"].ap.value == 1


def test_without_enough_of_anything_there_is_no_mean() -> None:
    targets, everything = dresses_and_jeans(2, 1)
    found = measure(targets, everything, targets, NO_THRESHOLDS, rounds=20)
    assert (found.macro_ap, found.groups_macro_ap, found.calibration) == (None, None, None)
    assert found.per_category["Tee"].ap is None


def test_a_confusion_is_within_one_half_of_the_body() -> None:
    targets = np.stack([row(Jeans=1), row(Dress=1), row(Blazer=1, Skirt=1)])
    probs = np.stack([row(Jeans=0.4, Blazer=0.9, Skirt=0.3), row(Dress=0.2, Skirt=0.5), row(Blazer=0.3, Jacket=0.4)])
    assert confusion(targets, np.ones_like(targets), probs) == {
        "Jeans": {"Jeans": 1},
        "Dress": {"Skirt": 1},
        "Blazer": {"Jacket": 1},
        "Skirt": {"Skirt": 1},  # nothing scores above its 0: an equal score does not
    }


def test_a_garment_in_doubt_is_not_told_instead() -> None:
    targets = row(Tee=1)[None]
    assert confusion(targets, known("Top")[None], row(Tee=0.1, Top=0.9)[None]) == {"Tee": {"Tee": 1}}


def test_a_draw_by_counts_is_a_draw_of_rows() -> None:
    rng = np.random.default_rng(3)
    targets = (rng.random((40, 2)) < 0.3).astype(np.float32)
    everything = (rng.random((40, 2)) < 0.8).astype(np.float32)
    scores = (rng.integers(0, 8, (40, 2)) / 8).astype(np.float32)  # with ties
    found = redrawn_precisions(targets, everything, scores, rounds=5, seed=7)
    draws = np.random.default_rng(7).multinomial(40, np.full(40, 1 / 40), size=5)
    for values, counts in zip(found, draws, strict=True):
        rows = np.repeat(np.arange(40), counts)
        for column in range(2):
            told = rows[everything[rows, column] > 0]
            assert values[column] == pytest.approx(average_precision(targets[told, column], scores[told, column]))


def test_draws_without_a_positive_have_no_precision() -> None:
    nothing = np.zeros((6, 1), np.float32)
    assert np.isnan(redrawn_precisions(nothing, np.ones_like(nothing), nothing, rounds=3, seed=0)).all()
    assert np.isnan(redrawn_precisions(nothing, nothing, nothing, rounds=3, seed=0)).all()


def test_what_everybody_wears_cannot_be_ranked() -> None:
    targets, everything = dresses_and_jeans(12, 0)
    found = measure(targets, everything, targets, NO_THRESHOLDS, rounds=5)
    assert found.macro_ap_over == ()
    assert found.macro_ap is None


def test_groups_are_told_at_their_thresholds_alone_and_beside_their_members() -> None:
    blazer = {GarmentLabel.BLAZER: Thresholds(positives=30, likely=0.6, certain=0.9)}
    outerwear = GroupThresholds(positives=60, likely=0.3, certain=0.8, alone=0.4)
    rows = [
        (row(Blazer=1), row(Blazer=0.95)),  # a member is likely
        (row(Jacket=1), row(Jacket=0.5)),  # told alone
        (row(Jacket=1), row(Jacket=0.35)),  # likely, not enough alone
        (row(Jacket=1), row(Jacket=0.1)),
        (row(Tee=1), row(Jacket=0.45)),  # told alone, wrongly
        (row(Tee=1), row(Blazer=0.7)),  # a member is likely, wrongly
        (row(Tee=1), row()),
    ]
    targets, probs = (np.stack(each) for each in zip(*rows, strict=True))
    told = manifest(blazer, {GarmentGroup.OUTERWEAR: outerwear})
    found = measure(targets, np.ones_like(targets), probs, told, rounds=5).groups["Outerwear"]
    figures = {
        what: (at.told, round((at.precision.value if at.precision else 0) * at.told), at.threshold)
        for what in ("likely", "certain", "alone", "asked")
        if (at := getattr(found, what))
    }
    assert figures == {"likely": (5, 3, 0.3), "certain": (1, 1, 0.8), "alone": (2, 1, 0.4), "asked": (4, 2, 0.3)}
    assert found.asked is not None
    assert found.asked.recall is not None
    assert found.asked.recall.value == 2 / 4
    never = measure(targets, np.ones_like(targets), probs, manifest(blazer), rounds=5).groups["Outerwear"]
    assert (never.likely, never.asked) == (None, None)


def test_calibration_is_told_of_scores_as_they_are_published_too() -> None:
    targets, everything = dresses_and_jeans(12, 12)
    probs = np.where(targets > 0, np.float32(0.9), np.float32(0.1))
    assert measure(targets, everything, probs, NO_THRESHOLDS, rounds=5).published is None
    doubting = manifest(score_map=ScoreMap(slope=0.5, intercept=0.0))
    found = measure(targets, everything, probs, doubting, rounds=5)
    assert found.calibration is not None
    assert found.published is not None
    assert found.calibration.expected_calibration_error == pytest.approx(0.1)
    assert found.published.expected_calibration_error == pytest.approx(0.25)  # 0.9 becomes 0.75
