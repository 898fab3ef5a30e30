"""The clips that ship agree with their truth files."""

import json
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from vestibule_models.labels import LABELS
from vestibule_models.render_demo import DEMO
from vestibule_models.render_footage import FOOTAGE
from vestibule_models.render_pairs import PAIRS

ROOT = Path(__file__).resolve().parents[2]
DEMO_CLIP = ROOT / "daemon" / "vestibule" / "demo" / "demo.mp4"
CLIPS = [DEMO_CLIP, *(ROOT / "tests" / "footage" / f"{s.name}.mp4" for s in (*FOOTAGE, *PAIRS))]


def _truth(clip: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(clip.with_suffix(".truth.json").read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("clip", CLIPS, ids=lambda p: p.stem)
def test_clip_is_what_its_truth_says(clip: Path) -> None:
    truth = _truth(clip)
    assert truth["clip"] == clip.name
    with av.open(str(clip)) as container:
        video = container.streams.video[0]
        assert [video.width, video.height] == truth["size"] == [640, 360]
        assert video.average_rate == truth["fps"]
        assert (video.codec_context.name, video.pix_fmt) == ("h264", "yuv420p")
        assert not container.streams.audio
        assert sum(1 for _ in container.decode(video)) == truth["frames"]


@pytest.mark.parametrize("clip", CLIPS, ids=lambda p: p.stem)
def test_truth_is_sound(clip: Path) -> None:
    truth = _truth(clip)
    width, height = truth["size"]
    seconds = truth["frames"] / truth["fps"]
    names = [p["name"] for p in truth["people"]]
    assert len(names) == len(set(names)) >= 2
    for person in truth["people"]:
        assert person["boxes"], person["name"]
        assert len(person["boxes"]) == len(person["seen"])
        frames = [box[0] for box in person["boxes"]]
        assert frames == sorted(set(frames))
        assert frames[-1] < truth["frames"]
        assert all(0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height for _, x0, y0, x1, y1 in person["boxes"])
        assert all(0 <= start < end <= seconds for start, end in person["visible_s"])
        assert set(person["garments"]) | set(person["garments_unknown"]) <= set(LABELS)
        assert all(0 < t < seconds for t in person["enters_s"] + person["leaves_s"])
    line, inside = truth["entrance"]["line"], truth["entrance"]["inside"]
    assert all(0 <= v <= 1 for point in (*line, inside, *truth.get("staff_zone", [])) for v in point)


def test_demo_is_small_and_has_the_cast_that_was_asked_for() -> None:
    assert DEMO_CLIP.stat().st_size <= 3_000_000
    people = {p["name"]: p for p in _truth(DEMO_CLIP)["people"]}
    customers = [p for p in people.values() if p["role"] == "customer"]
    assert all(p["enters_s"] for p in customers)
    assert len(customers) >= 6
    worn = {garment for p in customers for garment in p["garments"]}
    assert {"Dress", "Blazer", "Jeans", "Tee", "Shorts"} <= worn
    assert len(people["returner"]["enters_s"]) == 2
    (left,) = people["returner"]["leaves_s"]
    assert people["returner"]["enters_s"][0] < left < people["returner"]["enters_s"][1]
    assert people["assistant"]["role"] == "staff"
    assert not people["assistant"]["enters_s"]
    assert len({tuple(box[1:]) for box in people["mannequin"]["boxes"]}) == 1


def test_two_of_the_demo_hide_each_other() -> None:
    people = {p["name"]: p for p in _truth(DEMO_CLIP)["people"]}
    seen = {box[0]: share for box, share in zip(people["purple"]["boxes"], people["purple"]["seen"], strict=True)}
    crossing = [seen.get(frame, 0.0) for frame in range(13 * DEMO.fps, 16 * DEMO.fps)]
    assert min(crossing) < 0.5
    assert crossing[0] > 0.9
    assert crossing[-1] > 0.9


def test_everybody_who_enters_the_demo_is_seen_large_and_whole_for_two_seconds() -> None:
    truth = _truth(DEMO_CLIP)
    for person in truth["people"]:
        if person["role"] == "customer":
            boxes = zip(person["boxes"], person["seen"], strict=True)
            good = [b for b, share in boxes if share >= 0.9 and b[4] - b[2] >= 120]
            assert len(good) >= 2 * truth["fps"], person["name"]


def test_only_staff_stand_in_the_staff_zone() -> None:
    truth = _truth(DEMO_CLIP)
    zone = (np.array(truth["staff_zone"]) * truth["size"]).astype(np.float32)
    for person in truth["people"]:
        feet = [((x0 + x1) / 2, y1) for _, x0, _, x1, y1 in person["boxes"]]
        inside = [cv2.pointPolygonTest(zone, point, measureDist=False) >= 0 for point in feet]
        if person["role"] == "staff":
            assert sum(inside) > 0.9 * len(inside)
        else:
            assert not any(inside), person["name"]


def test_footage_is_small_and_shows_its_difficulty() -> None:
    clips = {clip.stem: clip for clip in CLIPS[1:]}
    pairs = {scene.name for scene in PAIRS}  # a minute each
    assert all(clip.stat().st_size <= (600_000 if name in pairs else 300_000) for name, clip in clips.items())
    crowd = _truth(clips["crowd"])
    at_once = [
        sum(any(b[0] == frame for b in p["boxes"]) for p in crowd["people"] if p["role"] == "customer")
        for frame in range(crowd["frames"])
    ]
    assert max(at_once) >= 8
    hides = next(p for p in _truth(clips["hidden"])["people"] if p["name"] == "hides")
    (_, gone), (back, _) = hides["visible_s"]
    assert back - gone >= 2
    line = {p["name"]: p["enters_s"] for p in _truth(clips["line"])["people"]}
    assert [len(line[name]) for name in ("crosses", "turns", "along")] == [1, 0, 0]
    one, two = (p["garments"] for p in _truth(clips["alike"])["people"][:2])
    assert one == two
