import io
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from footage import cut, write_size_change
from jsonschema import Draft202012Validator
from ledgers import rows
from rich.console import Console
from toyshop import clip, crossing, toy_models

from vestibule.config import Settings
from vestibule.errors import ConfigError, SinkError, SourceError
from vestibule.payloads import SCHEMA_DIR
from vestibule.replay import ReplayOptions, Summary, replay
from vestibule.sections import CameraConfig, EntranceConfig


def run(settings: Settings | None = None, **options: Any) -> Summary:  # noqa: ANN401 - passed on
    return replay(settings or Settings(), ReplayOptions(**options), models=toy_models())


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def dress(tmp_path: Path) -> Path:
    return clip(tmp_path / "dress.mp4", 6, crossing("Dress", 0.5))


def test_events_have_topic_time_and_the_payload_and_fit_their_schemas(dress: Path, tmp_path: Path) -> None:
    summary = run(files=(dress,), out=tmp_path / "events.jsonl")
    lines = events(tmp_path / "events.jsonl")
    assert [set(line) for line in lines] == [{"topic", "at_s", "payload"}] * 4
    alert = next(line for line in lines if line["topic"] == "vestibule/store/alerts")
    assert {"visit_id", "rule", "garments", "first_seen_at_s"} <= set(alert["payload"])
    assert 0.5 < alert["payload"]["first_seen_at_s"] < alert["at_s"] < 4
    schemas = {
        kind: Draft202012Validator(json.loads((SCHEMA_DIR / f"{kind}.v1.schema.json").read_text()))
        for kind in ("alert", "visit")
    }
    for line in lines:
        schemas["alert" if line["topic"].endswith("alerts") else "visit"].validate(line["payload"])
    assert (summary.frames, summary.visits, len(summary.alerts)) == (60, 1, 1)


def test_two_runs_write_the_same_bytes(dress: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        run(files=(dress,), out=tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_ledger_gets_the_visits_and_alerts_once(dress: Path, tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    for _ in range(2):  # the second time it is the same recording
        run(files=(dress,), ledger=path, start_s=1_700_000_000.0)
    (visit,) = rows(path)
    assert 1_700_000_000 < visit["began_at_s"] < 1_700_000_002
    assert (visit["camera"], visit["settled"], visit["classifier"]) == ("camera", 1, "toy-classifier@1")
    assert [row["label"] for row in rows(path, "SELECT label FROM garments")] == ["Dress"]
    assert [row["visit_id"] for row in rows(path, "SELECT visit_id FROM alerts")] == [visit["visit_id"]]


def test_at_s_counts_from_the_start_wherever_the_clock_starts(dress: Path, tmp_path: Path) -> None:
    run(files=(dress,), out=tmp_path / "zero")
    run(files=(dress,), out=tmp_path / "later", start_s=1_700_000_000.0)
    zero, later = events(tmp_path / "zero"), events(tmp_path / "later")
    # Unix seconds are rounded to a quarter of a microsecond, so that a decision may fall one frame (0.1 s) later.
    assert [e["at_s"] for e in zero] == pytest.approx([e["at_s"] for e in later], abs=0.11)
    assert later[0]["payload"]["first_seen_at"].startswith("2023-11-14T22:13:2")


class TestWith:
    SHOP = Settings(cameras=(CameraConfig(id="door", source="0"), CameraConfig(id="hall", role="floor", source="1")))

    @pytest.fixture
    def hall(self, tmp_path: Path) -> Path:
        return clip(tmp_path / "hall.mp4", 14, crossing("Dress", 8))

    def test_recordings_of_two_cameras_run_in_step_and_their_visits_are_linked(
        self, dress: Path, hall: Path, tmp_path: Path
    ) -> None:
        for name in ("a", "b"):
            summary = run(self.SHOP, files=(dress,), beside=(("hall", hall),), out=tmp_path / name)
            assert (summary.frames, summary.visits, len(summary.alerts)) == (60 + 140, 2, 1)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
        lines = [line for line in events(tmp_path / "a") if line["payload"].get("type") == "end"]
        assert [line["payload"]["stay"]["cameras"] for line in lines] == [["door", "hall"]] * 2
        times = [line["at_s"] for line in events(tmp_path / "a")]
        assert times == sorted(times)

    def test_only_the_first_camera_is_drawn(self, dress: Path, hall: Path, tmp_path: Path) -> None:
        run(self.SHOP, files=(dress,), beside=(("hall", hall),), annotate=tmp_path / "drawn.mp4")
        with av.open(str(tmp_path / "drawn.mp4")) as video:
            assert sum(1 for _ in video.decode(video=0)) == 60

    @pytest.mark.parametrize(
        ("camera", "files", "reason"),
        [
            ("cellar", 1, r"--with cellar: no such camera; configured are \['door', 'hall'\]"),
            ("door", 1, r"--with: the recordings are of the cameras \['door', 'door'\]; give each camera one"),
            ("hall", 2, "--with: 2 files are given for camera door; give one"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, dress: Path, camera: str, files: int, reason: str) -> None:
        with pytest.raises(ConfigError, match=f"^{reason}$"):
            run(self.SHOP, files=(dress,) * files, beside=((camera, dress),))

    def test_a_recording_that_is_missing_costs_no_time(self, dress: Path, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"nosuch\.mp4"):
            run(self.SHOP, files=(dress,), beside=(("hall", tmp_path / "nosuch.mp4"),), out=tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_several_files_run_one_after_the_other_on_one_clock(dress: Path, tmp_path: Path) -> None:
    summary = run(files=(dress, dress), out=tmp_path / "events.jsonl")
    lines = events(tmp_path / "events.jsonl")
    assert summary.visits == 2
    assert [line["payload"]["seq"] for line in lines] == list(range(1, 9))
    assert len({line["payload"]["event_id"] for line in lines}) == 8
    starts = [line["payload"]["first_seen_at_s"] for line in lines if line["payload"].get("type") == "new"]
    assert starts[1] - starts[0] == pytest.approx(6.0, abs=0.01)


def test_the_named_cameras_line_applies(dress: Path, tmp_path: Path) -> None:
    left_to_right = EntranceConfig(line=((0.3, 0.3), (0.3, 1.0)), inside=(0.9, 0.8))
    settings = Settings(
        cameras=(
            CameraConfig(id="in", source="0", entrance=left_to_right),
            CameraConfig(id="out", source="1", entrance=left_to_right.model_copy(update={"inside": (0.0, 0.8)})),
        )
    )
    by_default = run(settings, files=(dress,), out=tmp_path / "a")
    assert (by_default.entered, len(by_default.alerts)) == (1, 1)
    out = run(settings, files=(dress,), out=tmp_path / "b", camera_id="out")
    assert (out.visits, out.entered, len(out.alerts)) == (1, 0, 0)
    with pytest.raises(ConfigError, match=r"--camera roof: no such camera; configured are \['in', 'out'\]"):
        run(settings, files=(dress,), camera_id="roof")


def test_the_annotated_video_has_every_frame(dress: Path, tmp_path: Path) -> None:
    run(files=(dress,), annotate=tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        pictures = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert len(pictures) == 60
    plain, banner = pictures[2][-20:].mean(axis=(0, 1)), pictures[35][-20:].mean(axis=(0, 1))
    assert banner[2] > plain[2] + 40  # the orange bar of the alert


def test_a_missing_file_is_named_before_anything_is_run(dress: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nosuch\.mp4"):
        run(files=(dress, tmp_path / "nosuch.mp4"), out=tmp_path / "events.jsonl")
    assert not (tmp_path / "events.jsonl").exists()


def test_a_truncated_file_is_used_as_far_as_it_goes_and_the_next_one_too(dress: Path, tmp_path: Path) -> None:
    whole = clip(tmp_path / "long.mkv", 10, crossing("Dress", 0.5), crossing("Blazer", 7))
    torn = cut(whole, tmp_path / "torn.mkv", 0.7)
    with pytest.raises(SourceError, match=r"torn\.mkv"):
        run(files=(torn, dress), out=tmp_path / "events.jsonl")
    alerts = [line for line in events(tmp_path / "events.jsonl") if line["topic"].endswith("alerts")]
    assert len(alerts) == 2


def test_a_frame_size_that_changes_is_said(tmp_path: Path) -> None:
    changing = write_size_change(tmp_path / "change.ts", [(160, 120), (320, 240)])
    with pytest.raises(SourceError, match=r"frame 10 is 320x240, those before it are 160x120"):
        run(files=(changing,), out=tmp_path / "events.jsonl")


def test_events_that_cannot_be_written_are_said(dress: Path, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="nosuch"):
        run(files=(dress,), out=tmp_path / "nosuch" / "events.jsonl")
    with pytest.raises(SinkError, match="/dev/full"):
        run(files=(dress,), out=Path("/dev/full"))


def test_no_progress_bar_in_a_pipe_and_one_on_a_terminal(dress: Path) -> None:
    def printed(*, terminal: bool) -> str:
        console = Console(file=io.StringIO(), force_terminal=terminal, width=80)
        replay(Settings(), ReplayOptions(files=(dress,)), models=toy_models(), console=console)
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    assert printed(terminal=False) == ""
    assert "60/60" in printed(terminal=True)


def test_realtime_takes_no_less_than_the_recording(tmp_path: Path) -> None:
    short = clip(tmp_path / "short.mp4", 1.5, crossing("Dress", 0))
    assert run(files=(short,), realtime=True).wall_s >= 1.4


def test_times_of_the_events_never_go_back(dress: Path, tmp_path: Path) -> None:
    run(files=(dress, dress), out=tmp_path / "events.jsonl")
    times = [line["at_s"] for line in events(tmp_path / "events.jsonl")]
    assert all(a <= b for a, b in pairwise(times))


@pytest.mark.parametrize("option", ["out", "ledger", "annotate"])
def test_the_recording_is_never_overwritten(dress: Path, option: str) -> None:
    before = dress.read_bytes()
    with pytest.raises(SinkError, match="is the recording itself"):
        run(Settings(), files=(dress,), **{option: dress.parent / "." / dress.name})
    assert dress.read_bytes() == before
