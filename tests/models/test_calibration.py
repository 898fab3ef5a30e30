import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule_models import calibration
from vestibule_models.artifact import GroupThresholds, Thresholds
from vestibule_models.groups import Floats
from vestibule_models.labels import LABELS, GarmentGroup, GarmentLabel


def test_average_precision_of_a_known_ranking() -> None:
    targets, scores = np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1])
    assert calibration.average_precision(targets, scores) == pytest.approx((1 + 2 / 3) / 2)


def test_equal_scores_are_taken_together() -> None:
    assert calibration.average_precision(np.array([1, 0, 0, 0]), np.full(4, 0.5)) == pytest.approx(0.25)


def test_without_a_positive_there_is_no_average_precision() -> None:
    assert np.isnan(calibration.average_precision(np.zeros(3), np.arange(3.0)))


def test_unknown_rows_do_not_count() -> None:
    targets, scores = np.array([[1.0], [0.0], [0.0]]), np.array([[0.5], [0.9], [0.1]])
    known = np.array([[1.0], [0.0], [1.0]])
    assert calibration.mean_average_precision(targets, scores, known, [0]) == 1
    assert calibration.mean_average_precision(targets, scores, np.ones((3, 1)), [0]) == pytest.approx(0.5)


def test_the_interval_holds_the_value_and_repeats() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((200, 2)) < 0.3).astype(float)
    scores = targets * 0.3 + rng.random((200, 2))
    figure = calibration.bootstrap_map(targets, scores, np.ones((200, 2)), [0, 1], rounds=200)
    assert figure.low < figure.value < figure.high
    assert figure == calibration.bootstrap_map(targets, scores, np.ones((200, 2)), [0, 1], rounds=200)


def test_wilson_against_a_published_value() -> None:
    figure = calibration.wilson(81, 263)  # Newcombe 1998, table I
    assert (round(figure.low, 4), round(figure.high, 4)) == (0.2553, 0.3662)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.8, 0.9])), max_size=60))
def test_a_threshold_keeps_its_promise_and_is_the_lowest(rows: list[tuple[bool, float]]) -> None:
    targets = np.array([float(right) for right, _ in rows])
    scores = np.array([score for _, score in rows])
    found = calibration.lowest_score(targets, scores, 0.75)
    keeps = [
        score
        for score in sorted(set(scores.tolist()))
        if (scores >= score).sum() >= calibration.MIN_PREDICTIONS and targets[scores >= score].mean() >= 0.75
    ]
    assert found == (keeps[0] if keeps else None)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9])), max_size=60))
def test_a_threshold_can_be_asked_to_hold_at_the_lower_end_of_its_interval(rows: list[tuple[bool, float]]) -> None:
    targets = np.array([float(right) for right, _ in rows])
    scores = np.array([score for _, score in rows])
    found = calibration.lowest_score(targets, scores, 0.9, at_least=0.8)
    keeps = [
        score
        for score in sorted(set(scores.tolist()))
        if (right := targets[scores >= score]).mean() >= 0.9
        and len(right) >= calibration.MIN_PREDICTIONS
        and calibration.wilson(int(right.sum()), len(right)).low >= 0.8
    ]
    assert found == (keeps[0] if keeps else None)


def test_nine_right_of_ten_are_likely_and_no_ground_for_certain() -> None:
    targets = np.array([1.0] * 9 + [0.0] * 40 + [1.0] * 11)
    thresholds = calibration.thresholds_for(targets, np.linspace(1, 0, 60), np.ones(60))
    assert thresholds.likely is not None
    assert thresholds.certain is None
    more = np.array(([1.0] * 9 + [0.0]) * 6 + [0.0] * 40)
    assert calibration.thresholds_for(more, np.linspace(1, 0, 100), np.ones(100)).certain is not None


def test_few_positives_give_no_threshold_however_good() -> None:
    targets = np.array([1.0] * 19 + [0.0] * 100)
    scores = targets.copy()
    thresholds = calibration.thresholds_for(targets, scores, np.ones(119))
    assert (thresholds.positives, thresholds.likely, thresholds.certain) == (19, None, None)


def test_thresholds_of_a_good_category() -> None:
    targets = np.array([1.0] * 30 + [0.0, 1.0, 0.0, 1.0, 0.0] + [0.0] * 100)
    scores = np.linspace(1, 0, len(targets))
    thresholds = calibration.thresholds_for(targets, scores, np.ones(len(targets)))
    assert thresholds.positives == 32
    assert thresholds.likely is not None
    assert thresholds.certain is not None
    assert thresholds.likely < thresholds.certain


def test_top_k_leaves_out_what_nobody_knows() -> None:
    targets = np.array([[1.0, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0]])
    scores = np.array([[0.9, 0.5, 0.1], [0.5, 0.9, 0.1], [0.9, 0.5, 0.1], [0.5, 0.9, 0.1]])
    known = np.array([[1.0, 1, 1], [1, 0, 1], [1, 1, 1], [1, 1, 1]])
    # The second photo's highest answer is unknown; the third shows nothing known.
    assert calibration.top_k(targets, scores, known, 1).value == pytest.approx(1 / 2)
    assert calibration.top_k(targets, scores, known, 2).value == 1


def test_saying_no_to_everything_is_right_wherever_nothing_is_worn() -> None:
    targets, known = np.eye(15), np.ones((15, 15))
    assert calibration.binary_accuracy(targets, np.zeros((15, 15)), known) == pytest.approx(14 / 15)
    assert calibration.binary_accuracy(targets, targets, known) == 1
    assert calibration.binary_accuracy(targets, 1 - targets, known * targets) == 0


def outerwear(*rows: tuple[int, float, float]) -> tuple[Floats, Floats, Floats]:
    """Photos as (how many, jacket worn, its score): targets, probs and known, (N, 15)."""
    jacket = LABELS.index(GarmentLabel.JACKET)
    targets, probs = (np.zeros((sum(row[0] for row in rows), 15), np.float32) for _ in range(2))
    targets[:, jacket] = np.repeat([row[1] for row in rows], [row[0] for row in rows])
    probs[:, jacket] = np.repeat([row[2] for row in rows], [row[0] for row in rows])
    return targets, probs, np.ones_like(targets)


def test_a_group_alone_is_measured_on_the_photos_on_which_no_member_is_likely() -> None:
    """Sure jackets carry doubtful ones over the line: told by themselves, those are right 40 times in 100."""
    targets, probs, known = outerwear((200, 1, 0.9), (60, 0, 0.3), (40, 1, 0.3))
    thresholds = {
        label: calibration.thresholds_for(targets[:, i], probs[:, i], known[:, i]) for i, label in enumerate(LABELS)
    }
    thresholds[GarmentLabel.JACKET] = thresholds[GarmentLabel.JACKET].model_copy(update={"likely": 0.5})
    found = calibration.group_thresholds_for(targets, probs, known, thresholds)[GarmentGroup.OUTERWEAR]
    assert found.likely == pytest.approx(0.3)
    assert found.certain == pytest.approx(0.9)
    assert found.alone is None


def test_a_group_alone_is_believed_from_the_score_that_is_right_often_enough() -> None:
    targets, probs, known = outerwear((200, 1, 0.9), (60, 0, 0.3), (20, 1, 0.3), (30, 1, 0.4), (5, 0, 0.4))
    none = Thresholds(positives=0, likely=None, certain=None)
    jackets = dict.fromkeys(LABELS, none) | {GarmentLabel.JACKET: none.model_copy(update={"likely": 0.5})}
    found = calibration.group_thresholds_for(targets, probs, known, jackets)[GarmentGroup.OUTERWEAR]
    assert found.positives == 250
    assert found.alone == pytest.approx(0.4)
    few = calibration.group_thresholds_for(*outerwear((200, 1, 0.9), (19, 1, 0.4)), jackets)
    assert few[GarmentGroup.OUTERWEAR].alone is None  # too few to tell
    assert few[GarmentGroup.KNITWEAR] == GroupThresholds(positives=0, likely=None, certain=None)
