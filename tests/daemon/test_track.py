"""The four small Kalman filters give what the one of eight dimensions gives, in its textbook form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.track import Box, Track, to_centre

POSITION, VELOCITY = 1 / 20, 30 / 160


class Textbook:
    """Predict and update by matrices, with the noise that ByteTrack's authors use, here a second."""

    def __init__(self, box: Box) -> None:
        centre = to_centre(box)
        self.mean = np.r_[centre, np.zeros(4)]
        self.covariance = np.diag((np.r_[np.full(4, 2 * POSITION), np.full(4, 3 * VELOCITY)] * centre[3]) ** 2)

    def predict(self, dt: float) -> None:
        step = np.eye(8)
        step[:4, 4:] = np.eye(4) * dt
        noise = (np.r_[np.full(4, POSITION), np.full(4, VELOCITY)] * self.mean[3]) ** 2
        self.mean = step @ self.mean
        self.mean[2:4] = np.maximum(self.mean[2:4], 1)
        self.covariance = step @ self.covariance @ step.T + np.diag(noise) * dt

    def update(self, box: Box) -> None:
        noise = np.eye(4) * (POSITION * self.mean[3]) ** 2
        gain = self.covariance[:, :4] @ np.linalg.inv(self.covariance[:4, :4] + noise)
        self.mean = self.mean + gain @ (to_centre(box) - self.mean[:4])
        self.covariance = self.covariance - gain @ self.covariance[:4]


sides = st.tuples(*[st.floats(1, 900, width=32)] * 4).map(
    lambda v: np.array([v[0], v[1], v[0] + v[2], v[1] + v[3]], np.float32)
)


@given(st.lists(st.tuples(st.floats(0.01, 1), sides), min_size=1, max_size=12), sides)
def test_it_follows_as_the_matrices_do(steps: list[tuple[float, Box]], first: Box) -> None:
    track, textbook, now_s = Track.begin(first, 0.0), Textbook(first), 0.0
    for dt, box in steps:
        now_s += dt
        track.predict(now_s)
        textbook.predict(dt)
        track.update(box, now_s)
        textbook.update(box)
    assert np.r_[track.place, track.speed] == pytest.approx(textbook.mean, rel=1e-6, abs=1e-6)
    assert track.place_variance == pytest.approx(np.diag(textbook.covariance)[:4], rel=1e-6)
    assert track.covariance == pytest.approx(np.diag(textbook.covariance[:4, 4:]), rel=1e-6, abs=1e-6)


def test_somebody_not_seen_keeps_their_size_and_goes_on() -> None:
    track = Track.begin(np.array([100, 100, 140, 200], np.float32), 0.0)
    for number in range(1, 6):
        track.predict(number / 10)
        track.update(np.array([100 + 5 * number, 100, 140 + 3 * number, 200], np.float32), number / 10)
    track.predict(0.6)  # the frame after the last sight: its size may go on changing once
    size = track.place[2:].copy()
    track.predict(0.7)
    left = track.predicted_box()[0]
    track.predict(0.8)
    assert track.place[2:] == pytest.approx(size)
    assert track.predicted_box()[0] > left
