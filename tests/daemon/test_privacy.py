"""What the project promises in docs/privacy.md of those filmed: no word about the person, no trace of looks."""

import dataclasses
import gc
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ledgers
import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert.interpreter import Interpreter
from toyshop import CLASSIFIER, ToyClassifier, ToyDetector, crossing, frames
from toyshop import clip as write_clip

from vestibule import types
from vestibule.classifiers.readings import to_readings
from vestibule.config import Settings
from vestibule.payloads import PAYLOADS, json_schema
from vestibule.replay import ReplayOptions, replay
from vestibule.sections import CameraConfig, EntranceConfig, SiteConfig
from vestibule.sinks import LedgerSink
from vestibule.stages import Models, Stages, build_stages
from vestibule.types import CropBatch, Reading
from vestibule_models.labels import LABELS, GarmentGroup

ZOO = Path(types.__file__).parents[2] / "models" / "vestibule_models" / "zoo"
ABOUT_THE_PERSON = frozenset(
    re.findall(
        r"\w+",
        """
        age ages aged old young gender genders sex sexes female male woman women man men lady gentleman girl girls
        boy boys child children kid kids adult adults teenager senior elderly skin complexion race races racial
        ethnicity ethnic
        nationality origin religion religious face faces facial hair beard eye eyes emotion emotions mood disability
        disabled pregnant weight body attractiveness
        """,
    )
)
OF_OTHER_THINGS = {"max_frame_age_s": "of a frame, not of a person"}
LOOKS = 97
"""Numbers of the test's embedding; nothing else here is an array of so many."""


def words(name: str) -> set[str]:
    """The words of a name, however they are joined: `camelCase`, `snake_case`, `Two Words`."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def telling(names: Iterable[str]) -> set[str]:
    """Those that say something of the person."""
    return {name for name in names if name not in OF_OTHER_THINGS and words(name) & ABOUT_THE_PERSON}


def names_in(value: object) -> Iterator[str]:
    """Every key of a JSON value, and every value of an enumeration in a JSON Schema."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            if key in ("enum", "const"):
                yield from (str(one) for one in (inner if isinstance(inner, list) else [inner]))
            yield from names_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names_in(inner)


def test_the_words_are_found_where_they_are() -> None:
    assert telling(["personAge", "skin_tone", "Gender", "estimated age", "n_women", "SEX"]) == {
        "personAge",
        "skin_tone",
        "Gender",
        "estimated age",
        "n_women",
        "SEX",
    }
    assert not telling(["message", "average", "stage", "packages", "manifest", "human", "woven", "max_frame_age_s"])


def test_the_categories_are_garments_and_nothing_else() -> None:
    assert len(LABELS) == 15
    assert not telling([*LABELS, *GarmentGroup])


@pytest.mark.parametrize("manifest", sorted(ZOO.glob("*/manifest.json")), ids=lambda path: path.parent.name)
def test_no_manifest_has_a_category_of_the_person(manifest: Path) -> None:
    known = json.loads(manifest.read_text(encoding="utf-8"))
    known.pop("provenance")  # where the pictures are from, in prose
    assert not telling(names_in(known))
    assert known.get("labels", list(LABELS)) == list(LABELS)
    assert known.get("classes", 1) == 1


@pytest.mark.parametrize("manifest", sorted(ZOO.glob("garments-*/manifest.json")), ids=lambda path: path.parent.name)
def test_the_network_gives_the_garments_and_the_looks_and_nothing_else(manifest: Path) -> None:
    known = json.loads(manifest.read_text(encoding="utf-8"))
    interpreter = Interpreter(model_content=(manifest.parent / "model.tflite").read_bytes())
    outputs = sorted(one["shape"].tolist()[-1] for one in interpreter.get_output_details())
    assert outputs == sorted([len(LABELS), known["embedding_size"]])


@pytest.mark.parametrize("name", PAYLOADS)
def test_no_event_has_a_field_about_the_person(name: str) -> None:
    assert not telling(names_in(json_schema(name)))


def test_nothing_that_flows_or_can_be_set_is_about_the_person() -> None:
    flowing = [one for one in vars(types).values() if dataclasses.is_dataclass(one)]
    assert len(flowing) > 8
    assert not telling(field.name for one in flowing for field in dataclasses.fields(one))
    assert not telling(names_in(Settings.model_json_schema()))


def test_no_column_of_the_ledger_is_about_the_person(tmp_path: Path) -> None:
    ledger = LedgerSink(tmp_path / "ledger.sqlite3", site=SiteConfig(), prefix="vestibule", min_cell=5)
    ledger.publish(ledgers.visit())
    ledger.close()
    with sqlite3.connect(tmp_path / "ledger.sqlite3") as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = [row[1] for table in tables for row in db.execute(f"PRAGMA table_info('{table}')")]
    db.close()
    assert len(columns) > 10
    assert not telling(columns)
    assert not {"image", "picture", "embedding", "look", "jpeg"} & set(columns)


class Telltale(ToyClassifier):
    """Gives everybody looks that can be found again."""

    look: npt.NDArray[np.float32] = np.random.default_rng(0).normal(size=LOOKS).astype(np.float32)
    look /= np.linalg.norm(look)

    def classify(self, batch: CropBatch) -> tuple[Reading, ...]:
        probs = np.array([reading.probs for reading in super().classify(batch)])
        return to_readings(batch, probs, np.repeat(self.look[np.newaxis], len(probs), axis=0))


def looks_in(root: object) -> int:
    """How many arrays of looks can be reached from an object."""
    found, seen, todo = 0, set[int](), [root]
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, type) or callable(one):
            continue
        seen.add(id(one))
        if isinstance(one, np.ndarray):
            found += one.shape[-1:] == (LOOKS,)
            continue
        todo += gc.get_referents(one)
    return found


def watch(stages: Stages, seconds: float, begin_s: float, *walks: Any) -> None:  # noqa: ANN401 - the toy shop's walks
    for frame in frames(seconds, *walks):
        at = dataclasses.replace(frame, captured_at_s=begin_s + frame.captured_at_s)
        ((tracks, crops),) = stages.vision.look([at], stages.desk.settled)
        stages.desk.see(tracks, at.captured_at_s)
        stages.batcher.add(crops, at.captured_at_s)
        while batch := stages.batcher.take(at.captured_at_s, all_of_them=True):
            stages.desk.read(stages.classifier.classify(batch), at.captured_at_s)


def test_looks_are_forgotten_when_nobody_can_come_back_any_more() -> None:
    window_s = 20.0
    settings = Settings.model_validate(
        {"cameras": [{"id": "door", "source": "0"}], "visits": {"reentry_window_s": window_s}}
    )
    stages = build_stages(settings, settings.cameras, Models(detector=ToyDetector(), classifier=Telltale()))
    watch(stages, 6, 0.0, crossing("Dress", 0.5), crossing("Jeans", 1.5))
    assert looks_in(stages) > 0  # they may come back
    watch(stages, 1, 6 + window_s / 2)
    assert looks_in(stages) > 0
    watch(stages, 2, 7 + window_s + settings.visits.break_window_s)
    assert looks_in(stages) == 0


def test_looks_of_somebody_inside_are_forgotten_with_the_time_out() -> None:
    """Who crossed the line inwards and was not seen to leave is expected back for `inside_timeout_s`, and no longer."""
    line = EntranceConfig(line=((0.5, 0.0), (0.5, 1.0)), inside=(0.9, 0.5))
    settings = Settings.model_validate(
        {
            "cameras": [CameraConfig(id="door", source="0", entrance=line)],
            "visits": {"reentry_window_s": 5.0, "inside_timeout_s": 30.0},
        }
    )
    stages = build_stages(settings, settings.cameras, Models(detector=ToyDetector(), classifier=Telltale()))
    watch(stages, 6, 0.0, crossing("Dress", 0.5))
    watch(stages, 1, 20.0)
    assert looks_in(stages) > 0
    watch(stages, 2, 45.0)
    assert looks_in(stages) == 0


def test_no_file_holds_anybody_s_looks(tmp_path: Path) -> None:
    """Events, ledger, annotated video: searched for the numbers, as text and as bytes of any width."""
    video = write_clip(tmp_path / "clip.mp4", 6, crossing("Dress", 0.5))
    settings, classifier = Settings(), Telltale()
    ledger = LedgerSink(tmp_path / "ledger.sqlite3", site=settings.site, prefix="vestibule", min_cell=5)
    options = ReplayOptions(files=(video,), out=tmp_path / "events.jsonl", annotate=tmp_path / "out.mp4")
    replay(settings, options, sinks=[ledger], models=Models(detector=ToyDetector(), classifier=classifier))
    ledger.close()
    written = [path for path in tmp_path.iterdir() if path != video]
    assert {"events.jsonl", "ledger.sqlite3", "out.mp4"} <= {path.name for path in written}
    traces = [classifier.look[start : start + 4] for start in range(0, LOOKS - 4, 4)]
    for path in written:
        data = path.read_bytes()
        assert data
        for trace in traces:
            assert trace.astype(np.float32).tobytes() not in data
            assert trace.astype(np.float64).tobytes() not in data
            assert f"{float(trace[0]):.5f}".encode() not in data


def test_no_event_can_hold_looks_or_pictures() -> None:
    fields = {name for payload in PAYLOADS for name in names_in(json_schema(payload))}
    assert not fields & {"embedding", "look", "appearance", "image", "picture", "snapshot", "jpeg", "crop", "probs"}
    assert CLASSIFIER.embedding_size  # there are looks, and they stay inside
