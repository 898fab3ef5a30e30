import json
import random
from pathlib import Path

import pytest

from vestibule_models.render_demo import DEMO
from vestibule_models.render_sprites import DEMO_CAST, Wardrobe, as_job, plan, read_wardrobes, tints, views

CSV = """file,seen,unknown
Asian_F_9_Casual.glb,Dress,
White_M_9_Busi.glb,Blazer,Blouse Top
White_M_8_Casual.glb,Tee Jeans,
Black_F_3_Casual.glb,Dress,
"""


@pytest.fixture
def wardrobes(tmp_path: Path) -> list[Wardrobe]:
    (tmp_path / "garments.csv").write_text(CSV, encoding="utf-8")
    return read_wardrobes(tmp_path)


def test_wardrobes_are_read_with_their_doubts(wardrobes: list[Wardrobe]) -> None:
    suit = wardrobes[1]
    assert (suit.name, suit.garments, suit.unknown) == ("White_M_9_Busi", ("Blazer",), ("Blouse", "Top"))
    assert wardrobes[0].garments == ("Dress",)


def test_everybody_in_the_demo_is_kept_from_training() -> None:
    assert {p.avatar for p in DEMO.people} == set(DEMO_CAST)


def test_split_follows_the_demo_cast(wardrobes: list[Wardrobe]) -> None:
    assert {v.avatar: v.split for v in plan(wardrobes, 1)} == {
        "Asian_F_9_Casual": "train",
        "White_M_9_Busi": "train",
        "White_M_8_Casual": "train",
        "Black_F_3_Casual": "demo",
    }


def test_rare_garments_come_first_and_more_often_and_the_demo_last(wardrobes: list[Wardrobe]) -> None:
    planned = [v.avatar for v in plan(wardrobes, 1)]
    assert planned[0] == "Asian_F_9_Casual"
    assert planned[-1] == "Black_F_3_Casual"
    assert planned.count("Asian_F_9_Casual") > 2 * planned.count("White_M_8_Casual")


def test_plan_is_the_same_for_the_same_seed(wardrobes: list[Wardrobe]) -> None:
    assert plan(wardrobes, 1) == plan(wardrobes, 1)
    assert plan(wardrobes, 1) != plan(wardrobes, 2)


def test_views_cover_the_ceiling_angles_and_all_headings(wardrobes: list[Wardrobe]) -> None:
    drawn = views(wardrobes[0], 400, seed=3)
    pitches = [v.pitch_deg for v in drawn]
    assert min(pitches) >= 5
    assert 50 < max(pitches) <= 65
    assert sum(10 <= p <= 40 for p in pitches) > 0.7 * len(pitches)
    assert {round(v.heading_deg / 45) % 8 for v in drawn} == set(range(8))
    assert all(1.5 <= v.distance_m <= 5 for v in drawn)
    assert sum(bool(v.tints) for v in drawn) == len(drawn) // 2


def test_denim_keeps_its_hue_and_a_suit_is_dyed_as_one(wardrobes: list[Wardrobe]) -> None:
    chance = random.Random(0)  # noqa: S311 - no secret
    by_part = {t.part: t for t in tints(wardrobes[2], chance)}
    assert by_part["lower"].strength == 0
    assert [t.part for t in tints(wardrobes[1], chance)] == ["suit"]
    assert [t.part for t in tints(wardrobes[0], chance)] == ["whole"]


def test_job_survives_json(wardrobes: list[Wardrobe], tmp_path: Path) -> None:
    job = json.loads(json.dumps(as_job(tmp_path, tmp_path / "out", plan(wardrobes, 1))))
    assert job["mode"] == "sprites"
    assert len(job["views"]) == len({v["file"] for v in job["views"]})
