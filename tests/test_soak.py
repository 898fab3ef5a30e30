"""The soak's verdict, on samples that are made up; the soak itself needs minutes to warm up and runs by `make soak`."""

import os

import pytest
from soak import Result, Sample, Trend, look, report, trend


def samples(name: str, *values: float) -> list[Sample]:
    return [Sample(at_s=5.0 * number, values={name: value}) for number, value in enumerate(values)]


@pytest.mark.parametrize("name", ["memory", "file descriptors", "threads"])
def test_what_rose_while_warming_up_is_flat(name: str) -> None:
    found = trend(name, samples(name, *range(100, 200, 5), *[200] * 20))
    assert not found.grows
    assert (found.first, found.middle, found.last, found.highest) == (100, 200, 200, 200)


@pytest.mark.parametrize("name", ["memory", "file descriptors", "threads"])
def test_a_spike_is_no_growth(name: str) -> None:
    assert not trend(name, samples(name, *[200] * 39, 900)).grows


@pytest.mark.parametrize(
    ("name", "step"),
    [("memory", 0.25), ("file descriptors", 0.05), ("threads", 0.05)],
    ids=["memory", "files", "threads"],
)
def test_a_slow_leak_grows(name: str, step: float) -> None:
    exact = [200 + step * number for number in range(80)]
    values = exact if name == "memory" else [float(int(value)) for value in exact]  # a whole one now and then
    assert trend(name, samples(name, *values)).grows


def test_the_report_names_what_grows() -> None:
    grows = Trend(name="threads", first=9, middle=10, last=14, highest=14, climb=4.0, tolerance=0.5)
    result = Result(trends=(grows,), counts={"events received": 1234}, problems=("camera door: offline",))
    text = report(result, samples("threads", 9, 14))
    assert not result.good
    assert "| threads | 9 | 10 | 14 | 14 | +4.00 | 0.5 | grows |" in text
    assert "| events received | 1,234 |" in text
    assert text.endswith("- camera door: offline\nverdict: NOT GOOD")


def test_this_process_can_be_looked_at() -> None:
    values = look(os.getpid())
    with open(os.devnull, "rb"):  # noqa: PTH123 - a descriptor more, whatever it is of
        assert look(os.getpid())["file descriptors"] == values["file descriptors"] + 1
    assert values["memory"] > 1
    assert values["threads"] >= 1
