"""Heads made unrecognisable: coarse blocks, from which what was filmed cannot be had back."""

import math

import cv2
import numpy as np
import numpy.typing as npt

_BLOCKS_ACROSS = 6
"""Blocks across a head's region, which is wider than the head."""
_OF_HEIGHT, _OF_WIDTH = 0.3, 0.8
"""How far down the region goes from the top of somebody's box: the larger of a share of the box's height, which serves
for people who stand, and one of its width, for those who sit, bend or are cut by the picture's lower edge."""
_CUT = 0.6
"""The share of the height where the picture's edge cuts the box, so that nobody knows what is the top of what."""
_ABOVE, _ASIDE = 0.15, 0.15
"""How far the region goes beyond the box, in shares of its height and width: a box may begin at the chin."""
_EDGE_PX = 4


def head_regions(boxes_xyxy: npt.NDArray[np.float32], frame_hw: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Return where the heads of the people of one frame are, on the large side.

    Args:
        boxes_xyxy: float32 (N, 4), people in pixels of the frame.
        frame_hw: the frame's height and width in pixels.

    Returns:
        int64 (N, 4) x0, y0, x1, y1 in pixels; may reach beyond the frame.
    """
    boxes = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    frame_height, frame_width = frame_hw
    cut = (boxes[:, :2] <= _EDGE_PX).any(axis=1) | (boxes[:, 2] >= frame_width - _EDGE_PX)
    cut |= boxes[:, 3] >= frame_height - _EDGE_PX
    down = np.maximum(np.maximum(_OF_HEIGHT, np.where(cut, _CUT, 0)) * heights, _OF_WIDTH * widths)
    regions = np.stack(
        [
            np.floor(boxes[:, 0] - _ASIDE * widths),
            np.floor(boxes[:, 1] - _ABOVE * heights),
            np.ceil(boxes[:, 2] + _ASIDE * widths),
            np.ceil(boxes[:, 1] + np.minimum(down, heights)),
        ],
        axis=1,
    )
    return regions.astype(np.int64)


def pixelate(image: npt.NDArray[np.uint8], region_xyxy: npt.NDArray[np.int64]) -> None:
    """Replace a region of a picture, in place, by blocks of their mean colour, six across the whole region.

    Args:
        image: uint8 (H, W, 3), to be written to.
        region_xyxy: int64 (4,) in pixels of the picture; what lies outside of it is left out.
    """
    x0, y0, x1, y1 = (int(value) for value in region_xyxy)
    block_px = max(1, math.ceil((x1 - x0) / _BLOCKS_ACROSS))
    height, width = image.shape[:2]
    part = image[max(0, y0) : max(0, min(y1, height)), max(0, x0) : max(0, min(x1, width))]
    if not part.size:
        return
    rows, columns = math.ceil(part.shape[0] / block_px), math.ceil(part.shape[1] / block_px)
    means = cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)
    part[:] = cv2.resize(means, part.shape[1::-1], interpolation=cv2.INTER_NEAREST)
