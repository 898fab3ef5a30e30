"""Many recordings side by side, on this machine's cores or on a Ray cluster: the same bytes as one after the other.

What comes later depends on what came before in three numbers only: when a file begins, the number of its first frame,
and the number of its first event. The first two come from decoding all files once, which costs a tenth of looking at
them; events are numbered from 0 in each file and anew when they are put together, in the files' order.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from vestibule.config import Settings
from vestibule.errors import ConfigError, SourceError
from vestibule.inline import run_inline
from vestibule.payload_fields import renumbered
from vestibule.sections import CameraConfig
from vestibule.sources.replay import ReplaySource
from vestibule.sources.video_file import VideoFile
from vestibule.stages import Models, build_stages, load_models
from vestibule.types import Message

Task = TypeVar("Task")
Result = TypeVar("Result")
Each = Callable[[Callable[[Task], Result], Sequence[Task]], Iterator[Result]]
"""Applies a function to each of the tasks and yields the results in the tasks' order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One file and its place in the archive.

    Attributes:
        file: the file; on a cluster, where every machine has it.
        camera: whose line and zones apply.
        settings: the configuration.
        start_s: the clock at its first frame, Unix seconds, UTC.
        first_frame: number of that frame.
    """

    file: Path
    camera: CameraConfig
    settings: Settings
    start_s: float
    first_frame: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of one file.

    Attributes:
        messages: its events, numbered from 0.
        frames: how many went through.
        media_s: seconds of video.
        fault: what is wrong with the file, if anything.
    """

    messages: tuple[Message, ...]
    frames: int
    media_s: float
    fault: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Length:
    """Until where a file can be decoded: its last picture's time and how long one lasts, seconds, and how many."""

    last_s: float
    period_s: float
    frames: int


def play_all(
    settings: Settings, camera: CameraConfig, files: Sequence[Path], start_s: float, each: Each[Any, Any]
) -> Iterator[Played]:
    """Yield what came of each file, in the files' order, events numbered through.

    Raises:
        ModelError: a model cannot be loaded.
    """
    recordings = []
    first_frame = 0
    for file, length in zip(files, each(_measure, files), strict=True):
        recordings.append(
            Recording(file=file, camera=camera, settings=settings, start_s=start_s, first_frame=first_frame)
        )
        start_s = start_s + length.last_s + length.period_s  # in this order: as a replay adds them up
        first_frame += length.frames
    events = 0
    for played in each(_play, recordings):
        yield replace(played, messages=tuple(renumbered(message, events) for message in played.messages))
        events += len(played.messages)


def on_cores(jobs: int) -> Each[Any, Any]:
    """Use so many processes of this machine."""

    def each(function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        # A fresh interpreter each: a fork would copy locks of FFmpeg's and LiteRT's threads.
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            yield from pool.map(function, tasks)

    return each


def on_ray(stack: ExitStack) -> Each[Any, Any]:
    """Use a Ray cluster: the one that `RAY_ADDRESS` names, else one of this machine's cores, ended with `stack`.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster at the address.
    """
    try:
        import ray  # noqa: PLC0415 - optional: the extra `ray`
    except ImportError as error:
        raise ConfigError('--ray: Ray is not installed; pip install "vestibule[ray]"') from error
    try:
        ray.init(log_to_driver=False, logging_level="error", include_dashboard=False)
    except ConnectionError as error:
        raise ConfigError(f"--ray: no cluster at RAY_ADDRESS ({error}); start one, or unset it") from error
    stack.callback(ray.shutdown)

    def each(function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        remote = ray.remote(num_cpus=1)(function)
        yield from map(ray.get, [remote.remote(task) for task in tasks])

    return each


def _measure(file: Path) -> _Length:
    """Decode a whole file; what is damaged is left out as a replay leaves it out."""
    video, last_s, frames = VideoFile(file), 0.0, 0
    try:
        for time_s, _ in video.pictures():
            last_s, frames = time_s, frames + 1
    except SourceError:
        pass  # told when it is played
    finally:
        video.close()
    return _Length(last_s=last_s, period_s=video.period_s, frames=frames)


@cache
def _models(key: str) -> Models:
    """Load the networks once a process."""
    return load_models(Settings.model_validate_json(key))


def _play(recording: Recording) -> Played:
    source = ReplaySource(recording.file, recording.camera, recording.start_s, recording.first_frame)
    # The networks alone count: all else is built anew for each file.
    networks = recording.settings.model_dump_json(include={"detector", "classifier", "tracking"})
    stages = build_stages(recording.settings, (recording.camera,), _models(networks))
    messages: list[Message] = []
    fault = None
    try:
        run_inline(source.frames(), stages, messages.append)
    except SourceError as error:
        fault = str(error)
    finally:
        source.close()
    return Played(
        messages=tuple(messages),
        frames=source.next_seq - recording.first_frame,
        media_s=source.end_s - recording.start_s,
        fault=fault,
    )
