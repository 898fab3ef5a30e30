"""Landmarks of clothes taken from their outlines, as maps to be learnt.

The photos have outlines of each garment and no landmarks. The eight points that DeepFashion marks (Liu et al. 2016,
section 3.1: collar, sleeve, waistline, hem, left and right each) are read off the outline's corners and edges: the
ends of its first and last rows, and its outermost columns.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import InputSpec
from vestibule_models.letterbox import letterbox

Mask = NDArray[np.bool_]
Point = tuple[float, float]

POINTS = tuple(f"{side} {part}" for part in ("collar", "sleeve", "waist", "hem") for side in ("left", "right"))
"""Left and right as they lie in the picture."""
UPPER = frozenset(
    {"blazer", "blouse", "bodysuit", "cape", "cardigan", "coat", "hoodie", "jacket", "jumper", "shirt", "suit"}
    | {"sweater", "sweatshirt", "t-shirt", "top", "vest"}
)
LOWER = frozenset({"jeans", "leggings", "pants", "shorts", "skirt"})
WHOLE = frozenset({"dress", "romper"})
_BAND = 0.04
"""Of an outline's height: rows that count as its first and last, so that a stray pixel is no hem."""
_MIN_PIXELS = 60
_SIGMA_CELLS = 1.0


def region_names(folder: Path) -> dict[int, str]:
    """Return the names of the regions in `folder/labels.txt` (a line each: number, name); empty if there is none."""
    path = folder / "labels.txt"
    if not path.is_file():
        return {}
    rows = (line.split(maxsplit=1) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return {int(number): name.strip() for number, name in rows}


def landmark_maps(path: Path, names: dict[int, str], *, input_size: int, map_size: int) -> NDArray[np.uint8]:
    """Return uint8 (map_size, map_size, 8): each landmark a soft dot, 255 at its point.

    Args:
        path: PNG of the photo's size whose values are regions.
        names: of the regions.
        input_size: height and width of the network's input, into which the photo is letterboxed, pixels.
        map_size: height and width of the maps, cells.
    """
    regions = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    maps = np.zeros((map_size, map_size, len(POINTS)), np.uint8)
    if regions is None:
        return maps
    spec = InputSpec(height=input_size, width=input_size, colour="rgb", dtype="uint8", resize="letterbox-centre")
    _, placed = letterbox(np.zeros((*regions.shape, 3), np.uint8), spec)
    cells = map_size / input_size
    rows, columns = np.mgrid[:map_size, :map_size] + 0.5
    for index, point in enumerate(find_points(np.asarray(regions, np.uint8), names)):
        if point is not None:
            x = (point[0] * placed.scale_x + placed.left) * cells
            y = (point[1] * placed.scale_y + placed.top) * cells
            dot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * _SIGMA_CELLS**2))
            maps[:, :, index] = np.asarray(dot * 255, np.uint8)
    return maps


def find_points(regions: NDArray[np.uint8], names: dict[int, str]) -> list[Point | None]:
    """Return the landmarks (x, y) in pixels, in the order of `POINTS`; None where no outline shows one.

    Args:
        regions: uint8 (H, W), the number of the region at each pixel.
        names: of the regions.
    """
    upper, lower, whole = (_outline(regions, names, kinds) for kinds in (UPPER, LOWER, WHOLE))
    body = whole if whole is not None else lower
    top = upper if upper is not None else whole
    points: list[Point | None] = []
    points += _row_ends(top, first=True)
    points += _column_ends(top)
    points += _row_ends(lower, first=True) if lower is not None else _row_ends(upper, first=False)
    return points + _row_ends(body, first=False)


def _outline(regions: NDArray[np.uint8], names: dict[int, str], kinds: frozenset[str]) -> Mask | None:
    mask = np.isin(regions, [number for number, name in names.items() if name in kinds])
    return mask if int(mask.sum()) >= _MIN_PIXELS else None


def _row_ends(mask: Mask | None, *, first: bool) -> list[Point | None]:
    """Return the left and the right end of an outline's first or last rows."""
    if mask is None:
        return [None, None]
    rows = np.flatnonzero(mask.any(axis=1))
    band = max(1, round(_BAND * (rows[-1] - rows[0] + 1)))
    start = rows[0] if first else rows[-1] - band + 1
    ys, xs = np.nonzero(mask[start : start + band])
    y = float(start + ys.mean()) + 0.5
    return [(float(xs.min()) + 0.5, y), (float(xs.max()) + 0.5, y)]


def _column_ends(mask: Mask | None) -> list[Point | None]:
    """Return the outermost point on the left and on the right: where sleeves end, if there are any."""
    if mask is None:
        return [None, None]
    turned = np.ascontiguousarray(mask.T)
    columns = np.flatnonzero(turned.any(axis=1))
    ends = (int(columns[0]), int(columns[-1]))
    return [(column + 0.5, float(np.flatnonzero(turned[column]).mean()) + 0.5) for column in ends]
