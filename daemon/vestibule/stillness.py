"""Notices a camera that sends the very same picture again and again: its encoder, or what passes it on, hangs.

Pixels must be equal, not alike. A sensor's noise changes some with every picture; where a camera's encoder smooths all
of it away, at the latest its next key frame does. Alike is no sign: encoded at usual bit rates, one picture repeated
varied as much as a quiet scene with noise did. So a hung sensor before an encoder that works is not noticed.
"""

from vestibule.types import Frame

_ROWS = 24


class Stillness:
    """Compares each picture of one camera with the one before, by about 24 rows, which are read faster than pixels.

    Args:
        after_s: how long nothing may change.
    """

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._seen: bytes | None = None
        self._since_s = 0.0

    def lasts(self, frame: Frame) -> bool:
        """Take in the next frame; return whether nothing has changed for so long."""
        rows = frame.image[:: max(1, frame.image.shape[0] // _ROWS)].tobytes()
        if rows != self._seen:
            self._seen, self._since_s = rows, frame.captured_at_s
        return frame.captured_at_s - self._since_s >= self._after_s
