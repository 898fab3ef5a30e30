"""The annotated video: playable, in time with the recording, and what is drawn on it."""

import os
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from fakes import Box, Image, frame, tracks, visit

from vestibule.annotate import Annotator
from vestibule.errors import SinkError
from vestibule.sections import CameraConfig, EntranceConfig, ZoneConfig
from vestibule.types import Garment, Visit

PLAIN = CameraConfig(id="door", source="0")
GREY = 90


def picture(width: int = 1280, height: int = 720) -> Image:
    return np.full((height, width, 3), GREY, np.uint8)


def write(path: Path, times_s: Sequence[float], images: Sequence[Image], camera: CameraConfig = PLAIN) -> Path:
    with Annotator(path, camera) as annotator:
        for at_s, image in zip(times_s, images, strict=True):
            annotator.draw(frame(at_s, image=image), tracks({}, at_s, image=image), [], [])
    return path


def read(path: Path) -> tuple[list[float], list[Image]]:
    """Times, seconds, and BGR pictures of all frames."""
    times, images = [], []
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"  # what every player takes
        for one in container.decode(stream):
            assert one.pts is not None
            assert one.time_base is not None
            times.append(float(one.pts * Fraction(one.time_base)))
            images.append(np.asarray(one.to_ndarray(format="bgr24"), np.uint8))
    return times, images


# ---- the file


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".mov", ".MP4"])
def test_every_frame_is_there_at_its_time(tmp_path: Path, ending: str) -> None:
    start_s = 1_763_900_000.0
    gaps_s = [0.0, 0.04, 0.12, 0.9, 1.0, 1.066, 3.5]
    path = write(tmp_path / f"out{ending}", [start_s + gap for gap in gaps_s], [picture(64, 48)] * len(gaps_s))
    times, images = read(path)
    assert times == pytest.approx(gaps_s, abs=0.001)
    assert {image.shape for image in images} == {(96, 128, 3)}  # small pictures are doubled


def test_many_frames(tmp_path: Path) -> None:
    times_s = [n / 12 for n in range(300)]
    times, _ = read(write(tmp_path / "out.mp4", times_s, [picture(32, 32)] * 300))
    assert times == pytest.approx(times_s, abs=0.001)


def test_times_that_stand_still_or_go_back_lose_no_frame(tmp_path: Path) -> None:
    times, _ = read(write(tmp_path / "out.mp4", [0.0, 0.1, 0.1, 0.05, 0.2], [picture(32, 32)] * 5))
    assert times == pytest.approx([0.0, 0.1, 0.1, 0.1, 0.2], abs=0.001)
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("width", "height", "wanted"),
    [
        (65, 37, (130, 74)),
        (1001, 563, (1000, 562)),
        (1, 1, (2, 2)),
        (1001, 1, (1000, 2)),
        (1, 301, (2, 602)),
        (960, 540, (960, 540)),
    ],
)
def test_odd_and_tiny_sizes(tmp_path: Path, width: int, height: int, wanted: tuple[int, int]) -> None:
    _, images = read(write(tmp_path / "out.mp4", [0.0, 0.1], [picture(width, height)] * 2))
    assert [image.shape[1::-1] for image in images] == [wanted] * 2


def test_a_size_that_changes_is_fitted_to_the_first(tmp_path: Path) -> None:
    sizes = [(64, 48), (128, 96), (1280, 720), (33, 77)]
    path = write(tmp_path / "out.mp4", [0.0, 0.1, 0.2, 0.3], [picture(*size) for size in sizes])
    _, images = read(path)
    assert [image.shape for image in images] == [(96, 128, 3)] * 4


def test_without_a_frame_no_file_is_left(tmp_path: Path) -> None:
    with Annotator(tmp_path / "out.mp4", PLAIN):
        pass
    assert list(tmp_path.iterdir()) == []


def fail_elsewhere(path: Path, frames: int) -> None:
    with Annotator(path, PLAIN) as annotator:
        for n in range(frames):
            annotator.draw(frame(n / 10, image=picture(64, 48)), tracks({}, n / 10), [], [])
        raise KeyError("elsewhere")


def test_what_was_drawn_before_a_failure_can_be_played(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="elsewhere"):
        fail_elsewhere(tmp_path / "out.mp4", 7)
    assert len(read(tmp_path / "out.mp4")[0]) == 7


# ---- what cannot be written


def fault(path: Path) -> str:
    with pytest.raises(SinkError) as error:
        Annotator(path, PLAIN)
    said = str(error.value)
    assert "\n" not in said
    assert str(path) in said
    return said


@pytest.mark.parametrize("name", ["out", "out.xyz", "out.wav", "out.txt", "mp4"])
def test_an_ending_that_is_no_video(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    assert "name an .mp4" in fault(tmp_path / name)
    assert (tmp_path / name).read_text() == "precious"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "No such file or directory" in fault(tmp_path / "nowhere" / "out.mp4")


def test_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").mkdir()
    assert "directory" in fault(tmp_path / "out.mp4")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "Permission denied" in fault(tmp_path / "out.mp4")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here, which stands for a full disk")
@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
@pytest.mark.parametrize("frames", [1, 40])
def test_a_full_disk(tmp_path: Path, name: str, frames: int) -> None:
    (tmp_path / name).symlink_to("/dev/full")
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    with pytest.raises(SinkError, match="No space left on device"):
        write(tmp_path / name, [n / 10 for n in range(frames)], [np.roll(noise, 9 * n, axis=0) for n in range(frames)])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here, which stands for a full disk")
def test_a_full_disk_does_not_hide_what_went_wrong_before(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").symlink_to("/dev/full")
    with pytest.raises(KeyError, match="elsewhere"):
        fail_elsewhere(tmp_path / "out.mp4", 1)


def open_files() -> set[str]:
    folder = Path("/proc/self/fd")
    return {str(link.readlink()) for link in folder.iterdir() if link.is_symlink()}


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_nothing_stays_open(tmp_path: Path) -> None:
    good, full = tmp_path / "out.mp4", tmp_path / "full.mp4"
    write(good, [0.0], [picture(64, 48)])
    full.symlink_to("/dev/full")
    with pytest.raises(SinkError):
        write(full, [0.0], [picture(64, 48)])
    with Annotator(tmp_path / "empty.mp4", PLAIN):
        assert str(tmp_path / "empty.mp4") in open_files()
    assert not {name for name in open_files() if name.startswith((str(tmp_path), "/dev/full"))}


# ---- what is drawn

BOX: Box = (400, 200, 600, 600)
COLOURS = {"blue": (220, 140, 40), "green": (90, 170, 40), "orange": (20, 120, 245), "grey": (150, 150, 150)}


def drawn(tmp_path: Path, visits: Sequence[Visit | None], alerts: Sequence[tuple[str, str]] = ()) -> Image:
    """One frame with somebody in `BOX`."""
    with Annotator(tmp_path / "out.mp4", PLAIN) as annotator:
        shown = tracks({7: BOX}, image=picture())
        annotator.draw(shown.frame, shown, visits, alerts)
    return read(tmp_path / "out.mp4")[1][0]


def nearest(image: Image, x: int, y: int) -> str:
    """The name of the colour that a pixel has, roughly."""
    bgr = image[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).astype(int)
    apart = {name: np.abs(bgr - np.array(colour)).sum(axis=1).min() for name, colour in COLOURS.items()}
    name = min(apart, key=lambda key: apart[key])
    assert apart[name] < 70, (bgr, name)
    return name


def test_a_group_is_drawn_where_none_of_its_members_is(tmp_path: Path) -> None:
    group = (Garment(label="Outerwear", score=0.8, votes=3),)
    jacket = (Garment(label="Jacket", score=0.7, votes=3),)
    alone, beside, plain = (
        drawn(tmp_path, [replace(visit(phase="confirmed"), garments=garments, groups=groups)])
        for garments, groups in (((), group), (jacket, group), (jacket, ()))
    )
    np.testing.assert_array_equal(beside, plain)
    assert np.abs(alone.astype(int) - drawn(tmp_path, [visit(phase="confirmed")])).max() > 100


@pytest.mark.parametrize(
    ("who", "colour"),
    [
        (None, "grey"),
        (visit(), "blue"),
        (visit(garments=2), "blue"),
        (visit(phase="confirmed", garments=1), "green"),
        (visit(phase="confirmed", silent=True), "grey"),
    ],
    ids=["no visit", "new", "being read", "confirmed", "staff"],
)
def test_the_box_is_drawn_in_the_colour_of_what_is_known(tmp_path: Path, who: Visit | None, colour: str) -> None:
    image = drawn(tmp_path, [who])
    assert nearest(image, 400, 400) == colour
    assert nearest(image, 600, 400) == colour
    assert nearest(image, 500, 600) == colour
    assert nearest(image, 402, 198) == colour  # the label above
    assert np.abs(image[300:500, 450:550].astype(int) - GREY).max() < 12  # and nothing inside


def test_boxes_scale_with_a_small_picture(tmp_path: Path) -> None:
    with Annotator(tmp_path / "out.mp4", PLAIN) as annotator:
        shown = tracks({7: (100, 100, 150, 200)}, image=picture(640, 360))
        annotator.draw(shown.frame, shown, [visit()], [])
    image = read(tmp_path / "out.mp4")[1][0]
    assert image.shape == (720, 1280, 3)
    assert nearest(image, 200, 300) == "blue"
    assert nearest(image, 250, 400) == "blue"


def test_an_alert_turns_the_box_orange_for_good_and_shows_a_banner_for_a_while(tmp_path: Path) -> None:
    times_s = [0.0, 1.0, 2.9, 3.9, 4.1, 9.0]
    confirmed = visit(phase="confirmed", garments=1)
    with Annotator(tmp_path / "out.mp4", PLAIN) as annotator:
        for at_s in times_s:
            shown = tracks({7: BOX, 8: (800, 200, 900, 600)}, at_s, image=picture())
            alerts = [("v1", "customer wearing Dress")] if at_s == 1.0 else []
            annotator.draw(shown.frame, shown, [confirmed, visit("v2", phase="confirmed")], alerts)
    _, images = read(tmp_path / "out.mp4")
    assert [nearest(image, 400, 400) for image in images] == ["green"] + ["orange"] * 5
    assert [nearest(image, 800, 400) for image in images] == ["green"] * 6
    banner = [bool((image[700, 900:1200].astype(int)[:, 2] > 150).all()) for image in images]
    assert banner == [False, True, True, True, False, False]


def test_the_entrance_and_the_zones_are_drawn(tmp_path: Path) -> None:
    camera = CameraConfig(
        id="door",
        source="0",
        entrance=EntranceConfig(line=((0.1, 0.9), (0.9, 0.9)), inside=(0.5, 0.1)),
        zones=(ZoneConfig(name="till", kind="staff", polygon=((0.5, 0.2), (0.8, 0.2), (0.8, 0.5), (0.5, 0.5))),),
    )
    _, (image,) = read(write(tmp_path / "out.mp4", [0.0], [picture()], camera))
    assert image[648, 640].min() > 200  # the line is white
    for x, y in ((1024, 250), (800, 360), (640, 300)):
        assert nearest(image, x, y) == "grey"


@pytest.mark.parametrize("size", [(1, 1), (20, 20), (70, 30), (1280, 10)])
def test_drawing_outside_of_a_picture_too_small_for_text_is_no_trouble(tmp_path: Path, size: tuple[int, int]) -> None:
    boxes: dict[int, Box] = {1: (0, 0, *size), 2: (-50, -50, 900, 900), 3: (size[0], size[1], size[0], size[1])}
    with Annotator(tmp_path / "out.mp4", PLAIN) as annotator:
        shown = tracks(boxes, image=picture(*size))
        annotator.draw(shown.frame, shown, [visit(), None, visit("v3")], [("v1", "customer wearing Dress")])
    assert len(read(tmp_path / "out.mp4")[0]) == 1


def test_the_frame_itself_is_not_drawn_upon(tmp_path: Path) -> None:
    image = picture()
    with Annotator(tmp_path / "out.mp4", PLAIN) as annotator:
        shown = tracks({7: BOX}, image=image)
        annotator.draw(shown.frame, shown, [visit()], [("v1", "alert")])
    assert (image == GREY).all()


def test_there_must_be_a_visit_or_none_for_every_track(tmp_path: Path) -> None:
    with Annotator(tmp_path / "out.mp4", PLAIN) as annotator, pytest.raises(ValueError, match="zip"):
        annotator.draw(frame(image=picture()), tracks({7: BOX}, image=picture()), [], [])
