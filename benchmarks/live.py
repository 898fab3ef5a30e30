"""Runs the daemon's own pipeline on RTSP cameras for a while, and says where its time went."""

import contextlib
import functools
import subprocess
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from vestibule.classifiers.litert import LitertClassifier
from vestibule.clock import SteadyClock
from vestibule.config import Settings
from vestibule.cropping import Cropper
from vestibule.detectors.letterboxed import LetterboxedDetector
from vestibule.gating import MotionGate
from vestibule.health import Health
from vestibule.observers import Meter
from vestibule.pipeline import LivePipeline
from vestibule.sinks import Sink
from vestibule.sources import LiveSources, main_stream, network
from vestibule.stages import Models, build_stages
from vestibule.tracking import Tracker
from vestibule.types import Crop, Message, Tracks, Visit
from vestibule_models.letterbox import Fitter

PYTHON = "/usr/bin/python3"
"""GStreamer's bindings belong to the system's Python."""
SERVER = Path(__file__).parents[1] / "tests" / "rtsp_server.py"
SHARES = ("decode", "motion", "detect", "track", "classify", "rest")
_WATCHED = (
    (MotionGate, "opens", "motion"),
    (LetterboxedDetector, "detect", "detect"),
    (LetterboxedDetector, "detect_region", "detect"),
    (Tracker, "update", "track"),
    (Fitter, "halved", "classify"),  # of a crop; a frame's halves are made within the detector
    (Cropper, "_fit", "classify"),
    (LitertClassifier, "classify", "classify"),
    (network.NetworkSource, "_frame", "framing"),
    (network, "to_bgr", "conversion"),
    (main_stream, "to_bgr", "detail"),
)


class RtspServer:
    """A camera in a process of its own.

    Attributes:
        address: where it plays.
        sub_address: where its sub-stream does, if `--sub` is among the arguments.
        told: (frame of the clip, Unix seconds) of every picture that it was to tell of, when it was sent.
        process: the server.
    """

    def __init__(self, clip: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [PYTHON, str(SERVER), str(clip), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/bin:/bin", "GST_DEBUG": "none"},
        )
        self.told: list[tuple[int, float]] = []
        port = self._lines().readline().strip()
        if not port.isdecimal():
            raise SystemExit("the RTSP server did not start; install GStreamer's (make test names the packages)")
        self.address, self.sub_address = (f"rtsp://127.0.0.1:{port}/{stream}" for stream in ("cam", "sub"))
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self.process:
            self.process.kill()

    def _lines(self) -> Any:  # noqa: ANN401 - text from the process
        return self.process.stdout

    def _listen(self) -> None:
        with contextlib.suppress(ValueError):  # closed meanwhile
            for line in self._lines():
                frame, at_s = line.split()
                self.told.append((int(frame), float(at_s)))


class CpuSplit:
    """CPU seconds of this process by what they went into, while the body of the `with` runs.

    *decode* is what FFmpeg does: receiving, H.264, BGR, of both streams if there are two. *detect* and *classify* are
    the networks and what fits frames and crops into their inputs. *rest* is all that is in no other share: stamps and
    thinning, choosing crops, visits, rules, queues, threads, the interpreter.
    """

    def __init__(self) -> None:
        self._spent_s: defaultdict[tuple[str, int], float] = defaultdict(float)  # by label and thread

    def __enter__(self) -> Self:
        self._originals = [(owner, name, getattr(owner, name)) for owner, name, _ in _WATCHED]
        for owner, name, label in _WATCHED:
            setattr(owner, name, self._timed(getattr(owner, name), label))
        return self

    def __exit__(self, *_: object) -> None:
        for owner, name, original in self._originals:
            setattr(owner, name, original)

    def _timed(self, work: Callable[..., Any], label: str) -> Callable[..., Any]:
        @functools.wraps(work)
        def timed(*args: object, **kwargs: object) -> object:
            began_s = time.thread_time()
            try:
                return work(*args, **kwargs)
            finally:
                self._spent_s[label, threading.get_ident()] += time.thread_time() - began_s

        return timed

    def so_far(self) -> Counter[str]:
        """Return the seconds by label, with `all` of the process and `captures` of the capture threads."""
        spent: Counter[str] = Counter()
        for (label, _), seconds in list(self._spent_s.items()):
            spent[label] += seconds  # type: ignore[assignment]  # a Counter of seconds
        spent["all"] = time.process_time()  # type: ignore[assignment]
        captures = [thread for thread in threading.enumerate() if thread.name.startswith("capture-")]
        spent["captures"] = sum([_thread_s(thread) for thread in captures], start=0.0)  # type: ignore[assignment]
        return spent


def shares(before: Counter[str], after: Counter[str]) -> dict[str, float]:
    """Return the CPU seconds between two moments by `SHARES`."""
    spent = {label: float(after[label] - before[label]) for label in after}
    split = {name: spent.get(name, 0.0) for name in SHARES}
    split["decode"] = spent["captures"] - (spent.get("framing", 0.0) - spent.get("conversion", 0.0))
    split["decode"] += spent.get("detail", 0.0)  # by the thread that looks
    split["rest"] = spent["all"] - sum(split[name] for name in SHARES if name != "rest")
    return split


def _thread_s(thread: threading.Thread) -> float:
    with contextlib.suppress(OSError):  # it has just ended
        return time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0))
    return 0.0


@dataclass(kw_only=True)
class LiveRun:
    """What was measured between the warm-up and the end.

    Attributes:
        seconds: how long.
        ages_s: of every frame when its decision was published, or it was clear that there is none.
        fates: frames by what became of them, all cameras together; and `crops`, those that were classified.
        split_s: CPU seconds by `SHARES`.
    """

    seconds: float = 0.0
    ages_s: list[float] = field(default_factory=list)
    fates: Counter[str] = field(default_factory=Counter)
    split_s: dict[str, float] = field(default_factory=dict)

    @property
    def dropped(self) -> float:
        """Share of the frames to analyse for which there was no time."""
        lost = self.fates["overtaken"] + self.fates["too_old"]
        return lost / max(1, lost + self.fates["analysed"])


class _Ages:
    """Notes how old each frame is once it is dealt with."""

    def __init__(self, run: LiveRun, clock: Callable[[], float]) -> None:
        self._run, self._clock = run, clock

    def saw(self, tracks: Tracks, crops: Sequence[Crop]) -> None:
        """Nothing is done with pictures."""

    def changed(self, anew: frozenset[str]) -> None:
        """No camera changes here."""

    def decided(
        self, tracks: Tracks | None, messages: Sequence[Message], visit_of: Callable[[str, int], Visit | None]
    ) -> None:
        """Note the frame's age."""
        del messages, visit_of
        if tracks is not None:
            self._run.ages_s.append(self._clock() - tracks.frame.captured_at_s)


def run_live(
    settings: Settings,
    models: Models,
    *,
    seconds: float,
    warm_up_s: float,
    sinks: Sequence[Sink] = (),
    meter: Meter | None = None,
) -> LiveRun:
    """Run the configured cameras; what happens while they are opened is not counted."""
    run, clock = LiveRun(), SteadyClock()
    health = Health([camera.id for camera in settings.cameras], clock)
    sources = LiveSources(settings.capture, settings.detail, clock, health.frame)
    pipeline = LivePipeline(
        stages=build_stages(settings, settings.cameras, models),
        cameras=settings.cameras,
        capture=settings.capture,
        open_camera=sources.open,
        open_main=sources.open_main,
        sinks=sinks,
        health=health,
        clock=clock,
        meter=meter,
        onlookers=[_Ages(run, clock)],
    )
    began_s = time.monotonic()
    moments: list[tuple[float, Counter[str], Counter[str]]] = []  # when, CPU, fates

    def tick() -> None:
        now_s = time.monotonic() - began_s
        if not moments and now_s >= warm_up_s:
            run.ages_s.clear()
        elif len(moments) != 1 or now_s < warm_up_s + seconds:
            return
        moments.append((now_s, split.so_far(), _fates(health)))
        if len(moments) > 1:
            pipeline.stop.set()

    with CpuSplit() as split:
        pipeline.run(tick)
    (from_s, cpu_before, fates_before), (to_s, cpu_after, fates_after) = moments
    run.seconds, run.fates = to_s - from_s, fates_after - fates_before
    run.split_s = shares(cpu_before, cpu_after)
    return run


def _fates(health: Health) -> Counter[str]:
    counts: Counter[str] = Counter(crops=health.counts.get("crops", 0))
    for camera in health.cameras():
        counts.update(camera.frames)
    return counts


@contextlib.contextmanager
def no_servers_left(servers: Sequence[RtspServer]) -> Iterator[None]:
    """End the servers on leaving."""
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.enter_context(server)
        yield
