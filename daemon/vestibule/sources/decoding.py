"""What recorded and live video share: FFmpeg's pictures to BGR, frame times, thinning."""

from collections.abc import Callable
from typing import Literal

import av
import av.logging
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

Fate = Literal[
    "captured",
    "thinned",
    "too_old",
    "overtaken",
    "corrupt",
    "empty",
    "blank",
    "resized",
    "still",
    "analysed",
    "detailed",
    "undetailed",
    "main_decoded",
]
"""What happens to a camera's frames. captured: a whole picture arrived; it then is either

- thinned: more came than `capture.analysed_fps` asks for,
- too_old: older than `capture.max_frame_age_s`,
- overtaken: a newer one arrived before anybody had time for it,
- empty: it has no pixels,
- blank: it is of one colour (a decoder without its key frame, a covered lens),
- or analysed.

corrupt: what arrived is no whole picture. resized: from this picture on they are of another size.
still: the very picture that came before, and for a while already; it is analysed all the same.

Of a camera with a main stream besides the one that is detected on: detailed: people were cut out of the main stream's
picture of this frame; undetailed: they were to be, but it had none near enough in time, and the frame itself was
taken; main_decoded: a picture of the main stream was decoded.
"""
Count = Callable[[Fate], None]

_BLANK_DEVIATION = 2.0
_FEW, _NO_NOISE = 8, 24
"""Pixels along each side; grey levels that they may be apart by noise of the deviation above."""
_TICK_S = 0.001
_RESTART_S = 1.0
_QUARTER_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


def silence_ffmpeg() -> None:
    """Keep FFmpeg's own lines off stderr: they say less than the errors raised here, and may hold a password."""
    av.logging.set_level(None)


def use_one_thread(stream: VideoStream) -> None:
    """Decode without threads: with several, FFmpeg passes half a picture off as a whole one.

    Nothing is lost by it, cameras put a whole picture into one slice; and what is decoded does not depend on how many
    cores there are.
    """
    stream.codec_context.thread_count = 1


def picture_size(picture: av.VideoFrame) -> tuple[int, int]:
    """Return (width, height) in pixels as the picture is meant to be seen, after its rotation."""
    if _turn(picture) in (90, 270):
        return picture.height, picture.width
    return picture.width, picture.height


def to_bgr(picture: av.VideoFrame, reformatter: VideoReformatter) -> npt.NDArray[np.uint8]:
    """Return uint8 (H, W, 3) BGR, turned upright where the container says that the camera was held on its side.

    Args:
        picture: as decoded.
        reformatter: one for all pictures of a source; it keeps what it needs to know of their format. A picture left
            to itself sets that up anew, threads included, which takes longer than the conversion.
    """
    image = np.asarray(reformatter.reformat(picture, format="bgr24", threads=1).to_ndarray(), dtype=np.uint8)
    turn = _turn(picture)
    if turn in _QUARTER_TURNS:
        return np.asarray(cv2.rotate(image, _QUARTER_TURNS[turn]), dtype=np.uint8)
    return image


def is_blank(image: npt.NDArray[np.uint8]) -> bool:
    """Whether a picture, uint8 (H, W, 3), is of one colour, by a grid of about 24 x 32 of its pixels."""
    # Of nearly every picture a few pixels say that it is not. Right after decoding nothing is in the processor's
    # caches: what takes more code takes a tenth of a millisecond.
    few = _grid(image, _FEW, _FEW).tobytes()
    if max(few[::3]) - min(few[::3]) > _NO_NOISE:
        return False
    # numpy's deviation takes five times as long for so few
    _, deviations = cv2.meanStdDev(np.ascontiguousarray(_grid(image, 24, 32)))
    return bool(deviations.max() < _BLANK_DEVIATION)


def _grid(image: npt.NDArray[np.uint8], rows: int, columns: int) -> npt.NDArray[np.uint8]:
    height, width = image.shape[:2]
    return image[:: max(1, height // rows), :: max(1, width // columns)]


def _turn(picture: av.VideoFrame) -> int:
    return int(picture.rotation) % 360  # counter-clockwise; anything but a multiple of 90 is left alone


class MediaClock:
    """Seconds since the first frame, strictly increasing whatever the container says.

    Args:
        period_s: time between two frames, used where a stamp is missing.
    """

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._origin_s: float | None = None
        self._last_s: float | None = None

    def time_s(self, stamp_s: float | None) -> float:
        """Return the next frame's time.

        A missing stamp is one period later. A stamp that repeats or falls back a little is moved just past the frame
        before it; one that falls back a lot is a clock that was started anew, which goes on from here.

        Args:
            stamp_s: the container's presentation time in seconds; any origin.
        """
        if self._last_s is None:
            self._origin_s, self._last_s = stamp_s, 0.0
            return 0.0
        expected_s = self._last_s + self._period_s
        if stamp_s is None:
            time_s = expected_s
        else:
            if self._origin_s is None or stamp_s - self._origin_s < self._last_s - _RESTART_S:
                self._origin_s = stamp_s - expected_s
            time_s = max(stamp_s - self._origin_s, self._last_s + _TICK_S)
        self._last_s = time_s
        return time_s


class Thinning:
    """Picks at most `per_second` frames a second, evenly, by their capture times.

    A frame may come a quarter of a period early, so that a camera of just that rate with some jitter loses none;
    the schedule moves on by whole periods, so that the average still holds.
    """

    def __init__(self, per_second: float) -> None:
        self._period_s = 1 / per_second
        self._next_s: float | None = None

    def due(self, at_s: float) -> bool:
        """Return whether the frame captured at `at_s` (seconds) is one to analyse."""
        ahead_s = 0.0 if self._next_s is None else self._next_s - at_s
        if self._next_s is None or abs(ahead_s) > 2 * self._period_s:  # the first, after a gap, or the clock was set
            self._next_s = at_s + self._period_s
            return True
        if ahead_s > self._period_s / 4:
            return False
        self._next_s += self._period_s
        return True
