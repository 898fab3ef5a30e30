"""What the benchmarks share: the machine, how busy others kept it, tables, and the page that they go into."""

import os
import platform
import re
import resource
import time
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Self

import numpy as np

from vestibule.cores import available_cores

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def machine(gpu: str = "no GPU used", threads: str = "one thread per network") -> str:
    """Describe the machine in a line, as it is seen from here."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    models = re.findall(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE) or [platform.machine()]
    features = [name for name in ("avx2", "avx512f", "amx_int8", "neon") if re.search(rf"\b{name}\b", cpuinfo)]
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("ai-edge-litert", "av", "opencv-python-headless")
    )
    with_features = f" ({', '.join(features)})" if features else ""
    system = f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
    return (
        f"{available_cores()} cores of {models[0].strip()}{with_features}, {gpu}; {system}, "
        f"Python {platform.python_version()}, {versions}; {threads}"
    )


class Load:
    """How busy other programs kept the machine while the body of the `with` ran.

    Attributes:
        others: share of all cores that went to other programs, 0 to 1.
    """

    def __enter__(self) -> Self:
        self._busy_s, self._own_s, self._began_s = _busy_s(), _own_s(), time.monotonic()
        self.others = float("nan")
        return self

    def __exit__(self, *_: object) -> None:
        capacity_s = (time.monotonic() - self._began_s) * (os.cpu_count() or 1)
        self.others = max(0.0, (_busy_s() - self._busy_s - (_own_s() - self._own_s)) / capacity_s)

    def __str__(self) -> str:
        return f"other programs took {self.others:.0%} of the cores meanwhile"


def _busy_s() -> float:
    user, nice, system, _, _, irq, soft, *_ = (int(value) for value in Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + soft) / _TICKS_A_SECOND


def _own_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def cpu_s_of(pid: int) -> float:
    """Return the CPU seconds that another process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def resident_mib() -> float:
    """Return this process's resident memory now, MiB."""
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def percentiles(values: Iterable[float], *, unit: float = 1000.0, form: str = ".0f") -> str:
    """Return 'p50 / p95 / p99' of seconds, in milliseconds unless another unit is given; '-' of nothing."""
    numbers = np.array(list(values))
    if not numbers.size:
        return "-"
    return " / ".join(format(value * unit, form) for value in np.percentile(numbers, (50, 95, 99)))


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; what is a float already is to be formatted before."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)])


def put(part: str, text: str, page: Path = PAGE) -> None:
    """Replace what stands between a part's two markers on the page.

    Raises:
        SystemExit: the page has no such markers.
    """
    before = page.read_text(encoding="utf-8")
    begin, end = f"<!-- bench:{part} -->", f"<!-- /bench:{part} -->"
    if begin not in before or end not in before:
        raise SystemExit(f"{page}: the markers {begin} and {end} are not in it; write them where the table is to go")
    head, rest = before.split(begin, 1)
    page.write_text(f"{head}{begin}\n{text.strip()}\n{end}{rest.split(end, 1)[1]}", encoding="utf-8")
