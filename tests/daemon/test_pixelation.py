"""Heads of a blurred snapshot: nothing finer than a coarse block is left of them, for whoever stands however."""

import numpy as np
import numpy.typing as npt
import pytest
from fakes import Image

from vestibule.pixelation import head_regions, pixelate

FRAME_HW = (360, 640)
STANDING = (300.0, 60.0, 380.0, 280.0)
# Where a head may be in a box, as shares of its height and width, by how somebody stands (a head is 1/7.5 of a body).
HEADS = {"in the middle": (0.35, 0.0, 0.65, 0.15), "to the left": (0.0, 0.0, 0.3, 0.15), "low": (0.3, 0.12, 0.7, 0.28)}


def regions(*boxes: tuple[float, ...]) -> npt.NDArray[np.int64]:
    return head_regions(np.array(boxes, np.float32).reshape(-1, 4), FRAME_HW)


def noise(seed: int = 0, height: int = 200, width: int = 160) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def colours(image: Image) -> int:
    return len(np.unique(image.reshape(-1, 3), axis=0))


def test_nobody_in_view_has_no_head() -> None:
    assert regions().shape == (0, 4)


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_the_head_of_somebody_who_stands_is_inside(head: tuple[float, float, float, float]) -> None:
    x0, y0, x1, y1 = STANDING
    left, top, right, bottom = head
    width, height = x1 - x0, y1 - y0
    (region,) = regions(STANDING)
    assert region[0] <= x0 + left * width
    assert region[1] <= y0 + top * height
    assert region[2] >= x0 + right * width
    assert region[3] >= y0 + bottom * height


def test_a_head_that_sticks_out_of_its_box_is_inside() -> None:
    (region,) = regions(STANDING)
    assert region[1] <= STANDING[1] - 0.15 * 220
    assert region[0] < STANDING[0]
    assert region[2] > STANDING[2]


@pytest.mark.parametrize(
    ("box", "share"),
    [
        ((300, 200, 380, 360), 0.6),  # cut below: the box is a bust
        ((0, 60, 60, 280), 0.6),  # cut at the side: half of somebody
        ((300, 0, 380, 200), 0.6),  # cut above
        ((300, 150, 420, 250), 0.95),  # bent over, or a child: as wide as high
        ((0, 0, 640, 360), 0.6),  # fills the frame
    ],
)
def test_where_nobody_knows_what_is_the_head_the_region_is_large(box: tuple[float, ...], share: float) -> None:
    (region,) = regions(box)
    assert region[3] - box[1] >= share * (box[3] - box[1])


@pytest.mark.parametrize("size", [(12, 20), (60, 60), (130, 75), (200, 160)])
def test_six_blocks_at_most_are_left_across(size: tuple[int, int]) -> None:
    width, height = size
    image = noise(height=200, width=200)
    before = image.copy()
    pixelate(image, np.array([10, 10, 10 + width, 10 + height]))
    part = image[10 : 10 + height, 10 : 10 + width]
    assert len({tuple(column) for column in part[0].tolist()}) <= 6
    assert colours(part) <= 6 * -(-height // -(-width // 6))
    image[10 : 10 + height, 10 : 10 + width] = before[10 : 10 + height, 10 : 10 + width]
    assert (image == before).all()  # outside nothing was touched


def test_two_faces_that_differ_in_fine_detail_only_become_the_same() -> None:
    """What is left does not depend on the detail, so nobody can find it out from what is left."""
    first = noise(1, 120, 120)
    # Each 20 x 20 block's pixels in another order: another face of the same means.
    blocks = first.reshape(6, 20, 6, 20, 3).transpose(0, 2, 1, 3, 4).reshape(36, 400, 3)
    other = np.random.default_rng(2).permuted(blocks, axis=1)
    second = other.reshape(6, 6, 20, 20, 3).transpose(0, 2, 1, 3, 4).reshape(120, 120, 3).copy()
    assert (first != second).mean() > 0.9
    for image in (first, second):
        pixelate(image, np.array([0, 0, 120, 120]))
    assert (first == second).all()


@pytest.mark.parametrize("region", [(-50, -50, 40, 40), (150, 180, 400, 400), (-10, -10, 500, 500)])
def test_a_region_that_reaches_beyond_the_picture_is_done_as_far_as_it_is_on_it(region: tuple[int, ...]) -> None:
    image = noise()
    pixelate(image, np.array(region))
    x0, y0, x1, y1 = max(0, region[0]), max(0, region[1]), min(160, region[2]), min(200, region[3])
    assert colours(image[y0:y1, x0:x1]) <= 49


@pytest.mark.parametrize("region", [(300, 10, 400, 60), (-80, 10, -20, 60), (20, 20, 20, 20), (50, 50, 20, 20)])
def test_a_region_that_is_not_on_the_picture_changes_nothing(region: tuple[int, ...]) -> None:
    image = noise()
    pixelate(image, np.array(region))
    assert (image == noise()).all()
