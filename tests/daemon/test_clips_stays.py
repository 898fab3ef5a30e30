"""The shipped networks on a rendered pair of clips: the same people before two cameras."""

import json
from pathlib import Path
from typing import Any

import pytest

from vestibule.config import Settings
from vestibule.inline import run_inline
from vestibule.sources.replay import ReplaySource, in_step
from vestibule.stages import build_stages, load_models

FOOTAGE = Path(__file__).parents[1] / "footage"
CAMERAS = ("entrance", "floor")


def truth_of(pair: str, camera: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOOTAGE / f"{pair}-{camera}.truth.json").read_text(encoding="utf-8"))
    return found


def ended_visits(pair: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Replay both clips in step with a known walk; the last words on the visits that entered, and the alerts."""
    entrance, floor = ({"id": name, "source": "replay", "role": name} for name in CAMERAS)
    walk = {"from_camera": "entrance", "to_camera": "floor", "min_s": 2, "max_s": 30}
    line = truth_of(pair, "entrance")["entrance"]
    settings = Settings.model_validate({"cameras": [{**entrance, "entrance": line}, floor], "stays": {"walks": [walk]}})
    sources = [ReplaySource(FOOTAGE / f"{pair}-{camera.id}.mp4", camera, 0.0) for camera in settings.cameras]
    payloads: list[dict[str, Any]] = []
    stages = build_stages(settings, settings.cameras, load_models(settings))
    run_inline(in_step(sources), stages, lambda message: payloads.append(json.loads(message.payload)))
    ends = [payload for payload in payloads if payload.get("type") == "end" and payload["entered"]]
    return ends, [payload for payload in payloads if "rule" in payload]


def person_of(visit: dict[str, Any], truth: dict[str, Any]) -> str:
    """Whose box appeared at the moment nearest to the visit's first sight; they come two seconds apart."""
    appears_s: dict[str, float] = {person["name"]: person["boxes"][0][0] / truth["fps"] for person in truth["people"]}
    return min(appears_s, key=lambda name: abs(appears_s[name] - visit["first_seen_at_s"]))


@pytest.mark.slow
@pytest.mark.parametrize(("pair", "linked"), [("first", 6), ("second", 5)])
def test_links_between_two_cameras_are_right_and_the_doubtful_stay_apart(pair: str, linked: int) -> None:
    ends, alerts = ended_visits(pair)
    people = {camera: truth_of(pair, camera) for camera in CAMERAS}
    stays: dict[str, list[dict[str, Any]]] = {}
    for visit in ends:
        stays.setdefault(visit["stay"]["stay_id"], []).append(visit)
    over_both = [visits for visits in stays.values() if {visit["camera"] for visit in visits} == set(CAMERAS)]
    assert len(over_both) >= linked
    for visits in over_both:
        assert len({person_of(visit, people[visit["camera"]]) for visit in visits}) == 1
        assert visits[-1]["stay"]["cameras"] == list(CAMERAS)
    stay_of = {visit["visit_id"]: visit["stay"]["stay_id"] for visit in ends}
    told = [(stay_of[alert["visit_id"]], alert["rule"]) for alert in alerts]
    assert len(told) == len(set(told)) > 0
