"""Privacy masks where pixels become frames: what is under them is black, whatever the size and the source."""

import ast
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from footage import write_clip
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import vestibule
from vestibule.geometry import contains
from vestibule.privacy_sections import MaskConfig
from vestibule.section_types import Point
from vestibule.sections import CameraConfig
from vestibule.sources.framing import Framing
from vestibule.sources.replay import ReplaySource

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
FRACTIONS = st.floats(0, 1, width=32)
TRIANGLES = st.lists(st.tuples(FRACTIONS, FRACTIONS), min_size=3, max_size=3)


def camera(*polygons: Sequence[Point]) -> CameraConfig:
    return CameraConfig(id="door", source="0", masks=tuple(MaskConfig(polygon=tuple(p)) for p in polygons))


def white(width: int = 64, height: int = 48) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((height, width, 3), 255, np.uint8)


def test_without_masks_nothing_is_copied_and_nothing_changed() -> None:
    image = white()
    framing = Framing(camera())
    shown = framing.frame(seq=0, captured_at_s=0.0, image=image).image
    assert shown.base is image
    assert shown.min() == 255
    assert framing.copies == 0


def test_a_picture_that_may_be_written_to_is_blackened_in_place() -> None:
    image = white()
    framing = Framing(camera(LEFT))
    framing.frame(seq=0, captured_at_s=0.0, image=image)
    assert image[:, :32].max() == 0
    assert image[:, 36:].min() == 255
    assert framing.copies == 0


def test_a_picture_that_may_not_be_written_to_is_copied_and_stays_as_it_was() -> None:
    image = white()
    image.flags.writeable = False
    framing = Framing(camera(LEFT))
    shown = framing.frame(seq=0, captured_at_s=0.0, image=image).image
    assert shown[:, :32].max() == 0
    assert image.min() == 255
    assert framing.copies == 1


def test_the_mask_follows_a_change_of_resolution() -> None:
    framing = Framing(camera(LEFT))
    for width, height in ((64, 48), (1280, 720), (64, 48), (48, 64), (1, 1)):
        shown = framing.frame(seq=0, captured_at_s=0.0, image=white(width, height)).image
        assert shown[:, : max(1, width // 2)].max() == 0
        assert width < 4 or shown[:, width // 2 + 4 :].min() == 255


def test_where_two_masks_overlap_is_black_too() -> None:
    shown = Framing(camera(LEFT, LEFT, ((0.25, 0), (1, 0), (1, 1), (0.25, 1))))
    assert shown.frame(seq=0, captured_at_s=0.0, image=white()).image.max() == 0


@given(TRIANGLES)
def test_every_pixel_that_a_mask_holds_or_touches_with_a_corner_is_black(corners: list[Point]) -> None:
    try:
        one = camera(corners)
    except ValidationError:  # no area
        return
    height, width = 24, 32
    shown = Framing(one).frame(seq=0, captured_at_s=0.0, image=white(width, height)).image
    for row, column in zip(*np.nonzero(shown.max(axis=2)), strict=True):
        for x, y in ((0.5, 0.5), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)):
            assert not contains(one.masks[0].polygon, ((column + x) / width, (row + y) / height))


@pytest.mark.parametrize(
    ("polygon", "said"),
    [
        (((0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9)), "edges cross"),
        (((0.5, 0.0), (0.8, 1.0), (0.0, 0.4), (1.0, 0.4), (0.2, 1.0)), "edges cross"),
        (((0.1, 0.1), (0.5, 0.5), (0.9, 0.9)), "covers nothing"),
        (((0.1, 0.1), (0.5, 0.5)), "at least 3"),
        (((0.1, 0.1), (0.5, 0.5), (1.2, 0.3)), "less than or equal to 1"),
    ],
)
def test_a_mask_that_would_leave_open_what_it_seems_to_cover_is_refused(polygon: tuple[Point, ...], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        MaskConfig(polygon=polygon)


def test_a_concave_mask_is_taken() -> None:
    shown = Framing(camera(((0, 0), (1, 0), (1, 1), (0.5, 0.2), (0, 1))))
    image = shown.frame(seq=0, captured_at_s=0.0, image=white(100, 100)).image
    assert image[:16].max() == 0
    assert image[90, 50].min() == 255


def test_a_decoded_picture_is_not_copied(tmp_path: Path) -> None:
    source = ReplaySource(write_clip(tmp_path / "a.mp4", [white(160, 120)] * 3), camera(LEFT), 0.0)
    assert [frame.image[:, :80].max() for frame in source.frames()] == [0, 0, 0]
    assert source._framing.copies == 0


def test_a_picture_that_was_held_on_its_side_is_masked_as_it_is_seen(tmp_path: Path) -> None:
    source = ReplaySource(write_clip(tmp_path / "a.mp4", [white(160, 120)] * 2, rotation=90), camera(LEFT), 0.0)
    for frame in source.frames():
        assert frame.image.shape == (160, 120, 3)
        assert frame.image[:, :60].max() == 0
        assert frame.image[:, 64:].min() > 200


def test_no_other_module_makes_a_frame() -> None:
    """A source that made its frames itself would let everybody see what is under the masks."""
    package = Path(vestibule.__file__).parent
    makers = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Frame":
                makers.add(str(path.relative_to(package)))
    assert makers == {"sources/framing.py"}
