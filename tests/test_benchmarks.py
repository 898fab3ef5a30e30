"""What the benchmarks compute around their measurements; the measurements themselves are no test's matter."""

import importlib
import itertools
from collections import Counter
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return importlib.import_module("measuring")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return importlib.import_module("bench")


def test_the_page_has_a_place_for_every_part(bench: ModuleType) -> None:
    page = (REPOSITORY / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for part in ["machine", *bench.parts(Path(), None, quick=True)]:
        assert page.count(f"<!-- bench:{part} -->\n") == page.count(f"<!-- /bench:{part} -->\n") == 1


def test_a_table_replaces_what_stood_between_its_markers_and_nothing_else(
    measuring: ModuleType, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nb\n<!-- bench:y -->\n<!-- /bench:y -->\n", "utf-8")
    for _ in range(2):
        measuring.put("x", "\nnew\n\n", page)
    assert page.read_text("utf-8") == (
        "a\n<!-- bench:x -->\nnew\n<!-- /bench:x -->\nb\n<!-- bench:y -->\n<!-- /bench:y -->\n"
    )


def test_a_page_without_the_markers_is_said(measuring: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing", "utf-8")
    with pytest.raises(SystemExit, match="bench:x"):
        measuring.put("x", "new", page)
    assert page.read_text("utf-8") == "nothing"


def test_percentiles_of_many_and_of_none(measuring: ModuleType) -> None:
    assert measuring.percentiles(n / 1000 for n in range(101)) == "50 / 95 / 99"
    assert measuring.percentiles([]) == "-"


def test_a_picture_s_number_is_read_at_both_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    skew = importlib.import_module("substream_skew")
    grey = np.full((36, 64, 3), 90, np.uint8)
    images = list(itertools.islice(skew.numbered([grey] * 400), 5))
    assert [skew.number_of(image) for image in images] == list(range(5))
    assert [skew.number_of(cv2.resize(image, (640, 360))) for image in images] == list(range(5))


def test_a_box_is_compared_with_where_the_person_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    skew = importlib.import_module("substream_skew")

    class Walking:
        def at(self, number: int) -> list[object]:
            return [np.array([100.0 + 10 * number, 100, 200 + 10 * number, 400]), None]

    late = skew.Given(previous=0, frame=4, picture=2, passed_s=0.16, before_s=0.08)
    (row,) = skew.compared(Walking(), [late])
    assert late.apart_s == pytest.approx(0.08)
    assert list(row[:3]) == [0.2, pytest.approx(80 / 120), pytest.approx(0.9)]  # a margin of a tenth on each side
    assert list(row[3:]) == [pytest.approx(0), pytest.approx(1), pytest.approx(1)]


def test_work_of_others_is_told_from_ones_own(measuring: ModuleType) -> None:
    with measuring.Load() as load:
        sum(range(3_000_000))
    assert 0 <= load.others <= 1


def test_cpu_time_adds_up_and_what_is_in_no_share_is_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    live = importlib.import_module("live")
    before = Counter({"all": 10, "captures": 4, "detect": 1})
    after = Counter({"all": 30, "captures": 12, "framing": 3, "conversion": 1, "detect": 6, "motion": 1})
    split = live.shares(before, after)
    assert set(split) == set(live.SHARES)
    assert split["decode"] == 8 - (3 - 1)
    assert sum(split.values()) == pytest.approx(20)
    assert split["rest"] == 20 - 6 - 5 - 1
