"""Recorded files: every frame, true times, and one clear line for every way a file can be wrong."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from footage import cut, grey, moving_square, square_left, write_clip, write_size_change, write_tone

from vestibule.errors import SourceError
from vestibule.sections import CameraConfig
from vestibule.sources.replay import ReplaySource
from vestibule.types import Frame

COUNT = 24
DOOR = CameraConfig(id="door", source="replay")


def read_all(source: ReplaySource) -> tuple[list[Frame], str | None]:
    """Every frame, and the error that ended them."""
    frames: list[Frame] = []
    try:
        for frame in source.frames():
            frames.append(frame)  # noqa: PERF402 - those before an error count
    except SourceError as error:
        return frames, str(error)
    return frames, None


def media_times(frames: list[Frame], start_s: float = 0.0) -> list[float]:
    return [round(frame.captured_at_s - start_s, 6) for frame in frames]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mkv", "libx264"),
        ("a.avi", "mpeg4"),
        ("b.avi", "mjpeg"),
        ("a.ts", "libx264"),
        ("a.gif", "gif"),
    ],
)
def test_every_frame_in_order_with_its_time(tmp_path: Path, name: str, codec: str) -> None:
    clip = write_clip(tmp_path / name, moving_square(COUNT), codec=codec)
    source = ReplaySource(clip, DOOR, 1000.0, first_seq=7)
    assert (source.width, source.height) == (160, 120)
    assert source.frames_expected == COUNT
    assert source.duration_s == pytest.approx(COUNT / 10)
    frames, error = read_all(source)
    assert error is None
    assert [frame.seq for frame in frames] == list(range(7, 7 + COUNT))
    assert media_times(frames, 1000.0) == [round(number / 10, 6) for number in range(COUNT)]
    assert [square_left(frame.image) for frame in frames] == pytest.approx([2 * n for n in range(COUNT)], abs=1)
    assert {frame.camera_id for frame in frames} == {"door"}
    assert source.end_s == pytest.approx(1000 + COUNT / 10)
    assert source.next_seq == 7 + COUNT


def test_frames_are_bgr_and_read_only(tmp_path: Path) -> None:
    blue = np.zeros((120, 160, 3), dtype=np.uint8)
    blue[..., 0] = 255
    frames, _ = read_all(ReplaySource(write_clip(tmp_path / "a.mp4", [blue] * 3), DOOR, 0.0))
    assert frames[0].image.dtype == np.uint8
    assert frames[0].image.reshape(-1, 3).mean(axis=0) == pytest.approx([255, 0, 0], abs=6)
    assert not frames[0].image.flags.writeable


def test_a_raw_stream_of_jpegs(tmp_path: Path) -> None:
    source = ReplaySource(write_clip(tmp_path / "a.mjpeg", moving_square(COUNT), codec="mjpeg"), DOOR, 0.0)
    assert source.frames_expected is None
    frames, error = read_all(source)
    assert error is None
    assert media_times(frames) == [round(number / 25, 6) for number in range(COUNT)]


def test_two_replays_are_the_same(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", moving_square(COUNT))
    (first, _), (second, _) = read_all(ReplaySource(clip, DOOR, 0.0)), read_all(ReplaySource(clip, DOOR, 0.0))
    assert media_times(first) == media_times(second)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_variable_frame_times_are_kept(tmp_path: Path, name: str) -> None:
    times_ms = [0, 40, 300, 310, 2000, 2033]
    clip = write_clip(tmp_path / name, moving_square(len(times_ms)), times_ms=times_ms)
    frames, error = read_all(ReplaySource(clip, DOOR, 0.0))
    assert error is None
    assert media_times(frames) == pytest.approx([time_ms / 1000 for time_ms in times_ms], abs=1e-6)


def test_the_clock_starts_at_the_first_frame_wherever_the_container_starts(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", moving_square(3), times_ms=[5000, 5100, 5200])
    frames, error = read_all(ReplaySource(clip, DOOR, 50.0))
    assert error is None
    assert media_times(frames) == [50.0, 50.1, 50.2]


def test_reordered_frames_in_avi_keep_an_even_pace(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.avi", moving_square(COUNT), options={"bf": "2", "preset": "medium"})
    frames, error = read_all(ReplaySource(clip, DOOR, 0.0))
    assert error is None
    assert media_times(frames) == [round(number / 10, 6) for number in range(COUNT)]
    assert [square_left(frame.image) for frame in frames] == pytest.approx([2 * n for n in range(COUNT)], abs=1)


def test_a_clip_of_plain_grey_is_no_error(tmp_path: Path) -> None:
    frames, error = read_all(ReplaySource(write_clip(tmp_path / "a.mp4", grey(5)), DOOR, 0.0))
    assert error is None
    assert len(frames) == 5
    assert np.ptp(frames[4].image) <= 4


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (180, 2), (-90, 3)])
def test_a_phone_held_on_its_side_is_turned_upright(tmp_path: Path, rotation: int, turns: int) -> None:
    image = np.zeros((120, 160, 3), dtype=np.uint8)
    image[:40, :60] = 255  # the top left corner
    source = ReplaySource(write_clip(tmp_path / "a.mp4", [image] * 3, rotation=rotation), DOOR, 0.0)
    upright = np.rot90(image, turns)  # np.rot90 turns counter-clockwise too
    assert (source.height, source.width) == upright.shape[:2]
    frames, error = read_all(source)
    assert error is None
    assert np.abs(frames[0].image.astype(int) - upright).mean() < 6


def test_one_file_after_the_other_on_one_clock(tmp_path: Path) -> None:
    start_s, seq, times, numbers = 100.0, 0, [], []
    for name in ("a.mp4", "b.mkv"):
        source = ReplaySource(write_clip(tmp_path / name, moving_square(5)), DOOR, start_s, seq)
        for frame in source.frames():
            times.append(round(frame.captured_at_s, 6))
            numbers.append(frame.seq)
        start_s, seq = source.end_s, source.next_seq
    assert times == [round(100 + number / 10, 6) for number in range(10)]
    assert numbers == list(range(10))


def test_sound_and_cover_pictures_are_passed_over(tmp_path: Path) -> None:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("ffmpeg is not installed")
    import subprocess  # noqa: PLC0415 - only where there is an ffmpeg

    clip = write_clip(tmp_path / "a.mp4", moving_square(10))
    tone = write_tone(tmp_path / "a.m4a", 3.0)
    cover = tmp_path / "cover.jpg"
    cover.write_bytes(write_clip(tmp_path / "c.mjpeg", grey(1, 320, 320), codec="mjpeg").read_bytes())
    both = tmp_path / "both.mp4"
    maps = ["-map", "2", "-map", "1", "-map", "0", "-c", "copy", "-disposition:v:0", "attached_pic"]
    inputs = [argument for path in (clip, tone, cover) for argument in ("-i", str(path))]
    subprocess.run([ffmpeg, "-v", "error", *inputs, *maps, str(both)], check=True, timeout=60)
    source = ReplaySource(both, DOOR, 0.0)
    frames, error = read_all(source)
    assert error is None
    assert (source.width, source.height, len(frames)) == (160, 120, 10)
    with pytest.raises(SourceError, match="holds no video, only audio; name a file with a video stream"):
        ReplaySource(tone, DOOR, 0.0)


# What can be wrong with a file


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"movflags": "+faststart"}),
        ("a.mkv", "libx264", {}),
        ("a.avi", "libx264", {}),
        ("b.avi", "mjpeg", {}),
        ("a.gif", "gif", {}),
    ],
)
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_a_truncated_video_gives_what_is_readable_then_says_so(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], share: float
) -> None:
    whole = write_clip(tmp_path / name, moving_square(COUNT), codec=codec, container_options=options)
    source = ReplaySource(cut(whole, tmp_path / f"cut-{name}", share), DOOR, 0.0)
    frames, error = read_all(source)
    assert 2 <= len(frames) < COUNT
    assert [square_left(frame.image) for frame in frames[:-1]] == pytest.approx(
        [2 * number for number in range(len(frames) - 1)], abs=1
    )
    assert error is not None
    assert "\n" not in error
    assert f"cut-{name}: the video is cut short: {len(frames)}" in error
    assert "readable and processed; copy or record it again" in error
    if name != "a.gif":  # a GIF does not say how many there should be
        assert f"{len(frames)} of {COUNT} frames" in error


@pytest.mark.parametrize("share", [0.35, 0.5, 0.65, 0.8])
def test_half_a_picture_at_the_end_is_not_passed_on(tmp_path: Path, share: float) -> None:
    whole = write_clip(tmp_path / "a.ts", moving_square(COUNT))
    frames, error = read_all(ReplaySource(cut(whole, tmp_path / "b.ts", share), DOOR, 0.0))
    (complete, _) = read_all(ReplaySource(whole, DOOR, 0.0))
    assert 2 <= len(frames) < COUNT
    assert all(np.array_equal(a.image, b.image) for a, b in zip(frames, complete, strict=False))
    assert error is None or "parts of it are damaged" in error  # MPEG-TS does not say how long it should be


def test_an_mp4_without_its_index_says_that_it_was_cut_short(tmp_path: Path) -> None:
    clip = cut(write_clip(tmp_path / "a.mp4", moving_square(COUNT)), tmp_path / "b.mp4", 0.7)
    with pytest.raises(SourceError, match=r"b\.mp4: is an MP4 without a readable index: it was cut short"):
        ReplaySource(clip, DOOR, 0.0)


def test_an_mp4_cut_before_its_first_picture(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mp4", moving_square(COUNT), container_options={"movflags": "+faststart"})
    start = whole.read_bytes().index(b"mdat") + 20
    clip = tmp_path / "b.mp4"
    clip.write_bytes(whole.read_bytes()[:start])
    with pytest.raises(SourceError, match=f"0 of {COUNT} frames can be decoded; the file is cut short or damaged"):
        ReplaySource(clip, DOOR, 0.0)


def test_damage_in_the_middle_is_skipped_and_told(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", moving_square(COUNT), container_options={"movflags": "+faststart"})
    data = bytearray(clip.read_bytes())
    middle = (data.index(b"mdat") + len(data)) // 2
    data[middle : middle + 4000] = bytes(4000)
    clip.write_bytes(data)
    frames, error = read_all(ReplaySource(clip, DOOR, 0.0))
    assert len(frames) >= COUNT // 3
    assert error is not None
    assert "parts of it are damaged" in error
    assert f"{len(frames)} of {COUNT} frames were readable and processed" in error


def test_a_frame_size_that_changes_mid_stream(tmp_path: Path) -> None:
    clip = write_size_change(tmp_path / "a.ts", [(160, 120), (192, 144)], frames_each=10)
    frames, error = read_all(ReplaySource(clip, DOOR, 0.0))
    assert {frame.image.shape for frame in frames} == {(120, 160, 3)}
    assert len(frames) == 10
    assert error is not None
    assert "a.ts: frame 10 is 192x144, those before it are 160x120 and were processed" in error
    assert "ffmpeg -i IN -vf scale=160:120 OUT" in error


@pytest.mark.parametrize("name", ["a.mkv", "a.avi", "a.mp4"])
def test_a_video_without_frames(tmp_path: Path, name: str) -> None:
    clip = write_clip(tmp_path / name, [])
    assert clip.stat().st_size > 0
    with pytest.raises(SourceError, match=f"{name}: the video holds no frames; record it again or name another file"):
        ReplaySource(clip, DOOR, 0.0)


def test_a_zero_length_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    with pytest.raises(SourceError, match=r"a\.mp4: is empty \(0 bytes\); record or copy it again"):
        ReplaySource(tmp_path / "a.mp4", DOOR, 0.0)


def test_a_missing_file_and_a_directory(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.mp4: no such video file; check the path"):
        ReplaySource(tmp_path / "none.mp4", DOOR, 0.0)
    with pytest.raises(SourceError, match="is a directory; name a video file"):
        ReplaySource(tmp_path, DOOR, 0.0)


@pytest.mark.parametrize("name", ["a.mp4", "a.txt", "a.mkv", "a.jpg"])
def test_a_text_is_not_a_video(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("not a video\n" * 100)
    with pytest.raises(SourceError, match=f"{name}: is .*not a video.*; name a video file such as MP4, MKV or AVI"):
        ReplaySource(tmp_path / name, DOOR, 0.0)


@pytest.mark.parametrize("name", ["a.mp4", "a.jpg"])
def test_a_photo_is_not_a_video(tmp_path: Path, name: str) -> None:
    photo = write_clip(tmp_path / "one.mjpeg", moving_square(1), codec="mjpeg")
    (tmp_path / name).write_bytes(photo.read_bytes())
    with pytest.raises(SourceError, match="is a still picture or a text, not a video; name a video file"):
        ReplaySource(tmp_path / name, DOOR, 0.0)


def test_a_playlist_may_not_fetch_from_elsewhere(tmp_path: Path) -> None:
    playlist = tmp_path / "a.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(SourceError, match=r"a\.m3u8"):
        ReplaySource(playlist, DOOR, 0.0)


def test_nothing_is_printed_by_ffmpeg(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = write_clip(tmp_path / "a.mp4", moving_square(COUNT), container_options={"movflags": "+faststart"})
    _, error = read_all(ReplaySource(cut(whole, tmp_path / "b.mp4", 0.5), DOOR, 0.0))
    assert error is not None
    assert capfd.readouterr() == ("", "")


def test_close_ends_the_frames_and_may_be_repeated(tmp_path: Path) -> None:
    source = ReplaySource(write_clip(tmp_path / "a.mp4", moving_square(COUNT)), DOOR, 0.0)
    frames = source.frames()
    assert [frame.seq for frame in itertools.islice(frames, 2)] == [0, 1]
    source.close()
    source.close()
    assert list(frames) == []
    unread = ReplaySource(tmp_path / "a.mp4", DOOR, 0.0)
    unread.close()
    unread.close()
    assert list(unread.frames()) == []
