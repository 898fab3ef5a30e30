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
    """A followed person: a Kalman filter over (centre x, centre y, width, height) and their velocities a second.

    No noise joins two of the four, so it is four filters of two numbers each, a row of each array: the same figures as
    from matrices of 8 by 8, in a third of the time.

    Attributes:
        place: (4,) pixels.
        speed: (4,) pixels a second.
        place_variance: (4,) of `place`.
        covariance: (4,) of `place` with `speed`.
        speed_variance: (4,) of `speed`.
    """

    place: Floats
    speed: Floats
    place_variance: Floats
    covariance: Floats
    speed_variance: Floats
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
        place = to_centre(box)
        height = place[3]
        return cls(
            place=place,
            speed=np.zeros(4),
            place_variance=np.full(4, (2 * _POSITION_STD * height) ** 2),
            covariance=np.zeros(4),
            speed_variance=np.full(4, (3 * _VELOCITY_STD_PER_S * height) ** 2),
            seen_at_s=now_s,
            predicted_at_s=now_s,
            box=box,
        )

    def predict(self, now_s: float) -> None:
        """Move the filter on to a time."""
        dt = max(0.0, now_s - self.predicted_at_s)
        height = float(self.place[3])
        if self.seen_at_s < self.predicted_at_s:
            # Not seen in the last frame: a box that was being covered or cut would go on shrinking to nothing. The
            # authors' code likewise stops the height.
            self.speed[2:] = 0.0
        self.place = self.place + self.speed * dt
        self.place[2:] = np.maximum(self.place[2:], 1.0)
        moved = 2 * self.covariance + dt * self.speed_variance
        self.place_variance = self.place_variance + (moved + (_POSITION_STD * height) ** 2) * dt
        self.covariance = self.covariance + dt * self.speed_variance
        self.speed_variance = self.speed_variance + (_VELOCITY_STD_PER_S * height) ** 2 * dt
        self.predicted_at_s = now_s

    def update(self, box: Box, now_s: float) -> None:
        """Take in the box in which the person is seen."""
        spread = self.place_variance + (_POSITION_STD * float(self.place[3])) ** 2
        place_gain, speed_gain = self.place_variance / spread, self.covariance / spread
        off = to_centre(box) - self.place
        self.place = self.place + place_gain * off
        self.speed = self.speed + speed_gain * off
        self.speed_variance = self.speed_variance - speed_gain * self.covariance
        self.covariance = self.covariance - place_gain * self.covariance
        self.place_variance = self.place_variance - place_gain * self.place_variance
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
        x, y, w, h = self.place.tolist()
        return np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2])


def to_centre(box: Box) -> Floats:
    """(x0, y0, x1, y1) to (centre x, centre y, width, height), at least a pixel each."""
    x0, y0, x1, y1 = (float(v) for v in box)
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, 1.0), max(y1 - y0, 1.0)])
