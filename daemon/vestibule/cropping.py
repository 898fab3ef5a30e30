"""Which of the people in view are worth classifying now, and their pictures as the classifier wants them."""

from collections.abc import Collection, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from vestibule.colours import clothes_lab
from vestibule.crop_rows import CropRows
from vestibule.sections import CroppingConfig
from vestibule.types import Crop, LargerPicture, Tracks
from vestibule_models.artifact import InputSpec
from vestibule_models.letterbox import Fitter, halved

_EDGE_PX = 2.0
"""A box that comes this near to the frame's edge is taken to be cut by it."""
_LEVEL_PX = 2.0
"""Feet this near in height are level: as detected, they are never exactly so."""
_USUAL_ASPECT = 2.6
"""Height over width of a whole walking person, to guess how much of a cut one is outside."""
_LARGE_PX = 240.0
"""From this height on a person shows all that the classifier can use."""
_TOLERANCE_S = 1e-3
"""Frame times are good to a millisecond; at Unix seconds, sums of frame periods are off by less than that."""
_NEVER = (0, float("-inf"))
"""Crops so far and time of the last, of somebody who was not read yet."""
_MOST_STEPS = 2.0
"""A box is put no further than so many of its person's last steps: a detector's unrest would go as far."""
_KEPT_S = 60.0
"""How long a track's count of crops is kept after its last frame."""


Boxes = tuple[float, dict[int, npt.NDArray[np.float32]]]
"""When a frame was captured, and the boxes in it by the tracks' ids."""


class Cropper:
    """Chooses and cuts the crops of one camera; at most `max_per_track` good ones a track, spaced in time.

    Of a frame with detail they are cut out of that, and its pixels count for height and quality. Where it was taken a
    little before the frame or after it, a box is put to where its person was then, by their last step.

    Args:
        config: which.
        spec: the classifier's input.
        rows: where they are written, next to those of the other cameras; rows of its own if absent.
    """

    def __init__(self, config: CroppingConfig, spec: InputSpec, rows: CropRows | None = None) -> None:
        self._config = config
        self._fitter = Fitter(spec)
        self._rows = rows or CropRows(spec)
        self._taken: dict[int, tuple[int, float]] = {}  # track id -> crops so far, time of the last
        self._seen_at_s: dict[int, float] = {}
        self._before: Boxes = (0.0, {})

    def crops(self, tracks: Tracks, settled: Collection[int] = ()) -> tuple[Crop, ...]:
        """Cut out the people who are big, whole, sharp and free enough, and not yet settled.

        Args:
            tracks: who is in view.
            settled: ids of tracks that need no more readings.
        """
        now_s = tracks.frame.captured_at_s
        self._forget(tracks, now_s)
        before, self._before = self._before, (now_s, dict(zip(tracks.ids.tolist(), tracks.boxes_xyxy, strict=True)))
        due = self._due(tracks, settled)
        if not due:
            return ()
        larger, boxes, found = tracks.frame.detail.picture(), tracks.boxes_xyxy.tolist(), []
        picture = tracks.frame.image if larger is None else larger.image
        for index, track_id in due:
            box = boxes[index] if larger is None else placed(tracks, index, before, larger).tolist()
            quality = self._geometry(index, boxes, tracks.frame.image.shape[:2], box)
            if quality is None:
                continue
            small = self._fitter.halved(self._cut(picture, box))  # its pixels are read only once
            if sharpness(small) < self._config.min_sharpness:
                continue
            self._taken[track_id] = (self._taken.get(track_id, _NEVER)[0] + 1, now_s)
            found.append(
                Crop(
                    camera_id=tracks.frame.camera_id,
                    track_id=track_id,
                    captured_at_s=now_s,
                    quality=quality,
                    image=self._fit(small),
                    clothes_lab=clothes_lab(tracks.frame.image, tracks.boxes_xyxy[index]),
                )
            )
        return tuple(found)

    def _due(self, tracks: Tracks, settled: Collection[int]) -> list[tuple[int, int]]:
        """Return (index, id) of those who may be read now; have detail ready if anybody may be, now or soon."""
        now_s, config, detail, due = tracks.frame.captured_at_s, self._config, tracks.frame.detail, []
        for index, track_id in enumerate(tracks.ids.tolist()):
            count, last_s = self._taken.get(track_id, _NEVER)
            if track_id in settled or count >= config.max_per_track:
                continue
            detail.want()
            if abs(now_s - last_s) >= config.min_interval_s - _TOLERANCE_S:
                due.append((index, track_id))
        return due

    def _forget(self, tracks: Tracks, now_s: float) -> None:
        """Drop tracks long gone, so that months of running do not fill the memory."""
        self._seen_at_s.update(dict.fromkeys(tracks.ids.tolist(), now_s))
        for track_id in [t for t, seen in self._seen_at_s.items() if abs(now_s - seen) > _KEPT_S]:
            del self._seen_at_s[track_id]
            self._taken.pop(track_id, None)

    def _geometry(
        self, index: int, boxes: Sequence[Sequence[float]], frame_hw: tuple[int, ...], box: Sequence[float]
    ) -> float | None:
        """Return the crop's quality, 0 to 1, or None if it is too small, cut or covered.

        Args:
            index: who is to be cut out.
            boxes: of all who are in view, in the frame.
            frame_hw: the frame's height and width.
            box: where, in the picture that is cut.
        """
        height_px = box[3] - box[1]
        if height_px < self._config.min_height_px or box[2] - box[0] < 1:
            return None
        visible, covered = visible_share(boxes[index], frame_hw), covered_share(index, boxes)
        if visible < self._config.min_visible or covered > self._config.max_overlap:
            return None
        return min(1.0, height_px / _LARGE_PX) * visible * (1 - covered)

    def _cut(self, image: npt.NDArray[np.uint8], box: Sequence[float]) -> npt.NDArray[np.uint8]:
        height, width = image.shape[:2]
        x0, y0, x1, y1 = box
        dx, dy = (x1 - x0) * self._config.margin, (y1 - y0) * self._config.margin
        left, top = max(0, round(x0 - dx)), max(0, round(y0 - dy))
        right, bottom = min(width, round(x1 + dx)), min(height, round(y1 + dy))
        return image[top : max(bottom, top + 1), left : max(right, left + 1)]

    def _fit(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Turn a BGR cut-out, halved as far as it can be, into the classifier's picture."""
        fitted = self._rows.next()
        self._fitter.fit(image, fitted, by_halves=False)  # what is left of halving lies in the fitter's own memory
        return fitted


def placed(tracks: Tracks, index: int, before: Boxes, picture: LargerPicture) -> npt.NDArray[np.float64]:
    """Return where somebody is in a picture of another size, and perhaps of another moment: x0, y0, x1, y1, its pixels.

    Args:
        tracks: who is in view.
        index: of whom.
        before: the boxes of the frame before: people go on as they went from there.
        picture: where to look for them.
    """
    box: npt.NDArray[np.float64] = tracks.boxes_xyxy[index].astype(np.float64)
    passed_s = tracks.frame.captured_at_s - before[0]
    there = before[1].get(int(tracks.ids[index]))
    if picture.before_s and passed_s > 0 and there is not None:
        box += (there - box) * float(np.clip(picture.before_s / passed_s, -_MOST_STEPS, _MOST_STEPS))
    size = np.tile(picture.image.shape[1::-1], 2)
    box *= size / np.tile(tracks.frame.image.shape[1::-1], 2)
    return np.asarray(np.clip(box, 0, size)) if picture.before_s else box


def visible_share(box: Sequence[float], frame_hw: tuple[int, ...]) -> float:
    """Guess what share of a person is inside the frame; 1 where the box touches no edge.

    A box cut at the bottom or top is shorter than a person of its width is; cut at a side it is narrower.
    """
    height, width = frame_hw[:2]
    box_w, box_h = max(box[2] - box[0], 1.0), max(box[3] - box[1], 1.0)
    share = 1.0
    if box[1] <= _EDGE_PX or box[3] >= height - _EDGE_PX:
        share = min(share, box_h / (_USUAL_ASPECT * box_w))
    if box[0] <= _EDGE_PX or box[2] >= width - _EDGE_PX:
        share = min(share, box_w * _USUAL_ASPECT / box_h)
    return min(share, 1.0)


def covered_share(index: int, boxes_xyxy: Sequence[Sequence[float]]) -> float:
    """Share of one box that a nearer person covers at most.

    Nearer is whose feet are lower in the picture; where they are level, as of two cut by the frame, who is bigger.
    """
    x0, y0, x1, y1 = boxes_xyxy[index]
    area, covered = (x1 - x0) * (y1 - y0), 0.0
    for left, top, right, bottom in boxes_xyxy:  # of a handful; numpy's way takes three times as long
        is_level = abs(bottom - y1) <= _LEVEL_PX
        if (right - left) * (bottom - top) > area if is_level else bottom > y1:
            size = max(0.0, min(right, x1) - max(left, x0)), max(0.0, min(bottom, y1) - max(top, y0))
            covered = max(covered, size[0] * size[1])
    return covered / max(area, 1.0)


def sharpness(image: npt.NDArray[np.uint8]) -> float:
    """Standard deviation of the Laplacian, in grey levels, of a uint8 (H, W, 3) BGR picture at 128 px height.

    The variance of the Laplacian is the usual focus measure (Pech-Pacheco et al. 2000); the fixed height makes
    near and far people comparable.
    """
    scale = 128 / image.shape[0]
    small_wh = (max(1, round(image.shape[1] * scale)), 128)
    small = cv2.resize(halved(image, small_wh), small_wh, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_32F))
    return float(deviation[0, 0])
