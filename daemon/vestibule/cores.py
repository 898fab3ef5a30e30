"""How many processor cores there are for us: those of the machine, of our affinity and of our control group."""

import os
from pathlib import Path
from typing import Literal

_CGROUP = Path("/sys/fs/cgroup")
_MOST_USEFUL = 4


def available_cores(cgroup: Path = _CGROUP) -> int:
    """Return how many cores the process may keep busy, at least 1.

    A container or a systemd unit with a CPU quota sees all cores of the machine; threads beyond its quota only wait.

    Args:
        cgroup: where control groups are mounted, version 2 (`cpu.max`) or 1 (`cpu/cpu.cfs_quota_us`).
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    return max(1, cores if quota is None else min(cores, int(quota)))


def threads_of(wanted: int | Literal["auto"], cores: int | None = None) -> int:
    """Return the threads of one network: as many as asked for, or with "auto" half of the cores, at most four.

    The other half is for decoding and for the other network; networks this small gain little beyond four.

    Args:
        wanted: the setting.
        cores: how many there are; `available_cores()` if absent.
    """
    if wanted != "auto":
        return wanted
    return max(1, min((available_cores() if cores is None else cores) // 2, _MOST_USEFUL))


def _quota(cgroup: Path) -> float | None:
    """Return the least quota of the groups that we are in, in cores; None if there is none."""
    quotas = [
        quota
        for group in _groups(cgroup)
        if (quota := _v2(group / "cpu.max") or _v1(group / "cpu.cfs_quota_us", group / "cpu.cfs_period_us"))
    ]
    return min(quotas, default=None)


def _groups(cgroup: Path) -> list[Path]:
    """Return the folders of our control group and of all above it."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    own = {cgroup, cgroup / "cpu"}
    for line in lines:
        _, controllers, path = ([*line.split(":", 2), "", ""])[:3]
        root = cgroup if not controllers else cgroup / "cpu"
        if not controllers or "cpu" in controllers.split(","):
            parts = Path(path.lstrip("/")).parts
            own.update(root.joinpath(*parts[: depth + 1]) for depth in range(len(parts)))
    return sorted(own)


def _v2(file: Path) -> float | None:
    try:
        quota, period = file.read_text(encoding="utf-8").split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # "max", or another version
        return None


def _v1(quota: Path, period: Path) -> float | None:
    try:
        share = int(quota.read_text(encoding="utf-8")) / int(period.read_text(encoding="utf-8"))
    except (OSError, ValueError, ZeroDivisionError):
        return None
    return share if share > 0 else None  # -1 is no limit
