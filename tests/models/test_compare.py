import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vestibule_models import compare, records
from vestibule_models.__main__ import main
from vestibule_models.artifact import ArtifactError


def figures(top1: float | None = 0.5) -> dict[str, Any]:
    interval = {"value": top1, "low": 0.4, "high": 0.6}
    return {
        "photos": 20,
        "all_no_accuracy": 0.9,
        "binary_accuracy": 0.95,
        "top1": interval,
        "top3": interval,
        "macro_ap": interval if top1 else None,
        "counted": ["Dress"],
    }


def make_run(folder: Path, method: str = "mine", *, prefix: str = "", labels: int = 15) -> Path:
    history = [
        {
            "epoch": epoch,
            f"{prefix}binary_accuracy": 0.9,
            f"{prefix}loss": 1 / epoch,
            f"val_{prefix}binary_accuracy": 0.8,
            f"val_{prefix}loss": 0.6,
        }
        for epoch in (1, 2)
    ]
    record = {
        "schema_version": 1,
        "method": method,
        "network": "lenet5",
        "parameters": 61706,
        "trained_parameters": 850,
        "bytes_float32": 246824,
        "labels": [str(number) for number in range(labels)],
        "data": {"train": 100, "train_sources": {"ccp": 100}, "unlabelled": 7},
        "epochs": 2,
        "history": history,
        "test": {"ccp": figures(), "shop": figures(0.25), "video": figures(None)},
    }
    records.write(folder, record)
    return folder


def test_a_row_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "a")
    (tmp_path / "speed.json").write_text(
        json.dumps({"networks": {"lenet5": {"batch1": 1000.25, "batch16": 4000.0}}}), encoding="utf-8"
    )
    assert main(["compare", str(run), "--speed", str(tmp_path / "speed.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[2] == (
        "| mine | lenet5 | 61,706 | 850 | 100 + 7 unlabelled | 2 | 0.50 (0.40-0.60) | 0.50 (0.40-0.60) | shop 0.25 "
        "| 1000.2 / 4000.0 | 0.2 |"
    )
    assert len({line.count("|") for line in lines}) == 1


def test_figures_of_other_labels_are_marked(tmp_path: Path) -> None:
    (row,) = compare.methods([records.read(make_run(tmp_path / "a", labels=9))], {})[2:]
    assert "0.50 (0.40-0.60) (other labels)" in row


def test_a_row_a_source_says_what_was_trained_on(tmp_path: Path) -> None:
    runs = [records.read(make_run(tmp_path / "a"))]
    rows = compare.sources(runs, {})[2:]
    assert [row.split(" | ")[2] for row in rows] == ["yes", "no", "no"]
    assert rows[2].endswith("| 0.9000 | 0.9500 | - | - | - |")
    assert len({line.count("|") for line in compare.sources(runs, {})}) == 1


@pytest.mark.parametrize("prefix", ["", "probs_"])
def test_a_row_an_epoch_whatever_the_outputs_are_called(tmp_path: Path, prefix: str) -> None:
    rows = compare.epochs([records.read(make_run(tmp_path / "a", prefix=prefix))], {})[2:]
    assert rows == [
        "| mine | 1 | 1.0000 | 0.9000 | 0.6000 | 0.8000 |",
        "| mine | 2 | 0.5000 | 0.9000 | 0.6000 | 0.8000 |",
    ]


def test_a_table_is_put_between_its_marks_and_stays_there(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- begin methods -->\nold\n<!-- end methods -->\nafter\n", encoding="utf-8")
    run = make_run(tmp_path / "a")
    for _ in range(2):
        assert main(["compare", str(run), "--into", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- begin methods -->\n| run |")
    assert text.endswith("|\n<!-- end methods -->\nafter\n")
    assert "old" not in text
    assert text.count("| mine |") == 1


def test_a_page_without_marks_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "page.md").write_text("nothing\n", encoding="utf-8")
    assert main(["compare", str(make_run(tmp_path / "a")), "--into", str(tmp_path / "page.md")]) == 1
    assert "needs each of the lines <!-- begin methods -->" in capsys.readouterr().err


def test_loss_and_accuracy_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs Matplotlib")
    runs = [records.read(make_run(tmp_path / name, name)) for name in ("short", "long")]
    compare.plot(runs, tmp_path / "a.svg")
    compare.plot(runs, tmp_path / "b.svg")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert text.startswith("<?xml")
    assert len(text) > 5000
    assert text == (tmp_path / "b.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "said"), [("{", "is no JSON"), ("{}", "schema_version 1"), (None, "name the folder of a run")]
)
def test_what_is_no_record_is_named(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactError, match=said):
        records.read(tmp_path if content is not None else tmp_path / "none")


def test_figures_of_known_answers() -> None:
    targets = np.array([[1, 0, -1], [0, 1, 0]] * 10, float)
    probs = np.array([[0.9, 0.2, 0.95], [0.7, 0.6, 0.1]] * 10)
    found = records.measure(targets, probs, ["a", "b", "c"])
    assert (found["photos"], found["known_labels"]) == (20, 50)
    assert found["binary_accuracy"] == pytest.approx(0.8)  # of five known labels of a pair one is wrong
    assert found["all_no_accuracy"] == pytest.approx(0.6)
    assert found["top1"]["value"] == 0  # the first photo's highest answer is unknown, the second's is wrong
    assert found["top3"]["value"] == 1
    assert found["counted"] == ["a", "b"]
    assert found["macro_ap"]["value"] == pytest.approx(1)


def test_a_record_holds_no_number_that_json_lacks(tmp_path: Path) -> None:
    records.write(tmp_path, {"schema_version": 1, "x": float("nan"), "y": (1.23456789,)})
    assert records.read(tmp_path) == {"schema_version": 1, "x": None, "y": [1.234568]}
