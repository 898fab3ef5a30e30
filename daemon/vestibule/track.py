"""One person as the tracker follows them: where they are going and what colours they wear."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Box = npt.NDArray[np.float32]

# Kalman noise as shares of the box's height (SORT and ByteTrack use the same shares, there per frame at 30 fps).
_POSITION_STD = 1 / 20
_VELOCITY_STD_PER_S = 30 / 160
_FADE_S = 1.0
"""What was worn so long ago counts for 1/e: people turn, and walk from light into shade."""
_LEAST_STEP_S = 1e-3


@dataclass(slots=True, eq=False)
class Track:
    """A followed person: a Kalman filter over (centre x, centre y, width, height) and their velocities a second."""

    mean: Floats
    covariance: Floats
    seen_at_s: float
    predicted_at_s: float
    hits: int = 1
    track_id: int = 0  # given when the track is confirmed, so that ids of ghosts are never used up
    box: Box = field(default_factory=lambda: np.zeros(4, np.float32))
    colours: npt.NDArray[np.float32] | None = None  # of the boxes that showed all of the person
    coloured_at_s: float = 0.0

    @classmethod
    def begin(cls, box: Box, now_s: float) -> "Track":
        """Follow somebody first seen in a box, standing still as far as is known."""
        centre = to_centre(box)
        spread = np.r_[np.full(4, 2 * _POSITION_STD), np.full(4, 3 * _VELOCITY_STD_PER_S)] * centre[3]
        return cls(np.r_[centre, np.zeros(4)], np.diag(spread**2), now_s, now_s, box=box)

    def predict(self, now_s: float) -> None:
        """Move the filter on to a time."""
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

    def update(self, box: Box, now_s: float) -> None:
        """Take in the box in which the person is seen."""
        noise = np.diag(np.full(4, (_POSITION_STD * self.mean[3]) ** 2))
        gain = self.covariance[:, :4] @ np.linalg.inv(self.covariance[:4, :4] + noise)
        self.mean = self.mean + gain @ (to_centre(box) - self.mean[:4])
        self.covariance = self.covariance - gain @ self.covariance[:4]
        self.box, self.seen_at_s = box, now_s
        self.hits += 1

    def wear(self, signature: npt.NDArray[np.float32], now_s: float) -> None:
        """Take in the colours of a box that shows all of the person, float32 (D,) of length 1."""
        if self.colours is not None:
            kept = np.float32(np.exp(-max(_LEAST_STEP_S, now_s - self.coloured_at_s) / _FADE_S))
            mixed = kept * self.colours + (1 - kept) * signature
            signature = mixed / max(np.linalg.norm(mixed), np.float32(_LEAST_STEP_S))
        self.colours, self.coloured_at_s = signature, now_s

    def predicted_box(self) -> Floats:
        """Return where the person should be now: (x0, y0, x1, y1), pixels."""
        x, y, w, h = self.mean[:4]
        return np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2])


def to_centre(box: Box) -> Floats:
    """(x0, y0, x1, y1) to (centre x, centre y, width, height), at least a pixel each."""
    x0, y0, x1, y1 = (float(v) for v in box)
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, 1.0), max(y1 - y0, 1.0)])
