import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from ledgers import rows

from vestibule import config, demo
from vestibule.broker import find_mosquitto
from vestibule.errors import SinkError, SourceError
from vestibule.geometry import contains
from vestibule.replay import ReplayOptions, Summary, replay

TRUTH = json.loads((demo.HERE / "demo.truth.json").read_text(encoding="utf-8"))
CUSTOMERS = [person for person in TRUTH["people"] if person["role"] == "customer"]
ALERTED = {"Dress", "Blazer"}


@dataclass(frozen=True)
class Run:
    summary: Summary
    events: list[dict[str, Any]]

    def payloads(self, last_level: str) -> list[dict[str, Any]]:
        return [event["payload"] for event in self.events if event["topic"].endswith("/" + last_level)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The shipped clip through the shipped networks, once for the module."""
    out = tmp_path_factory.mktemp("demo") / "events.jsonl"
    summary = replay(config.load(demo.HERE / "demo.toml"), ReplayOptions(files=(demo.HERE / "demo.mp4",), out=out))
    return Run(summary, [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()])


def person_of(payload: dict[str, Any]) -> dict[str, Any]:
    """Who came into view nearest to the visit's first sight."""
    return min(CUSTOMERS, key=lambda person: abs(person["visible_s"][0][0] - payload["first_seen_at_s"]))


def test_every_customer_who_enters_is_one_visit(run: Run) -> None:
    entered = [visit for visit in run.payloads("visits") if visit["type"] == "end" and visit["entered"]]
    assert len(entered) == len([person for person in CUSTOMERS if person["enters_s"]])
    assert Counter(person_of(visit)["name"] for visit in entered).most_common(1)[0][1] == 1


def test_one_alert_for_each_dress_and_blazer_and_none_else(run: Run) -> None:
    alerts = run.payloads("alerts")
    alerted = Counter(person_of(alert)["name"] for alert in alerts)
    due = {person["name"] for person in CUSTOMERS if ALERTED & set(person["garments"])}
    assert alerted == dict.fromkeys(due, 1)
    for alert in alerts:
        worn = set(person_of(alert)["garments"])
        assert {garment["label"] for garment in alert["garments"]} <= worn


def test_alerts_come_after_the_entrance_and_within_seconds(run: Run) -> None:
    for alert in run.payloads("alerts"):
        enters_s = person_of(alert)["enters_s"][0]
        assert enters_s - 0.7 <= alert["raised_at_s"] <= enters_s + 5


def test_the_configuration_draws_the_line_and_the_staff_zone_of_the_truth() -> None:
    settings = config.load(demo.HERE / "demo.toml")
    (camera,) = settings.cameras
    assert camera.entrance is not None
    assert np.allclose(camera.entrance.line, TRUTH["entrance"]["line"], atol=0.03)
    (staff,) = [zone for zone in camera.zones if zone.kind == "staff"]
    assistants = [person for person in TRUTH["people"] if person["role"] == "staff"]
    width, height = TRUTH["size"]
    for person in assistants:
        for _, x0, _, x1, y1 in person["boxes"]:
            assert contains(staff.polygon, ((x0 + x1) / 2 / width, y1 / height))


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """`vestibule demo` as its user runs it."""
    try:
        find_mosquitto()
    except SinkError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("out")
    command = [sys.executable, "-m", "vestibule", "demo", "--out", str(folder / "new")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, folder / "new"


def test_the_demo_shows_the_alerts_as_a_subscriber_gets_them(printed: tuple[str, Path], run: Run) -> None:
    text, _ = printed
    assert text.count("ALERT") == len(run.payloads("alerts"))
    for word in ("customer wearing Dress", "customer wearing Blazer", "visits", "frames/s", "decided to received"):
        assert word in text


def test_the_demo_leaves_an_annotated_video(printed: tuple[str, Path]) -> None:
    text, folder = printed
    assert "demo-annotated.mp4" in text
    with av.open(str(folder / "demo-annotated.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == TRUTH["frames"]


def test_the_demo_leaves_a_ledger_and_a_report_of_it(printed: tuple[str, Path], run: Run) -> None:
    text, folder = printed
    assert "report.html" in text
    ended = [visit for visit in run.payloads("visits") if visit["type"] == "end"]
    kept = rows(folder / "ledger.sqlite3")
    assert sorted(row["began_at_s"] for row in kept) == pytest.approx(
        sorted(demo.BEGAN_AT.timestamp() + visit["first_seen_at_s"] for visit in ended), abs=0.01
    )
    page = (folder / "report.html").read_text(encoding="utf-8")
    customers = len([person for person in CUSTOMERS if person["enters_s"]])
    assert f"<span>Customers</span><b>{customers}</b>" in page


def test_a_clip_that_is_none_is_said(tmp_path: Path) -> None:
    try:
        find_mosquitto()
    except SinkError as error:
        pytest.skip(str(error))
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear customer", encoding="utf-8")
    with pytest.raises(SourceError, match=r"letter\.mp4"):
        demo.demo(letter, tmp_path / "out")
