from pathlib import Path

import cv2
import numpy as np
import pytest

from vestibule_models.landmarks import POINTS, find_points, landmark_maps, region_names

NAMES = {0: "null", 1: "skin", 48: "sweater", 42: "skirt", 14: "dress"}


def dressed() -> np.ndarray:
    """A sweater (rows 10-39, sleeves out to columns 5 and 94 in row 30) over a skirt (rows 40-79)."""
    regions = np.zeros((100, 100), np.uint8)
    regions[0:10, 45:55] = 1
    regions[10:40, 30:70] = 48
    regions[30, 5:95] = 48
    regions[40:80, 25:75] = 42
    return regions


def test_points_of_a_sweater_and_a_skirt() -> None:
    points = dict(zip(POINTS, find_points(dressed(), NAMES), strict=True))
    assert points["left collar"] == pytest.approx((30.5, 11.0), abs=1)
    assert points["right collar"] == pytest.approx((69.5, 11.0), abs=1)
    assert points["left sleeve"] == (5.5, 30.5)
    assert points["right sleeve"] == (94.5, 30.5)
    assert points["left waist"] == pytest.approx((25.5, 41.0), abs=1)
    assert points["right hem"] == pytest.approx((74.5, 79.0), abs=1)


def test_a_dress_has_no_waist_but_a_hem() -> None:
    regions = np.zeros((100, 60), np.uint8)
    regions[10:90, 20:40] = 14
    points = dict(zip(POINTS, find_points(regions, NAMES), strict=True))
    assert points["left waist"] is None
    assert points["left hem"] == pytest.approx((20.5, 88.5), abs=2)
    assert points["left collar"] == pytest.approx((20.5, 11.5), abs=2)


def test_a_few_pixels_are_no_garment() -> None:
    regions = np.zeros((50, 50), np.uint8)
    regions[:5, :5] = 48
    assert find_points(regions, NAMES) == [None] * 8


def test_maps_have_their_dots_where_the_letterboxed_photo_has_its_points(tmp_path: Path) -> None:
    tall = np.zeros((100, 50), np.uint8)
    tall[20:80, 10:40] = 48
    cv2.imwrite(str(tmp_path / "a.png"), tall)
    maps = landmark_maps(tmp_path / "a.png", NAMES, input_size=200, map_size=20)
    assert maps.shape == (20, 20, 8)
    row, column = np.unravel_index(maps[:, :, 0].argmax(), (20, 20))
    # Twice as large, 50 pixels of border on the left, ten pixels a cell: x = (10.5 * 2 + 50) / 10, y = 22 * 2 / 10.
    assert (int(row), int(column)) == (4, 7)
    assert maps[:, :, 0].max() > 150


def test_names_are_read_by_number(tmp_path: Path) -> None:
    assert region_names(tmp_path) == {}
    (tmp_path / "labels.txt").write_text("0 null\n48 sweater\n\n", encoding="utf-8")
    assert region_names(tmp_path) == {0: "null", 48: "sweater"}
