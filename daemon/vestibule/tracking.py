"""Who is who from frame to frame: ByteTrack with a look at the colours, one instance per camera.

Zhang et al. 2022, "ByteTrack: Multi-Object Tracking by Associating Every Detection Box" (arXiv:2110.06864),
section 3: detections of high score are matched to tracks first, those of low score to the tracks left over, each
by intersection over union with a Kalman prediction and the Hungarian method. As in DeepSORT (Wojke et al. 2017,
arXiv:1703.07402, section 2.2) what is assigned is a weighted sum of place and appearance, and a pair must pass the
gate of each: people who pass a mannequin would swap with it else. Written here because the libraries that have
it bring a second OpenCV build and a web client along, or share one id counter between all cameras.
Times are in seconds, not frames, since live cameras drop frames.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vestibule import colours
from vestibule.assignment import assign
from vestibule.sections import TrackingConfig
from vestibule.track import Floats, Track
from vestibule.types import Detections, Tracks

_SECOND_ROUND_IOU = 0.5
_COLOUR_WEIGHT = 2.5
"""How much a difference of colours weighs against one of overlap."""
_COLOUR_GATE = 0.3
"""Colours further apart than this are not of one person from frame to frame, if the box shows all of the person."""
_COVERED_COLOUR_GATE = 0.45
"""The same for boxes that somebody nearer or the frame cuts: some of the colours are others', or missing."""
_UNKNOWN_COLOUR = 0.25
"""Stands in for the distance of colours while a track has shown none: between the same and another person's."""
_MOST_COVERED = 0.2
_NO_BOXES = np.empty((0, 4))
_EDGE_PX = 2.0
_LEVEL_PX = 2.0
_PART_WITHIN = 0.5
_PART_BELOW = 0.15
_IN_GROUP = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class _Boxes:
    """One frame's detections: boxes (N, 4), scores (N,), colours (N, D), and whether each shows all of a person."""

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    colours: npt.NDArray[np.float32]
    whole: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, detections: Detections, used: npt.NDArray[np.intp]) -> "_Boxes":
        boxes, image = detections.boxes_xyxy, detections.frame.image
        signatures = np.zeros((len(boxes), colours.SIZE), np.float32)
        whole = np.zeros(len(boxes), np.bool_)
        signatures[used] = colours.signatures(image, boxes[used])
        inside = (boxes[used, 1] > _EDGE_PX) & (boxes[used, 3] < image.shape[0] - _EDGE_PX)
        whole[used] = inside & (_covered(boxes[used].astype(np.float64)) < _MOST_COVERED) & signatures[used].any(axis=1)
        return cls(boxes, detections.scores, signatures, whole)


class Tracker:
    """Follows the people of one camera; ids count from 1 and are never reused.

    Args:
        config: the thresholds.
        usual_score: from which the detector's boxes are believed; stands in for an absent `config.high_score`.
    """

    def __init__(self, config: TrackingConfig, usual_score: float) -> None:
        self._config = config
        self._high_score = usual_score if config.high_score is None else config.high_score
        self._tracks: list[Track] = []
        self._last_id = 0
        self._previous_s: float | None = None  # when the frame before this one was captured

    @property
    def is_sure(self) -> bool:
        """Whether nothing is open: everybody followed is confirmed and was seen in the last frame."""
        return not self._open()

    @property
    def open_boxes_xyxy(self) -> npt.NDArray[np.float64]:
        """Where those should be of whom we are not sure: float64 (N, 4) pixels, may lie outside of the picture."""
        boxes = [track.predicted_box() for track in self._open()]
        return np.array(boxes) if boxes else _NO_BOXES

    def _open(self) -> list[Track]:
        return [t for t in self._tracks if not t.track_id or t.seen_at_s != self._previous_s]

    def update(self, detections: Detections) -> Tracks:
        """Return the confirmed tracks that are seen in this very frame, in the order of their ids."""
        now_s, config = detections.frame.captured_at_s, self._config
        for track in self._tracks:
            track.predict(now_s)
        boxes, scores = detections.boxes_xyxy, detections.scores
        real = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # neither empty nor without numbers
        high = np.flatnonzero(real & (scores >= self._high_score))
        low = np.flatnonzero(real & (scores < self._high_score) & (scores >= config.low_score))
        found = _Boxes.of(detections, np.concatenate([high, low]))
        # New and lost tracks alike take part in the first round; only those seen a moment ago in the second,
        # as in the paper: a faint box continues a track, it does not bring back a lost one.
        matched, left, unused = _match(self._tracks, found, high, config.match_iou)
        recent = [t for t in left if t.track_id and t.seen_at_s == self._previous_s]
        rescued, _, _ = _match(recent, found, low, _SECOND_ROUND_IOU)
        seen: dict[int, int] = {}
        for track, index in matched + rescued:
            track.update(boxes[index], now_s)
            seen[id(track)] = index
            if not track.track_id and track.hits >= config.confirm_hits:
                self._last_id += 1
                track.track_id = self._last_id
        self._begin(found, unused, now_s, seen)
        for track in self._tracks:
            if (place := seen.get(id(track))) is not None and found.whole[place]:
                track.wear(found.colours[place], now_s)
        self._tracks = [t for t in self._tracks if self._is_kept(t, now_s)]
        self._previous_s = now_s
        return self._seen(detections, seen)

    def _begin(self, found: _Boxes, unused: npt.NDArray[np.intp], now_s: float, seen: dict[int, int]) -> None:
        followed = found.boxes[sorted(seen.values())]
        for index in unused.tolist():
            box = found.boxes[index]
            too_faint = found.scores[index] < self._high_score + self._config.new_score_margin
            if too_faint or _is_part(box, followed) or _is_group(box, followed):
                continue
            track = Track.begin(box, now_s)
            # In the first frame of all there is no earlier frame that could have confirmed anybody.
            if self._config.confirm_hits == 1 or self._previous_s is None:
                self._last_id += 1
                track.track_id = self._last_id
            seen[id(track)] = index
            self._tracks.append(track)

    def _is_kept(self, track: Track, now_s: float) -> bool:
        """A track not yet confirmed dies with its first miss; a confirmed one may come back for a while."""
        if not track.track_id:
            return track.seen_at_s == now_s
        # The distance in time, either way: a clock that is set back must not keep the lost for as long.
        return abs(now_s - track.seen_at_s) <= self._config.lost_s

    def _seen(self, detections: Detections, seen: dict[int, int]) -> Tracks:
        tracks = sorted((t for t in self._tracks if t.track_id and id(t) in seen), key=lambda t: t.track_id)
        return Tracks(
            frame=detections.frame,
            ids=np.array([t.track_id for t in tracks], np.int64),
            boxes_xyxy=np.array([t.box for t in tracks], np.float32).reshape(-1, 4),
            scores=np.array([detections.scores[seen[id(t)]] for t in tracks], np.float32),
            colours=_worn(tracks),
        )


def _match(
    tracks: list[Track], found: _Boxes, candidates: npt.NDArray[np.intp], least_iou: float
) -> tuple[list[tuple[Track, int]], list[Track], npt.NDArray[np.intp]]:
    """Assign candidate boxes to tracks; return the pairs, the tracks left and the candidates left."""
    if not tracks or not len(candidates):
        return [], tracks, candidates
    overlap = iou(np.stack([t.predicted_box() for t in tracks]), found.boxes[candidates].astype(np.float64))
    shown = found.colours[candidates].max(axis=1) > 0
    known = np.array([t.colours is not None for t in tracks])[:, None] & shown[None]
    apart = np.where(known, colours.distance(_worn(tracks), found.colours[candidates]), _UNKNOWN_COLOUR)
    gate = np.where(found.whole[candidates], _COLOUR_GATE, _COVERED_COLOUR_GATE)
    allowed = (overlap >= least_iou) & (apart <= gate)
    # A pair that is not going to count must not outweigh, in the sum, any that does: these are all below zero.
    rows, columns = assign(np.where(allowed, _COLOUR_WEIGHT * (apart - 1) - overlap, 0.0))
    good = allowed[rows, columns]
    pairs = [(tracks[r], int(candidates[c])) for r, c in zip(rows[good], columns[good], strict=True)]
    taken = set(rows[good].tolist())
    left = [t for i, t in enumerate(tracks) if i not in taken]
    return pairs, left, np.delete(candidates, columns[good])


def _worn(tracks: list[Track]) -> npt.NDArray[np.float32]:
    """Return the tracks' colours, float32 (M, D); zeros where none are known."""
    unknown = np.zeros(colours.SIZE, np.float32)
    rows = [unknown if t.colours is None else t.colours for t in tracks]
    return np.array(rows, np.float32).reshape(-1, colours.SIZE)


def _covered(boxes: Floats) -> Floats:
    """Return the share of each box that one nearer person covers at most; nearer is whose feet are lower, or level."""
    nearer = boxes[None, :, 3] > boxes[:, None, 3] - _LEVEL_PX
    np.fill_diagonal(nearer, val=False)
    share: Floats = np.where(nearer, _within(boxes, boxes), 0.0).max(axis=1, initial=0.0)
    return share


def _is_part(box: npt.NDArray[np.float32], followed: npt.NDArray[np.float32]) -> bool:
    """Whether a box shows the legs of somebody already followed: half of it in that box, its top well below the head.

    Of who stands behind somebody, the head shows above or beside; of who stands before somebody, more than half.
    """
    heights = followed[:, 3] - followed[:, 1]
    within = _within(box[None].astype(np.float64), followed.astype(np.float64))[0]
    return bool(((within >= _PART_WITHIN) & (box[1] - followed[:, 1] >= _PART_BELOW * heights)).any())


def _is_group(box: npt.NDArray[np.float32], followed: npt.NDArray[np.float32]) -> bool:
    """Whether a box is drawn round two people who are followed already."""
    return int((_within(followed.astype(np.float64), box[None].astype(np.float64)) >= _IN_GROUP).sum()) > 1


def _intersections(a_xyxy: Floats, b_xyxy: Floats) -> Floats:
    corner0 = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    corner1 = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    both: Floats = np.prod(np.maximum(corner1 - corner0, 0), axis=2)
    return both


def _areas(boxes_xyxy: Floats) -> Floats:
    areas: Floats = np.prod(np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0), axis=1)
    return areas


def _within(a_xyxy: Floats, b_xyxy: Floats) -> Floats:
    """Return the share of each box of `a` that lies in each of `b`: (A, B)."""
    share: Floats = _intersections(a_xyxy, b_xyxy) / np.maximum(_areas(a_xyxy), 1.0)[:, None]
    return share


def iou(a_xyxy: Floats, b_xyxy: Floats) -> Floats:
    """Intersection over union of every pair: float64 (A, B) from (A, 4) and (B, 4); empty boxes overlap nothing."""
    both = _intersections(a_xyxy, b_xyxy)
    union = _areas(a_xyxy)[:, None] + _areas(b_xyxy)[None, :] - both
    result: Floats = np.divide(both, union, out=np.zeros_like(both), where=union > 0)
    return result
