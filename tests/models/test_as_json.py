import json
from dataclasses import dataclass

from vestibule_models.as_json import as_json
from vestibule_models.calibration import Interval


@dataclass(frozen=True)
class Row:
    name: str
    ap: Interval | None


def test_an_interval_becomes_a_figure_and_its_ends() -> None:
    rows = {"a": Row(name="x", ap=Interval(value=0.5, low=0.25, high=0.75)), "b": Row(name="y", ap=None)}
    assert as_json(rows) == {"a": {"name": "x", "ap": 0.5, "ap_95": [0.25, 0.75]}, "b": {"name": "y", "ap": None}}


def test_what_is_no_number_becomes_null() -> None:
    found = as_json({"top": Interval(value=float("nan"), low=0.0, high=1.0), "most": (float("inf"), 1)})
    assert json.dumps(found, allow_nan=False) == '{"top": null, "top_95": [0.0, 1.0], "most": [null, 1]}'
