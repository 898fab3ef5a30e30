import os
from pathlib import Path

import pytest

from vestibule.cores import available_cores, threads_of

MANY = 64


@pytest.fixture(autouse=True)
def _many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(MANY)), raising=False)


@pytest.mark.parametrize(
    ("text", "cores"),
    [("200000 100000", 2), ("150000 100000", 1), ("50000 100000", 1), ("max 100000", MANY), ("", MANY), ("1 0", MANY)],
)
def test_a_quota_of_version_2_counts(tmp_path: Path, text: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(text + "\n", encoding="utf-8")
    assert available_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("300000", 3), ("-1", MANY), ("x", MANY)])
def test_a_quota_of_version_1_counts(tmp_path: Path, quota: str, cores: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota, encoding="utf-8")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000", encoding="utf-8")
    assert available_cores(tmp_path) == cores


def test_without_control_groups_the_affinity_counts(tmp_path: Path) -> None:
    assert available_cores(tmp_path / "none") == MANY


def test_a_quota_of_more_than_the_machine_has_is_no_more(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("9900000 100000", encoding="utf-8")
    assert available_cores(tmp_path) == MANY


def test_here_there_is_at_least_one() -> None:
    assert available_cores() >= 1


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (3, 1), (4, 2), (8, 4), (128, 4)])
def test_auto_takes_half_of_the_cores_and_four_at_most(cores: int, threads: int) -> None:
    assert threads_of("auto", cores) == threads


def test_a_number_is_taken_as_it_is() -> None:
    assert threads_of(7, 2) == 7
