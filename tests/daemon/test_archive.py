"""Files side by side give what one after the other gives, to the byte: on cores, and on Ray."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from footage import cut
from inference_process import PYTHON, needs_server
from toyshop import clip, crossing, toy_models

from vestibule import archive
from vestibule.config import Settings
from vestibule.errors import ConfigError, SourceError
from vestibule.replay import ReplayOptions, Summary, replay
from vestibule.sections import CameraConfig
from vestibule.types import Message

FOOTAGE = Path(__file__).parents[1] / "footage"


class Kept:
    """A sink that keeps."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def publish(self, message: Message) -> None:
        self.messages.append(message)

    def close(self) -> None:
        """Nothing to let go of."""


def here(_: int) -> archive.Each[object, object]:
    """One after the other in this process: what is left is how the parts are put together."""

    def each(function: Callable[[object], object], tasks: Sequence[object]) -> Iterator[object]:
        yield from map(function, tasks)

    return each


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_models", lambda _: toy_models())
    monkeypatch.setattr(archive, "on_cores", here)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, ...]:
    return (
        clip(tmp_path / "a.mp4", 6, crossing("Dress", 0.5)),
        clip(tmp_path / "empty.mp4", 2),
        clip(tmp_path / "b.mp4", 7, crossing("Jeans", 0.5), crossing("Blazer", 2.5)),
    )


def run(files: Sequence[Path], **options: object) -> tuple[list[Message], Summary]:
    sink = Kept()
    wanted = ReplayOptions(files=tuple(files), start_s=1_700_000_000.3, **options)  # type: ignore[arg-type]
    summary = replay(Settings(), wanted, sinks=[sink], models=toy_models())
    return sink.messages, summary


@pytest.mark.usefixtures("toys")
def test_the_events_are_those_of_one_after_the_other(files: tuple[Path, ...]) -> None:
    one, sequential = run(files)
    many, together = run(files, jobs=3)
    assert many == one
    assert len(one) > 8
    assert (together.frames, together.visits, together.alerts) == (
        sequential.frames,
        sequential.visits,
        sequential.alerts,
    )
    assert together.media_s == pytest.approx(sequential.media_s)


@pytest.mark.usefixtures("toys")
def test_a_damaged_file_is_used_as_far_as_it_goes(files: tuple[Path, ...], tmp_path: Path) -> None:
    whole = clip(tmp_path / "whole.mkv", 6, crossing("Dress", 0.5))
    damaged = cut(whole, tmp_path / "cut.mkv", 0.6)
    told: list[str] = []
    written: list[bytes] = []
    for name, options in (("one", {}), ("many", {"jobs": 2})):
        out = tmp_path / f"{name}.jsonl"
        with pytest.raises(SourceError) as error:
            run((files[2], damaged, files[0]), out=out, **options)
        told.append(str(error.value))
        written.append(out.read_bytes())
    assert told[0] == told[1]
    assert "cut.mkv" in told[0]
    assert written[0] == written[1] != b""


def test_a_missing_file_is_said_before_anything_is_run(files: tuple[Path, ...], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.mp4: no such video file"):
        run((files[0], tmp_path / "none.mp4"), jobs=2)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"jobs": 2, "annotate": Path("x.mp4")}, "--annotate shows one file after the other"),
        ({"ray": True, "realtime": True}, "--realtime shows one file after the other"),
        ({"jobs": 2, "camera_id": "a", "beside": (("b", Path("b.mp4")),)}, "are one job"),
        ({"ray": True, "jobs": 2}, "--jobs and --ray: the cluster knows its own size"),
    ],
)
def test_what_does_not_go_together_is_refused(
    options: dict[str, object], problem: str, files: tuple[Path, ...]
) -> None:
    cameras = (CameraConfig(id="a", source="a"), CameraConfig(id="b", source="b"))
    wanted = ReplayOptions(files=files[:1], **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=problem):
        replay(Settings(cameras=cameras), wanted, models=toy_models())


def test_without_ray_it_says_what_to_install(files: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r'pip install "vestibule\[ray\]"'):
        run(files, ray=True)


def command(python: Path, tmp_path: Path, out: Path, *options: str) -> bytes:
    """Replay two short clips with the shipped networks as a user does; returns what was written."""
    (tmp_path / "vestibule.toml").write_text("config_version = 1\n", encoding="utf-8")
    clips = [str(FOOTAGE / name) for name in ("steep.mp4", "hidden.mp4", "steep.mp4")]
    where = ["--config", str(tmp_path / "vestibule.toml"), "--out", str(out)]
    subprocess.run(
        [str(python.with_name("vestibule")), "replay", *clips, *options, *where],
        check=True,
        timeout=280,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    return out.read_bytes()


@pytest.mark.slow
def test_processes_of_their_own_write_the_same_bytes(tmp_path: Path) -> None:
    python = Path(sys.executable)
    one = command(python, tmp_path, tmp_path / "one.jsonl")
    assert command(python, tmp_path, tmp_path / "many.jsonl", "--jobs", "2") == one
    assert one.count(b"\n") > 6


@needs_server
@pytest.mark.slow
def test_ray_writes_the_same_bytes(tmp_path: Path) -> None:
    one = command(PYTHON, tmp_path, tmp_path / "one.jsonl")
    assert command(PYTHON, tmp_path, tmp_path / "ray.jsonl", "--ray") == one
    assert one.count(b"\n") > 6
