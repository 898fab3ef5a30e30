"""The dashboard asks for what the daemon exports, and for nothing else; no Grafana is at hand to draw it."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families

from vestibule.classifiers import Ran
from vestibule.config import Settings
from vestibule.health import Health
from vestibule.metrics import Metrics
from vestibule.mqtt_section import MqttConfig
from vestibule.observers import Stage
from vestibule.outbox_file import Outcome
from vestibule.sections import CameraConfig
from vestibule.sinks import JsonlSink, MqttSink

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "vestibule.json"
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
LABELS = {"job", "instance", "le"}
"""Those that Prometheus adds, or that are of its histograms."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, set[str]]]:
    """By each sample's name its labels, and their values."""
    settings = Settings(cameras=(CameraConfig(id="door", source="0"),))
    sink = MqttSink(MqttConfig(port=9), site="store")
    try:
        metrics = Metrics()
        health, crops = Health(["door"], lambda: 0.0), Counter[Ran]({"server": 0, "box": 0})
        files = {"jsonl": JsonlSink(tmp_path_factory.mktemp("files") / "events.jsonl")}
        metrics.watch(health, sink, settings, files=files, crops=crops)
        text = metrics.pages["/metrics"]().body.decode()
        files["jsonl"].close()
    finally:
        sink.close(0.1)
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for name, text in sample.labels.items():
                labels.setdefault(name, set()).add(text)
    return found


def panels() -> list[dict[str, Any]]:
    content: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return list(content["panels"])


def expressions() -> list[str]:
    """Of the dashboard, and of the alerts that the administrator's page suggests."""
    asked = [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    section = OPERATIONS.read_text(encoding="utf-8").partition("What is worth an alert:")[2].partition("\n## ")[0]
    suggested = re.findall(r"^\| `(.+?)` \|", section, flags=re.MULTILINE)
    assert len(asked) > 20
    assert len(suggested) > 5
    return [*asked, *(text.replace("\\|", "|") for text in suggested)]


def selected(expression: str) -> list[tuple[str, str]]:
    """The names of metrics in an expression, each with what is between its braces."""
    return re.findall(r"\b((?:vestibule|process)_\w+)(?:\{([^}]*)\})?", expression)


def base(name: str) -> str:
    """The metric that a sample belongs to."""
    return re.sub(r"_(bucket|sum|count|created|total)$", "", name)


def test_everything_asked_for_is_exported(exported: dict[str, dict[str, set[str]]]) -> None:
    for expression in expressions():
        for name, condition in selected(expression):
            assert name in exported, expression
            for label, kind, wanted in re.findall(r'(\w+)(=~|!=|!~|=)"([^"]*)"', condition):
                if label in LABELS:
                    continue
                assert label in exported[name], expression
                for word in wanted.split("|") if kind in ("=~", "!~") else [wanted]:
                    assert word in exported[name][label], expression
        for labels in re.findall(r"by \(([^)]*)\)", expression):
            names = {name for name, _ in selected(expression)}
            known = LABELS.union(*(exported[name].keys() for name in names))
            assert {label.strip() for label in labels.split(",")} <= known, expression


def test_everything_exported_is_on_the_dashboard(exported: dict[str, dict[str, set[str]]]) -> None:
    asked = [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    shown = {base(name) for expression in asked for name, _ in selected(expression)}
    assert {base(name) for name in exported if name.startswith("vestibule_")} - shown == set()


def test_the_words_of_the_labels_are_those_of_the_types(exported: dict[str, dict[str, set[str]]]) -> None:
    assert exported["vestibule_classified_crops_total"]["by"] == set(get_args(Ran))
    assert exported["vestibule_stage_duration_seconds_count"]["stage"] == set(get_args(Stage))
    assert exported["vestibule_outbox_settled_events_total"]["outcome"] == set(get_args(Outcome))


def test_a_time_series_is_read_from_a_chosen_source_and_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {(x + place["x"], y + place["y"]) for x in range(place["w"]) for y in range(place["h"])}
        assert not taken & cells, panel["title"]
        assert all(0 <= x < 24 for x, _ in cells), panel["title"]
        taken |= cells
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}", panel["title"]
    assert len({panel["id"] for panel in panels()}) == len(panels())
