import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError
from vestibule_models.pictures import find_unreadable, read_picture

RED_BGR, BLUE_BGR = (0, 0, 255), (255, 0, 0)


def two_halves() -> NDArray[np.uint8]:
    """32 wide, 16 high, BGR: red left, blue right."""
    image = np.empty((16, 32, 3), np.uint8)
    image[:, :16], image[:, 16:] = RED_BGR, BLUE_BGR
    return image


def exif(orientation: int) -> bytes:
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


@pytest.mark.parametrize(("orientation", "top_is_red"), [(6, True), (8, False)])
def test_exif_turns_the_picture(tmp_path: Path, orientation: int, top_is_red: bool) -> None:
    coded = cv2.imencode(".jpg", two_halves())[1].tobytes()
    path = tmp_path / "a.jpg"
    path.write_bytes(coded[:2] + exif(orientation) + coded[2:])
    image = read_picture(path)
    assert image.shape == (32, 16, 3)
    assert (image[4, 8, 0] > 200) == top_is_red
    assert (image[28, 8, 2] > 200) == top_is_red


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    deep = two_halves().astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "a.png"), deep)
    image = read_picture(tmp_path / "a.png")
    assert image.dtype == np.uint8
    assert image[8, 4].tolist() == [255, 0, 0]
    assert image[8, 28].tolist() == [0, 0, 255]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_transparent_is_white(tmp_path: Path, dtype: type[np.uint8 | np.uint16]) -> None:
    most = np.iinfo(dtype).max
    image = np.zeros((4, 4, 4), dtype)
    image[:, :, 2] = most
    image[:2, :, 3] = most
    cv2.imwrite(str(tmp_path / "a.png"), image)
    seen = read_picture(tmp_path / "a.png")
    assert seen[0, 0].tolist() == [255, 0, 0]
    assert seen[3, 0].tolist() == [255, 255, 255]
    kept = read_picture(tmp_path / "a.png", keep_cover=True)
    assert kept.dtype == np.uint8
    assert kept[0, 0].tolist() == [255, 0, 0, 255]
    assert kept[3, 0].tolist() == [255, 0, 0, 0]


def test_grey_gets_three_channels(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((5, 4), 77, np.uint8))
    assert read_picture(tmp_path / "a.png").tolist() == [[[77] * 3] * 4] * 5
    assert read_picture(tmp_path / "a.png", keep_cover=True).tolist() == [[[77] * 3] * 4] * 5


def test_pictures_that_cannot_be_read_are_named_with_the_reason(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    coded = cv2.imencode(".jpg", noise)[1].tobytes()
    contents = {"good": coded, "cut": coded[: len(coded) // 2], "empty": b"", "text": b"hello"}
    for name, data in contents.items():
        (tmp_path / f"{name}.jpg").write_bytes(data)
    paths = [tmp_path / f"{name}.jpg" for name in [*contents, "none"]]
    skipped = find_unreadable(paths)
    assert [item.path.stem for item in skipped] == ["cut", "empty", "text", "none"]
    assert "cut off" in skipped[0].reason
    assert all("not a picture" in item.reason for item in skipped[1:3])
    assert "No such file" in skipped[3].reason
    with pytest.raises(ArtifactError, match=r"cut\.jpg: cut off"):
        read_picture(paths[1])


def test_bytes_behind_the_picture_do_no_harm(tmp_path: Path) -> None:
    coded = cv2.imencode(".jpg", two_halves())[1].tobytes()
    (tmp_path / "a.jpg").write_bytes(coded + b"\0" * 300)
    assert read_picture(tmp_path / "a.jpg").shape == (16, 32, 3)
