"""Where crops are written: next to each other, so that those of a batch are one array already and need no copy.

A row is handed out once and never written again: it belongs to its crop, whatever thread that goes to, and a block's
memory goes with the last of its crops.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vestibule_models.artifact import InputSpec

Bytes = npt.NDArray[np.uint8]

_ROWS = 32
"""Of a block, 4 MB of the shipped classifier's crops; a batch that lies across two blocks is copied."""


class CropRows:
    """Hands out places for crops of one classifier, to one thread."""

    def __init__(self, spec: InputSpec) -> None:
        self._shape = (_ROWS, spec.height, spec.width, 3)
        self._left = iter(np.empty((0, *self._shape[1:]), np.uint8))

    def next(self) -> Bytes:
        """Return the next row, uint8 (height, width, 3), to be written."""
        row = next(self._left, None)
        if row is None:
            self._left = iter(np.empty(self._shape, np.uint8))
            row = next(self._left)
        return row


def together(images: Sequence[Bytes]) -> Bytes:
    """Return pictures of one shape as one array (B, h, w, 3): a view where they are rows that follow each other.

    Args:
        images: at least one, uint8 (h, w, 3).
    """
    block, first = images[0].base, images[0]
    begin = _address(first)
    follow = all(image.base is block and _address(image) == begin + n * first.nbytes for n, image in enumerate(images))
    if not follow or not isinstance(block, np.ndarray) or block.shape[1:] != first.shape:
        return np.stack(images)
    row = (begin - _address(block)) // first.nbytes
    return block[row : row + len(images)]


def _address(array: Bytes) -> int:
    return int(array.__array_interface__["data"][0])
