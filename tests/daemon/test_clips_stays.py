"""The shipped networks on a rendered pair of clips: the same people before two cameras."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from vestibule.config import Settings
from vestibule.stages import load_models

REPOSITORY = Path(__file__).parents[2]
CAMERAS = ("entrance", "floor")


@pytest.fixture
def stays(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """What the benchmark measures with: it tells by their boxes whose visit is whose."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return importlib.import_module("stays")


@pytest.mark.slow
@pytest.mark.parametrize(("pair", "linked"), [("first", 6), ("second", 5)])
def test_links_between_two_cameras_are_right_and_the_doubtful_stay_apart(
    stays: ModuleType, pair: str, linked: int
) -> None:
    clips = [REPOSITORY / "tests" / "footage" / f"{pair}-{camera}.mp4" for camera in CAMERAS]
    ended, alerts = stays.replay_pair(clips, stays.settings_for(clips[0], (2.0, 30.0)), load_models(Settings()))
    counts = stays.compare(ended)
    assert counts["wrong"] == 0
    assert counts["right"] >= linked
    by_stay: dict[str, set[str]] = {}
    for visit in ended:
        by_stay.setdefault(visit.stay_id, set()).add(visit.camera)
    assert {visit.cameras for visit in ended if visit.camera == "floor" and len(by_stay[visit.stay_id]) > 1} == {
        CAMERAS
    }
    stay_of = {visit.visit_id: visit.stay_id for visit in ended}
    told = [(stay_of[alert["visit_id"]], alert["rule"]) for alert in alerts]
    assert len(told) == len(set(told)) > 0
