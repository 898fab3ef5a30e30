"""Who is who from frame to frame: ByteTrack, one instance per camera.

Zhang et al. 2022, "ByteTrack: Multi-Object Tracking by Associating Every Detection Box" (arXiv:2110.06864),
section 3: detections of high score are matched to tracks first, those of low score to the tracks left over, each
by intersection over union with a Kalman prediction and the Hungarian method. Written here because the libraries
that have it bring a second OpenCV build and a web client along, or share one id counter between all cameras.
Times are in seconds, not frames, since live cameras drop frames.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from vestibule.sections import TrackingConfig
from vestibule.types import Detections, Tracks

Floats = npt.NDArray[np.float64]

# Kalman noise as shares of the box's height (SORT and ByteTrack use the same shares, there per frame at 30 fps).
_POSITION_STD = 1 / 20
_VELOCITY_STD_PER_S = 30 / 160
_SECOND_ROUND_IOU = 0.5


@dataclass(slots=True, eq=False)
class _Track:
    """A followed person: a Kalman filter over (centre x, centre y, width, height) and their velocities a second."""

    mean: Floats
    covariance: Floats
    seen_at_s: float
    predicted_at_s: float
    hits: int = 1
    track_id: int = 0  # given when the track is confirmed, so that ids of ghosts are never used up
    box: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(4, np.float32))

    def predict(self, now_s: float) -> None:
        dt = max(0.0, now_s - self.predicted_at_s)
        step = np.eye(8)
        step[:4, 4:] = np.eye(4) * dt
        height = self.mean[3]
        noise = np.r_[np.full(4, _POSITION_STD * height), np.full(4, _VELOCITY_STD_PER_S * height)] ** 2
        if self.seen_at_s < self.predicted_at_s:
            # Not seen in the last frame: a box that was being covered or cut would go on shrinking to nothing. The
            # authors' code likewise stops the height.
            self.mean[6:] = 0.0
        self.mean = step @ self.mean
        self.mean[2:4] = np.maximum(self.mean[2:4], 1.0)
        self.covariance = step @ self.covariance @ step.T + np.diag(noise) * dt
        self.predicted_at_s = now_s

    def update(self, box: npt.NDArray[np.float32], now_s: float) -> None:
        noise = np.diag(np.full(4, (_POSITION_STD * self.mean[3]) ** 2))
        gain = self.covariance[:, :4] @ np.linalg.inv(self.covariance[:4, :4] + noise)
        self.mean = self.mean + gain @ (_to_centre(box) - self.mean[:4])
        self.covariance = self.covariance - gain @ self.covariance[:4]
        self.box, self.seen_at_s = box, now_s
        self.hits += 1

    def predicted_box(self) -> Floats:
        x, y, w, h = self.mean[:4]
        return np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2])


class Tracker:
    """Follows the people of one camera; ids count from 1 and are never reused.

    Args:
        config: the thresholds.
        usual_score: from which the detector's boxes are believed; stands in for an absent `config.high_score`.
    """

    def __init__(self, config: TrackingConfig, usual_score: float) -> None:
        self._config = config
        self._high_score = usual_score if config.high_score is None else config.high_score
        self._tracks: list[_Track] = []
        self._last_id = 0
        self._previous_s: float | None = None  # when the frame before this one was captured

    def update(self, detections: Detections) -> Tracks:
        """Return the confirmed tracks that are seen in this very frame, in the order of their ids."""
        now_s, config = detections.frame.captured_at_s, self._config
        for track in self._tracks:
            track.predict(now_s)
        boxes, all_scores = detections.boxes_xyxy, detections.scores
        real = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # neither empty nor without numbers
        high = np.flatnonzero(real & (all_scores >= self._high_score))
        low = np.flatnonzero(real & (all_scores < self._high_score) & (all_scores >= config.low_score))
        # New and lost tracks alike take part in the first round; only those seen a moment ago in the second,
        # as in the paper: a faint box continues a track, it does not bring back a lost one.
        matched, left, unused = _match(self._tracks, boxes, high, config.match_iou)
        recent = [t for t in left if t.track_id and t.seen_at_s == self._previous_s]
        rescued, _, _ = _match(recent, boxes, low, _SECOND_ROUND_IOU)
        scores = {}
        for track, index in matched + rescued:
            track.update(boxes[index], now_s)
            scores[id(track)] = all_scores[index]
            if not track.track_id and track.hits >= config.confirm_hits:
                self._last_id += 1
                track.track_id = self._last_id
        self._begin(boxes, all_scores, unused, now_s, scores)
        self._tracks = [t for t in self._tracks if self._is_kept(t, now_s)]
        self._previous_s = now_s
        return self._seen(detections, scores)

    def _begin(
        self,
        boxes: npt.NDArray[np.float32],
        all_scores: npt.NDArray[np.float32],
        unused: npt.NDArray[np.intp],
        now_s: float,
        scores: dict[int, np.float32],
    ) -> None:
        for index in unused:
            if all_scores[index] < self._high_score + self._config.new_score_margin:
                continue
            box = boxes[index]
            centre = _to_centre(box)
            spread = np.r_[np.full(4, 2 * _POSITION_STD), np.full(4, 3 * _VELOCITY_STD_PER_S)] * centre[3]
            track = _Track(np.r_[centre, np.zeros(4)], np.diag(spread**2), now_s, now_s, box=box)
            # In the first frame of all there is no earlier frame that could have confirmed anybody.
            if self._config.confirm_hits == 1 or self._previous_s is None:
                self._last_id += 1
                track.track_id = self._last_id
            scores[id(track)] = all_scores[index]
            self._tracks.append(track)

    def _is_kept(self, track: _Track, now_s: float) -> bool:
        """A track not yet confirmed dies with its first miss; a confirmed one may come back for a while."""
        if not track.track_id:
            return track.seen_at_s == now_s
        # The distance in time, either way: a clock that is set back must not keep the lost for as long.
        return abs(now_s - track.seen_at_s) <= self._config.lost_s

    def _seen(self, detections: Detections, scores: dict[int, np.float32]) -> Tracks:
        seen = sorted((t for t in self._tracks if t.track_id and id(t) in scores), key=lambda t: t.track_id)
        return Tracks(
            frame=detections.frame,
            ids=np.array([t.track_id for t in seen], np.int64),
            boxes_xyxy=np.array([t.box for t in seen], np.float32).reshape(-1, 4),
            scores=np.array([scores[id(t)] for t in seen], np.float32),
        )


def _match(
    tracks: list[_Track], boxes: npt.NDArray[np.float32], candidates: npt.NDArray[np.intp], least_iou: float
) -> tuple[list[tuple[_Track, int]], list[_Track], npt.NDArray[np.intp]]:
    """Assign candidate boxes to tracks; return the pairs, the tracks left and the candidates left."""
    if not tracks or not len(candidates):
        return [], tracks, candidates
    overlap = iou(np.stack([t.predicted_box() for t in tracks]), boxes[candidates].astype(np.float64))
    # A pair that is not going to count must not outweigh, in the sum, one that does.
    rows, columns = linear_sum_assignment(np.where(overlap >= least_iou, -overlap, 0.0))
    good = overlap[rows, columns] >= least_iou
    pairs = [(tracks[r], int(candidates[c])) for r, c in zip(rows[good], columns[good], strict=True)]
    taken = set(rows[good].tolist())
    left = [t for i, t in enumerate(tracks) if i not in taken]
    return pairs, left, np.delete(candidates, columns[good])


def _to_centre(box: npt.NDArray[np.float32]) -> Floats:
    """(x0, y0, x1, y1) to (centre x, centre y, width, height), at least a pixel each."""
    x0, y0, x1, y1 = (float(v) for v in box)
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, 1.0), max(y1 - y0, 1.0)])


def iou(a_xyxy: Floats, b_xyxy: Floats) -> Floats:
    """Intersection over union of every pair: float64 (A, B) from (A, 4) and (B, 4); empty boxes overlap nothing."""
    corner0 = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    corner1 = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    both = np.prod(np.maximum(corner1 - corner0, 0), axis=2)
    area_a = np.prod(np.maximum(a_xyxy[:, 2:] - a_xyxy[:, :2], 0), axis=1)
    area_b = np.prod(np.maximum(b_xyxy[:, 2:] - b_xyxy[:, :2], 0), axis=1)
    union = area_a[:, None] + area_b[None, :] - both
    result: Floats = np.divide(both, union, out=np.zeros_like(both), where=union > 0)
    return result
