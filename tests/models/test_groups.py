import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule_models.groups import Floats, group_scores, group_truth
from vestibule_models.labels import GROUP_OF, LABELS, MEMBERS, GarmentGroup, GarmentLabel

GROUPS = tuple(MEMBERS)


def row(**scores: float) -> Floats:
    return np.array([scores.get(label, 0) for label in LABELS], np.float32)


def known(*unknown: str) -> Floats:
    return np.array([label not in unknown for label in LABELS], np.float32)


def test_every_group_has_members_and_no_garment_two_groups() -> None:
    assert set(MEMBERS) == set(GarmentGroup)
    assert len(GROUP_OF) == sum(map(len, MEMBERS.values()))
    assert GROUP_OF[GarmentLabel.BLAZER] is GarmentGroup.OUTERWEAR
    assert GarmentLabel.DRESS not in GROUP_OF
    assert not set(map(str, GarmentGroup)) & set(map(str, GarmentLabel))  # a rule names both in one list


def test_a_group_is_worn_absent_or_in_doubt() -> None:
    targets = np.stack([row(Tee=1), row(), row(), row(Dress=1)])
    doubts = np.stack([known("Top"), known("Top"), known(), known("Sweater", "Cardigan")])
    truth, told = group_truth(targets, doubts)
    tops, knits = GROUPS.index(GarmentGroup.LIGHT_TOP), GROUPS.index(GarmentGroup.KNITWEAR)
    assert truth[:, tops].tolist() == [1, 0, 0, 0]
    assert told[:, tops].tolist() == [1, 0, 1, 1]
    assert told[:, knits].tolist() == [1, 1, 1, 0]


def test_a_group_is_as_sure_as_any_of_its_independent_members() -> None:
    scores = group_scores(np.stack([row(Sweater=0.5, Cardigan=0.5, Blazer=0.2)]))[0]
    assert scores[GROUPS.index(GarmentGroup.KNITWEAR)] == pytest.approx(0.75)
    assert scores[GROUPS.index(GarmentGroup.OUTERWEAR)] == pytest.approx(0.2)
    assert scores[GROUPS.index(GarmentGroup.ONE_PIECE)] == 0


@given(st.lists(st.floats(0, 1, width=32), min_size=15, max_size=15))
def test_a_group_is_never_less_sure_than_a_member(values: list[float]) -> None:
    probs = np.array([values], np.float32)
    for score, members in zip(group_scores(probs)[0], MEMBERS.values(), strict=True):
        assert score >= max(probs[0, LABELS.index(label)] for label in members) - 1e-6
        assert score <= 1


def test_it_keeps_the_precision_and_takes_no_row() -> None:
    assert group_scores(np.zeros((0, 15), np.float64)).shape == (0, 4)
    assert group_scores(np.full((2, 15), 0.5, np.float32)).dtype == np.float32
    assert group_scores(np.full((2, 15), 0.5, np.float64)).dtype == np.float64


def test_numpy_is_all_it_needs() -> None:
    """The daemon imports it at each start."""
    code = "import sys, vestibule_models.groups; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(ran.stdout.split())
    assert "numpy" in loaded
    assert not loaded & {"pydantic", "scipy", "cv2", "PIL", "keras", "tensorflow"}
