"""Snapshots on disk: for nobody else's eyes, whole or not at all, and really gone when their time is over."""

import os
from pathlib import Path

import pytest
from small_disk import small_disk

from vestibule.errors import ConfigError
from vestibule.snapshot_folder import SnapshotFolder, forget

DAY_S = 86_400.0
NOW_S = 1_700_000_000.0


def opened(path: Path, *, keep_s: float = DAY_S, max_bytes: int = 1_000_000) -> SnapshotFolder:
    return SnapshotFolder(path, keep_s=keep_s, max_bytes=max_bytes)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_folder_and_files_are_for_the_daemon_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        opened(tmp_path / "a" / "snapshots").put("door-1-1-dress", b"jpeg", NOW_S)
    finally:
        os.umask(before)
    folder = tmp_path / "a" / "snapshots"
    assert mode(folder) == 0o700
    assert {path.name: mode(path) for path in folder.iterdir()} == {"door-1-1-dress.snapshot.jpg": 0o600}


def test_a_folder_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    opened(tmp_path)
    assert mode(tmp_path) == 0o700


def test_what_was_put_is_found_newest_first(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    folder.put("a", b"1", NOW_S)
    folder.put("b", b"2", NOW_S + 1)
    assert folder.alerts() == [("b", NOW_S + 1), ("a", NOW_S)]
    assert (folder.jpeg("a"), folder.jpeg("c")) == (b"1", None)


@pytest.mark.parametrize("name", ["../a", "a/b", "", ".a", "a\0", "a" * 201, "a.b"])
def test_no_other_file_is_reached_by_a_name(tmp_path: Path, name: str) -> None:
    folder = opened(tmp_path / "snapshots")
    (tmp_path / "a.snapshot.jpg").write_bytes(b"secret")
    assert folder.jpeg(name) is None
    with pytest.raises(ValueError, match="no alert's id"):
        folder.put(name, b"jpeg", NOW_S)


def test_each_is_deleted_when_its_time_is_over_and_not_before(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    folder.put("old", b"1", NOW_S - DAY_S - 1)
    folder.put("young", b"2", NOW_S - DAY_S + 1)
    assert folder.sweep(NOW_S) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["young.snapshot.jpg"]
    assert folder.sweep(NOW_S + 2) == 1
    assert list(tmp_path.iterdir()) == []


def test_one_from_a_clock_that_was_a_year_ahead_is_deleted_too(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    folder.put("ahead", b"1", NOW_S + 365 * DAY_S)
    folder.sweep(NOW_S)
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_go_when_it_is_too_much(tmp_path: Path) -> None:
    folder = opened(tmp_path, max_bytes=250)
    for number in range(5):
        folder.put(f"n{number}", bytes(100), NOW_S + number)
    folder.sweep(NOW_S + 5)
    assert [alert_id for alert_id, _ in folder.alerts()] == ["n4", "n3"]


def test_a_draft_that_a_crash_left_is_never_shown_and_deleted(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    (tmp_path / ".a.snapshot.jpg").write_bytes(b"half")
    assert folder.alerts() == []
    folder.sweep(NOW_S)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_snapshot_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "holiday.jpg"
    other.write_bytes(b"mine")
    os.utime(other, (0, 0))
    opened(tmp_path, max_bytes=1).sweep(NOW_S)
    assert forget(tmp_path, float("inf")) == 0
    assert other.read_bytes() == b"mine"


def test_forgetting_deletes_what_is_older(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    folder.put("a", b"1", NOW_S)
    folder.put("b", b"2", NOW_S + 1)
    assert forget(tmp_path, NOW_S + 1) == 1
    assert [alert_id for alert_id, _ in folder.alerts()] == ["b"]
    assert forget(tmp_path / "none", NOW_S) == 0


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"snapshots\.folder .*: cannot be used \(.*\); name a folder"):
        opened(tmp_path / "file" / "snapshots")


def test_on_a_full_disk_nothing_half_is_left_and_it_goes_on_afterwards(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        folder = opened(disk.folder / "snapshots")
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            folder.put("a", bytes(100_000), NOW_S)
        assert list((disk.folder / "snapshots").iterdir()) == []
        disk.empty()
        folder.put("a", bytes(100_000), NOW_S)
        assert folder.alerts() == [("a", NOW_S)]
