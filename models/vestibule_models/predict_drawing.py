"""A photo with its ranked garments beside it, as in figures 7 to 9 of Paredes-Miranda et al. 2023."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

_HEIGHT_PX, _PANEL_PX, _MARGIN_PX = 480, 360, 20
_LINE_PX, _BAR_PX = 46, 12
_INK, _SOFT, _GROUND, _TRACK = (31, 39, 51), (110, 120, 136), (255, 255, 255), (228, 233, 241)
_RIGHT, _WRONG, _UNKNOWN = (47, 143, 107), (190, 70, 40), (42, 93, 176)
"""RGB: a garment that is worn, one that is not, one of which nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A garment, its probability from 0 to 1, and `likely`, `certain` or nothing."""

    label: str
    prob: float
    word: str


def annotate(image: Bytes, ranked: Sequence[Ranked], truth: Mapping[str, bool]) -> Bytes:
    """Draw bars beside a photo: green for garments that are worn, red for those that are not, else blue.

    Args:
        image: uint8 (H, W, 3) RGB; it is scaled to a height of 480 px.
        ranked: by falling probability.
        truth: garments that are known to be worn, or not to be.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    height = max(_HEIGHT_PX, 2 * _MARGIN_PX + 70 + _LINE_PX * len(ranked))
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    photo = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    panel = np.full((height, _PANEL_PX, 3), _GROUND, np.uint8)
    _write(panel, worn_line(truth), (_MARGIN_PX, _MARGIN_PX + 16), 0.55, _INK)
    for number, each in enumerate(ranked):
        top = _MARGIN_PX + 50 + number * _LINE_PX
        colour = {True: _RIGHT, False: _WRONG, None: _UNKNOWN}[truth.get(each.label)]
        _write(panel, each.label, (_MARGIN_PX, top + 12), 0.5, _INK)
        _write(panel, each.word, (_MARGIN_PX + 130, top + 12), 0.45, _SOFT)
        _write(panel, f"{each.prob:.2f}", (_PANEL_PX - _MARGIN_PX - 38, top + 12), 0.5, _INK)
        long = _PANEL_PX - 2 * _MARGIN_PX
        for share, fill in ((1.0, _TRACK), (each.prob, colour)):
            right = _MARGIN_PX + max(1, round(share * long))
            cv2.rectangle(panel, (_MARGIN_PX, top + 20), (right, top + 20 + _BAR_PX), fill, cv2.FILLED)
    return np.concatenate([np.asarray(photo, np.uint8), panel], axis=1)


def worn_line(truth: Mapping[str, bool]) -> str:
    """Return what is known to be worn, in a few words."""
    if not truth:
        return "worn: not known"
    return f"worn: {', '.join(label for label, worn in truth.items() if worn) or 'none that is known'}"


def _write(panel: Bytes, text: str, at: tuple[int, int], size: float, colour: tuple[int, int, int]) -> None:
    fits = _PANEL_PX - at[0]
    while text and cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0] > fits:
        size *= 0.95
    cv2.putText(panel, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
