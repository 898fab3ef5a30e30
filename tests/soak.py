"""A soak: four looping RTSP cameras, a real broker, the daemon and a subscriber; does anything grow?

    python tests/soak.py [--minutes 30] [--every-s 5] [--toy-models]

Memory, file descriptors and threads of the daemon's process are read from /proc (proc(5)). The first half of the time
is warming up. Over the second, each is fitted with a straight line that outliers do not bend (Theil-Sen, the median of
all slopes); what the line climbs in that half must stay below its tolerance. The exit status is 1 if something grows,
a camera ends up offline, or an event that was written to the events file did not arrive over MQTT.
"""
# ruff: noqa: T201 - it prints its report

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from daemon_process import TOY_MODELS, Daemon, daemon
from mqtt_client import listening, wait_until
from paho.mqtt.client import MQTTMessage
from publisher import events_in
from rtsp_camera import rtsp_camera
from scipy.stats import theilslopes
from toyshop import clip, crossing

from vestibule import demo
from vestibule.broker import Mosquitto

CAMERAS = ("door", "floor", "stairs", "counter")
UNITS = {"memory": "MiB", "file descriptors": "", "threads": ""}
_KEY_FRAME_EVERY = 24
_END_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One look at a process.

    Attributes:
        at_s: seconds since the first.
        values: resident memory in MiB, and the numbers of open file descriptors and threads.
    """

    at_s: float
    values: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Trend:
    """How one value went over the second half.

    Attributes:
        name: of the value.
        first: at the first sample of all.
        middle: at the first sample of the second half.
        last: at the last.
        highest: of all.
        climb: what the fitted line climbs over the second half.
        tolerance: how much of that passes for noise.
    """

    name: str
    first: float
    middle: float
    last: float
    highest: float
    climb: float
    tolerance: float

    @property
    def grows(self) -> bool:
        """Whether it climbs by more than noise."""
        return self.climb > self.tolerance


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a soak found.

    Attributes:
        trends: of every value.
        counts: events by kind, and frames by what became of them.
        problems: what is wrong besides growth, in words.
    """

    trends: tuple[Trend, ...]
    counts: dict[str, int]
    problems: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether nothing grows and nothing is wrong."""
        return not self.problems and not any(trend.grows for trend in self.trends)


def look(pid: int) -> dict[str, float]:
    """Read a process's values from /proc.

    Raises:
        FileNotFoundError: it has ended.
    """
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines())
    return {
        "memory": int(status["VmRSS"].split()[0]) / 1024,
        "file descriptors": sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
        "threads": int(status["Threads"]),
    }


def trend(name: str, samples: Sequence[Sample]) -> Trend:
    """Fit the second half.

    Memory may climb by 2 % of itself or 4 MiB, whichever is more: allocators keep what they may need again. Of file
    descriptors and threads the line may climb by half of one.
    """
    values = [sample.values[name] for sample in samples]
    half = samples[len(samples) // 2 :]
    slope = float(theilslopes([sample.values[name] for sample in half], [sample.at_s for sample in half])[0])
    middle = half[0].values[name]
    return Trend(
        name=name,
        first=values[0],
        middle=middle,
        last=values[-1],
        highest=max(values),
        climb=slope * (half[-1].at_s - half[0].at_s),
        tolerance=max(4.0, 0.02 * middle) if name == "memory" else 0.5,
    )


def report(result: Result, samples: Sequence[Sample]) -> str:
    """Lay a result out as Markdown."""
    lines = [
        f"{samples[-1].at_s / 60:.1f} minutes, {len(samples)} samples, {len(CAMERAS)} cameras, {os.cpu_count()} cores",
        "",
        "| of the daemon | first | half-way | last | highest | climb in the second half | allowed | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in result.trends:
        unit = f" {UNITS[one.name]}".rstrip()
        cells = [f"{value:.1f}".removesuffix(".0") + unit for value in (one.first, one.middle, one.last, one.highest)]
        climb = f"{one.climb:+.2f}{unit} | {one.tolerance:.1f}{unit}"
        lines.append(f"| {one.name} | {' | '.join(cells)} | {climb} | {'grows' if one.grows else 'flat'} |")
    lines += ["", "| counted | |", "|---|---|"]
    lines += [f"| {name} | {number:,} |" for name, number in sorted(result.counts.items())]
    lines += ["", *(f"- {problem}" for problem in result.problems)]
    return "\n".join([*lines, f"verdict: {'flat' if result.good else 'NOT GOOD'}"])


def clip_for(folder: Path, number: int, *, toy: bool) -> Path:
    """Make the clip of one camera: H.264 without B-frames, each beginning at another moment."""
    path = folder / f"{CAMERAS[number]}.mp4"
    if toy:
        return clip(path, 5, crossing("Dress", 0.2 + 0.1 * number, seconds=4))
    codec = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-g", str(_KEY_FRAME_EVERY), "-pix_fmt", "yuv420p"]
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-ss",
        str(5 * number),
        "-i",
        str(demo.HERE / "demo.mp4"),
        *codec,
        "-an",
        str(path),
    ]
    subprocess.run(command, check=True, timeout=300)
    return path


def write_config(folder: Path, addresses: Sequence[str], port: int) -> Path:
    """Write the daemon's configuration: everything as it comes, an outbox, and a file of events to count against."""
    cameras = "".join(
        f"[[cameras]]\nid = '{name}'\nsource = '{address}'\n" for name, address in zip(CAMERAS, addresses, strict=True)
    )
    path = folder / "vestibule.toml"
    path.write_text(
        f"config_version = 1\n[mqtt]\nport = {port}\noutbox_file = '{folder / 'outbox.sqlite3'}'\n"
        f"[jsonl]\npath = '{folder / 'events.jsonl'}'\n{cameras}",
        encoding="utf-8",
    )
    return path


def watch(running: Daemon, seconds: float, every_s: float) -> list[Sample]:
    """Look at a running daemon again and again.

    Raises:
        SystemExit: it ended.
    """
    begin_s, samples = time.monotonic(), list[Sample]()
    while (at_s := time.monotonic() - begin_s) < seconds:
        if running.process.poll() is not None:
            raise SystemExit(f"the daemon ended by itself after {at_s:.0f} s:\n{running.printed[-2000:]}")
        samples.append(Sample(at_s=at_s, values=look(running.process.pid)))
        time.sleep(every_s)
    return samples


def judge(
    samples: Sequence[Sample], received: Sequence[MQTTMessage], written: Sequence[str], running: Daemon
) -> Result:
    """Put the samples, and what came out at the far end, together."""
    ids = Counter(str(event["event_id"]) for event in events_in(received))
    problems = [
        f"camera {name}: {', '.join(running.states(name))}" for name in CAMERAS if running.states(name) != ["online"]
    ]
    if missing := set(written) - set(ids):
        problems.append(f"{len(missing)} of {len(written)} events did not arrive")
    if not written:
        problems.append("there was no event at all")
    told = running.events("stopped")[-1]
    counts = {name: number for name, number in told.items() if isinstance(number, int) and number}
    counts |= {
        "events written": len(written),
        "events received": len(ids),
        "events received twice": ids.total() - len(ids),
    }
    trends = tuple(trend(name, samples) for name in UNITS)
    return Result(trends=trends, counts=counts, problems=tuple(problems))


def soak(folder: Path, *, seconds: float, every_s: float, toy: bool) -> tuple[Result, list[Sample]]:
    """Run it all for so long."""
    with ExitStack() as stack:
        cameras = [stack.enter_context(rtsp_camera(clip_for(folder, n, toy=toy))) for n in range(len(CAMERAS))]
        broker = stack.enter_context(Mosquitto())
        received = stack.enter_context(listening(broker.port))
        config = write_config(folder, [camera.address for camera in cameras], broker.port)
        running = stack.enter_context(daemon(config, patch=TOY_MODELS if toy else ""))
        for name in CAMERAS:
            running.wait_state(name, "online")
        samples = watch(running, seconds, every_s)
        running.signal(signal.SIGTERM)
        if running.ended(_END_S) != 0:
            raise SystemExit(f"the daemon did not end well:\n{running.printed[-2000:]}")
        lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
        written = [json.loads(line)["payload"]["event_id"] for line in lines]
        wait_until(lambda: len(events_in(received)) >= len(written), "the last events")
        return judge(samples, received, written, running), samples


def main() -> int:
    """Run, print the report, and return 1 if it is bad."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--every-s", type=float, default=5.0, help="seconds between two samples")
    parser.add_argument("--toy-models", action="store_true", help="coloured rectangles in place of people")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vestibule-soak-") as folder:
        result, samples = soak(Path(folder), seconds=60 * args.minutes, every_s=args.every_s, toy=args.toy_models)
    print(report(result, samples))
    return 0 if result.good else 1


if __name__ == "__main__":
    sys.exit(main())
