from pathlib import Path

import numpy as np
import pytest

from vestibule_models.artifact import ArtifactError
from vestibule_models.dataset import Example
from vestibule_models.fairness import (
    Unit,
    best_overlap,
    compare_sides,
    garments_csv,
    measure_persons,
    name_parts,
    put_into_room,
)
from vestibule_models.labels import LABELS


def unit(sex: str, right: int, *, group: str = "Black", outfit: str = "Tee", unseen: bool = False) -> Unit:
    return Unit(group=group, sex=sex, outfit=outfit, unseen=unseen, right=right, trials=28)


def test_names_tell_group_sex_and_style() -> None:
    assert name_parts("Black_F_1_Busi") == ("Black", "women", "Busi")
    for name in ("Black_X_1_Busi", "somebody"):
        with pytest.raises(ArtifactError, match="Black_F_1_Busi"):
            name_parts(name)


def test_a_difference_among_many_avatars_is_beyond_chance() -> None:
    units = [unit("women", 14 + i % 2) for i in range(8)] + [unit("men", 26 + i % 2) for i in range(8)]
    (by_sex, by_group) = compare_sides(units, "asked", rounds=999)
    assert (by_sex.by, by_sex.avatars) == ("sex", "all")
    assert by_sex.p_value is not None
    assert by_sex.p_value < 0.01
    assert [(side.name, side.avatars, side.trials) for side in by_sex.sides] == [("men", 8, 224), ("women", 8, 224)]
    assert by_sex.sides[0].recall.value == pytest.approx((26.5) / 28)
    assert by_sex.sides[0].beside_equals == pytest.approx(6 / 28)
    assert by_group.p_value is None  # one group only


def test_what_is_worn_does_not_count_against_those_who_wear_it() -> None:
    units = [unit("women", 5, outfit="Dress") for _ in range(6)] + [unit("men", 27, outfit="Tee") for _ in range(6)]
    units += [unit("women", 27), unit("women", 26), unit("men", 26)]
    by_sex, _ = compare_sides(units, "asked", rounds=499)
    assert by_sex.p_value is not None
    assert by_sex.p_value > 0.3
    assert all(abs(side.beside_equals) < 0.02 for side in by_sex.sides)


def test_nobody_dressed_alike_on_both_sides_gives_no_test() -> None:
    by_sex, _ = compare_sides([unit("women", 5, outfit="Dress"), unit("men", 28)], "asked")
    assert by_sex.p_value is None


def test_unseen_avatars_are_compared_apart() -> None:
    found = compare_sides([unit("women", 5, unseen=True), unit("men", 9)], "asked", rounds=9)
    assert [(one.avatars, one.by, len(one.sides)) for one in found] == [
        ("unseen", "sex", 1),
        ("unseen", "group", 1),
        ("all", "sex", 2),
        ("all", "group", 1),
    ]


def test_chance_alone_is_rarely_called_a_difference() -> None:
    rng = np.random.default_rng(0)
    called = 0
    for trial in range(60):
        units = [unit("women" if i % 2 else "men", int(rng.binomial(28, 0.8))) for i in range(20)]
        by_sex, _ = compare_sides(units, "asked", seed=trial, rounds=199)
        called += by_sex.p_value is not None and by_sex.p_value < 0.05
    assert called <= 9  # more of 60 would come up once in a thousand times


def sprite(height: int = 120, width: int = 50) -> np.ndarray:
    image = np.zeros((height, width, 4), np.uint8)
    image[10:110, 10:40] = (0, 255, 0, 255)
    return image


def test_a_person_stands_in_the_room_where_the_box_says() -> None:
    for seed in range(20):
        image, box = put_into_room(sprite(), np.random.default_rng(seed))
        again, _ = put_into_room(sprite(), np.random.default_rng(seed))
        assert np.array_equal(image, again)
        assert image.shape == (360, 640, 3)
        x0, y0, x1, y1 = box.astype(int)
        assert 0 <= x0 < x1 <= 640
        assert 0 <= y0 < y1 <= 360
        inside = image[y0:y1, x0:x1].reshape(-1, 3).mean(axis=0)
        assert inside[1] > inside[0] + 20
        assert inside[1] > inside[2] + 20
        assert abs((y1 - y0) / (x1 - x0) - 100 / 30) < 0.4


def test_people_found_are_counted_by_avatar(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    examples = []
    for avatar in ("Black_F_1_Casual", "White_M_1_Casual"):
        for number in range(2):
            path = tmp_path / f"{avatar}{number}.png"
            cv2.imwrite(str(path), sprite())
            nothing = np.zeros(len(LABELS), np.float32)
            examples.append(
                Example(path=path, source="rendered", split="demo", group=avatar, targets=nothing, known=nothing)
            )
    everywhere = np.array([[0, 0, 640, 360]], np.float32)
    found = measure_persons(lambda _: (everywhere, np.ones(1, np.float32)), 0.5, examples)
    assert [side.recall.value for one in found for side in one.sides] == [0.0] * 16  # the box is no person's
    assert {one.what for one in found} == {"people found at the shipped threshold", "people found, IoU 0.3"}
    more = measure_persons(lambda _: (everywhere, np.ones(1, np.float32)), 0.5, examples, rooms=3)
    assert {side.trials for one in more for side in one.sides} == {6}
    with pytest.raises(ArtifactError, match="render sprites"):
        measure_persons(lambda _: (everywhere, np.ones(1, np.float32)), 0.5, [])


def test_the_table_of_garments_may_be_named_by_its_folder(tmp_path: Path) -> None:
    assert garments_csv(tmp_path) == tmp_path / "garments.csv"
    assert garments_csv(tmp_path / "other.csv") == tmp_path / "other.csv"


def test_a_loose_box_is_a_box_and_one_of_a_low_score_is_none() -> None:
    person = np.array([0, 0, 40, 100], np.float32)
    boxes = np.array([[0, 0, 100, 100], [0, 0, 40, 100]], np.float32)
    assert best_overlap(person, boxes, np.array([0.9, 0.2], np.float32), 0.5) == pytest.approx(0.4)
    assert best_overlap(person, boxes, np.array([0.9, 0.6], np.float32), 0.5) == pytest.approx(1.0)
    assert best_overlap(person, boxes[:0], np.zeros(0, np.float32), 0.5) == 0.0
