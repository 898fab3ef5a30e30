"""The clips that `benchmarks/held_out.py` composes and how it counts, on people who are drawn."""

import argparse
import importlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

DATA = os.environ.get("VESTIBULE_DATA")
Image = npt.NDArray[np.uint8]


class Modules(SimpleNamespace):
    """The scripts of `benchmarks/`."""

    main: ModuleType
    room: ModuleType
    cast: ModuleType
    clips: ModuleType


@pytest.fixture
def held_out(monkeypatch: pytest.MonkeyPatch) -> Modules:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    names = {"main": "held_out", "room": "held_out_room", "cast": "held_out_cast", "clips": "held_out_clips"}
    return Modules(**{name: importlib.import_module(module) for name, module in names.items()})


def figure(number: int) -> Image:
    """Somebody of one colour: an oval with a head."""
    picture = np.zeros((120, 40, 4), np.uint8)
    bgr = np.array([[[number * 15 % 180, 220, 220]]], np.uint8)
    tint = (*cv2.cvtColor(bgr, cv2.COLOR_HSV2BGR)[0, 0].tolist(), 255)
    cv2.ellipse(picture, (20, 70), (19, 49), 0, 0, 360, tint, -1)
    cv2.circle(picture, (20, 12), 11, (120, 160, 220, 255), -1)
    return picture


def looks(held_out: Modules, count: int, wearers: int = 0) -> list[Any]:
    return [
        held_out.cast.Look(
            photo=f"p{n}", picture=figure(n), garments=("Dress",) if n < wearers else ("Jeans",), unknown=("Tee",)
        )
        for n in range(count)
    ]


def composed(held_out: Modules, seed: int = 1, number: int = 1, seconds: float = 16) -> tuple[list[Image], Any]:
    scene = held_out.clips.stage(
        number, seed, looks(held_out, held_out.cast.HAND), [], size_wh=(160, 90), seconds=seconds
    )
    seen = [held_out.clips.Seen() for _ in scene.actors]
    images = list(held_out.clips.pictures(scene, seen))
    return images, held_out.clips.truth(scene, seen)


def test_the_same_seed_gives_the_same_pixels_and_truth_and_another_does_not(held_out: Modules) -> None:
    images, told = composed(held_out, seconds=5)
    again, told_again = composed(held_out, seconds=5)
    assert told == told_again
    assert all(np.array_equal(one, other) for one, other in zip(images, again, strict=True))
    others, told_otherwise = composed(held_out, seed=2, seconds=5)
    assert told != told_otherwise
    assert not np.array_equal(images[0], others[0])


def test_everybody_comes_through_the_door_and_one_comes_back(held_out: Modules) -> None:
    _, told = composed(held_out, seconds=40)
    customers = {p["name"]: p for p in told["people"] if p["role"] == "customer"}
    assert len(customers) == held_out.cast.CUSTOMERS
    assert all(p["enters_s"] and p["visible_s"] for p in customers.values())
    back = customers["returns-2"]
    assert len(back["enters_s"]) == 2
    assert back["enters_s"][0] < back["leaves_s"][0] < back["enters_s"][1]
    behind, ahead = customers["behind-1"], customers["ahead-0"]
    assert abs(behind["enters_s"][0] - ahead["enters_s"][0]) < 6


def test_the_mannequin_never_moves_and_is_no_customer(held_out: Modules) -> None:
    _, told = composed(held_out)
    (mannequin,) = [p for p in told["people"] if p["role"] != "customer"]
    assert mannequin["role"] == "mannequin"
    assert len({tuple(box[1:]) for box in mannequin["boxes"]}) == 1
    assert mannequin["enters_s"] == mannequin["leaves_s"] == []


def test_whoever_is_nearer_hides_the_one_behind_and_boxes_tell_where_they_are(held_out: Modules) -> None:
    steps = [held_out.clips.Step(x_m=0.0, y_m=y, heading_rad=0.0, phase=0.0, stride_m=0.0) for y in (4.6, 4.0)]
    scene = held_out.clips.stage(1, 1, looks(held_out, 10), [], size_wh=(320, 180), seconds=1)
    actors = tuple(
        held_out.cast.Actor(name=f"{n}", role="customer", look=look, height_m=1.7, steps=(step,))
        for n, (look, step) in enumerate(zip(looks(held_out, 10)[::9], steps, strict=True))
    )
    scene = held_out.clips.Scene(
        name="two", fps=10, frames=1, crf=23, room=scene.room, actors=actors, poster="", seed=(1, 1)
    )
    seen = [held_out.clips.Seen() for _ in actors]
    list(held_out.clips.pictures(scene, seen))
    far, near = seen
    assert near.shares[0] == 1.0
    assert far.shares[0] < 0.6
    heights = [one.boxes[0][3] - one.boxes[0][1] for one in seen]
    assert heights[1] > heights[0]
    feet = scene.room.camera.project(np.array([[0.0, y, 0.0] for y in (4.6, 4.0)]))[:, 1]
    assert [one.boxes[0][3] for one in seen] == pytest.approx(feet, abs=2)


def test_nobody_is_seen_through_the_wall(held_out: Modules) -> None:
    scene = held_out.clips.stage(1, 1, looks(held_out, 10), [], size_wh=(320, 180), seconds=1)
    beside = scene.room.door_m[1] + 1.0
    step = held_out.clips.Step(x_m=beside, y_m=scene.room.wall_m + 1.0, heading_rad=0.0, phase=0.0, stride_m=0.0)
    actor = held_out.cast.Actor(
        name="outside", role="customer", look=looks(held_out, 1)[0], height_m=1.7, steps=(step,)
    )
    scene = held_out.clips.Scene(
        name="wall", fps=10, frames=1, crf=23, room=scene.room, actors=(actor,), poster="", seed=(1, 1)
    )
    seen = [held_out.clips.Seen()]
    list(held_out.clips.pictures(scene, seen))
    assert seen[0].shares[0] == 0.0


def test_ways_keep_clear_of_racks_and_the_mannequin(held_out: Modules) -> None:
    start = held_out.cast.Stop(x_m=0.0, y_m=3.0)
    meets = held_out.cast._meets
    rack = (1.0, 2.0), (3.0, 4.0)
    assert meets(start, held_out.cast.Stop(x_m=3.0, y_m=3.5), *rack)
    assert not meets(start, held_out.cast.Stop(x_m=0.0, y_m=6.0), *rack)
    assert not meets(start, held_out.cast.Stop(x_m=0.4, y_m=3.5), *rack)


@pytest.mark.parametrize(("people", "wearers", "clips"), [(60, 8, 4), (60, 2, 4), (12, 3, 3), (40, 0, 2)])
def test_hands_spread_those_who_may_alert_and_show_nobody_twice_in_a_clip(
    held_out: Modules, people: int, wearers: int, clips: int
) -> None:
    hands = held_out.cast.deal(looks(held_out, people, wearers), clips, np.random.default_rng(3))
    assert [len(hand) for hand in hands] == [held_out.cast.HAND] * clips
    assert all(len({look.photo for look in hand}) == held_out.cast.HAND for hand in hands)
    shown = [sum("Dress" in look.garments for look in hand[: held_out.cast.CUSTOMERS]) for hand in hands]
    assert max(shown) - min(shown) <= 1
    if people >= clips * held_out.cast.HAND and wearers >= clips:
        assert len({look.photo for hand in hands for look in hand}) == clips * held_out.cast.HAND


def test_too_few_people_are_said(held_out: Modules) -> None:
    with pytest.raises(ValueError, match="4 people are too few"):
        held_out.cast.deal(looks(held_out, 4), 1, np.random.default_rng(1))


def test_a_written_clip_has_all_frames_and_the_camera_that_its_truth_tells_of(
    held_out: Modules, tmp_path: Path
) -> None:
    scene = held_out.clips.stage(2, 1, looks(held_out, 10), [], size_wh=(160, 90), seconds=2)
    clip = held_out.clips.write_clip(scene, tmp_path)
    told = json.loads((tmp_path / "held-out-2.truth.json").read_text("utf-8"))
    with av.open(str(clip)) as container:
        assert sum(1 for _ in container.decode(video=0)) == told["frames"] == scene.frames
    settings = held_out.main.settings_of(tmp_path / "held-out-2.toml", {"motion": {"regions": "false"}})
    assert not settings.motion.regions
    (camera,) = settings.cameras
    assert [list(end) for end in camera.entrance.line] == told["entrance"]["line"]
    assert list(camera.entrance.inside) == told["entrance"]["inside"]


def test_a_variant_is_read_and_what_is_wrong_with_it_is_said(held_out: Modules, tmp_path: Path) -> None:
    assert held_out.main.changes_of("motion.regions=false,detector.input_size=288x160") == {
        "motion": {"regions": "false"},
        "detector": {"input_size": "288x160"},
    }
    with pytest.raises(argparse.ArgumentTypeError, match=r"section\.key=value"):
        held_out.main.changes_of("regions=false")
    path = tmp_path / "plain.toml"
    path.write_text('[site]\nid = "x"\n', encoding="utf-8")
    with pytest.raises(SystemExit, match=r"motion\.region: unknown key"):
        held_out.main.settings_of(path, {"motion": {"region": "false"}})


def watched(visits: Sequence[int], alerts: Sequence[tuple[int, str]]) -> object:
    """Three customers, of whom the first wears a dress, with so many visits each, and what was alerted of whom."""
    accuracy = importlib.import_module("accuracy")
    people = [{"role": "customer", "garments": ["Dress"] if n == 0 else [], "garments_unknown": []} for n in range(3)]
    watch = accuracy.Watch(people)
    names = [(person, f"{person}.{k}") for person, count in enumerate(visits) for k in range(count)]
    for track, (person, name) in enumerate(names):
        watch.matches[track, person] += 5
        watch.visit_of[track] = name
        watch.messages.append({"type": "new", "visit_id": name})
    watch.messages += [
        {"rule": "r", "visit_id": f"{person}.0", "garments": [{"label": label}], "groups": []}
        for person, label in alerts
    ]
    return watch


def test_a_visit_that_is_told_when_its_person_has_gone_is_theirs(held_out: Modules) -> None:
    del held_out
    watch = importlib.import_module("accuracy").Watch([{"role": "customer", "garments": [], "garments_unknown": []}])
    watch.matches[7, 0] += 3
    watch.note_visits([7], lambda _: None)
    assert watch.owner_of_visits() == {}
    watch.note_visits([], {7: SimpleNamespace(visit_id="late")}.get)
    assert watch.owner_of_visits() == {"late": 0}


def test_clips_add_up_and_shares_come_with_intervals(held_out: Modules) -> None:
    outcome = held_out.main.outcome_of(
        {
            Path("a.mp4"): watched((1, 2, 0), [(0, "Dress")]),
            Path("b.mp4"): watched((1, 1, 1), [(1, "Dress")]),
        },
        "a 1 and b 2",
    )
    assert outcome.due == 2
    assert outcome.once == {("a", 0), ("b", 0), ("b", 1), ("b", 2)}
    expected = {"visitors": 6, "counted once": 4, "twice": 1, "missed": 1, "alerts right": 1, "wrong": 1}
    expected |= {"duplicate": 0, "alerts missed": 1}
    assert {name: outcome.total[name] for name in expected} == expected
    table = held_out.main.clips_table(outcome)
    assert "| **all** | 6 | 4 | 1 | 1 | 0 |" in table
    assert "Counted once 0.67 (0.30-0.90)" in table  # Wilson's interval of 4 of 6
    assert "precision 0.50" in table
    assert table.startswith("a 1 and b 2:\n")
    assert table.count("\n") == 8


def test_variants_are_compared_visitor_by_visitor(held_out: Modules) -> None:
    first = held_out.main.outcome_of({Path("a.mp4"): watched((1, 1, 0), [])}, "")
    other = held_out.main.outcome_of({Path("a.mp4"): watched((0, 1, 1), [])}, "")
    rows = held_out.main.variants_table({"what ships": first, "other": other}).splitlines()
    assert rows[2].endswith("| - | - | - |")
    assert rows[3].endswith("| 1 | 1 | 1.00 |")


@pytest.mark.parametrize(("gained", "lost", "p"), [(0, 0, 1.0), (1, 1, 1.0), (0, 5, 0.0625), (8, 1, 0.0390625)])
def test_the_sign_test_is_exact(held_out: Modules, gained: int, lost: int, p: float) -> None:
    assert held_out.main.sign_test(gained, lost) == pytest.approx(p)


def test_the_page_has_a_place_for_the_tables() -> None:
    page = (Path(__file__).parents[1] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert page.count("<!-- bench:held-out -->\n") == page.count("<!-- /bench:held-out -->\n") == 1


@pytest.mark.skipif(not DATA, reason="VESTIBULE_DATA is not set: no photos to cut people out of")
def test_people_are_of_split_test_and_of_no_other_clip(held_out: Modules) -> None:
    data = Path(str(DATA))
    found = held_out.cast.read_looks(data)
    manifest = importlib.import_module("vestibule_models.dataset").read_photos(data / "garments-v1")
    split = {example.path.stem: example.split for example in manifest}
    assert {split[look.photo] for look in found} == {"test"}
    other = "".join(path.read_text("utf-8") for path in (data / "clips").glob("*.truth.json"))
    assert not [look.photo for look in found if f'"{look.photo.removeprefix("ccp_")}"' in other]
    assert len(found) >= 8 * held_out.cast.HAND
    assert all(look.picture.shape[2] == 4 and look.picture.shape[0] > 300 for look in found)
