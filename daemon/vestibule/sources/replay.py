"""Recorded video: every frame on a virtual clock (replay), or at its own pace in place of a camera."""

import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from av.video.reformatter import VideoReformatter

from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources.decoding import Count, Thinning, to_bgr
from vestibule.sources.framing import Framing
from vestibule.sources.video_file import VideoFile
from vestibule.types import Frame

_NAP_S = 0.1
_BEHIND_S = 1.0


class ReplaySource:
    """Every frame of a file, in order; times come from the container, so that each run is the same.

    Args:
        path: a video file.
        camera: the camera it is taken for.
        start_s: the clock at the first frame, Unix seconds, UTC.
        first_seq: number of the first frame; the one before's `next_seq` where several files run one after the other.

    Attributes:
        width: of every frame, pixels.
        height: of every frame, pixels.
        frames_expected: by the container, for a progress bar; None if unknown.
        duration_s: by the container; None if unknown.
        end_s: when the last frame so far ends, Unix seconds, UTC: the next file's `start_s`.
        next_seq: one more than the last frame's number so far: the next file's `first_seq`.

    Raises:
        SourceError: the file cannot be opened, or no frame of it can be decoded.
    """

    def __init__(self, path: Path, camera: CameraConfig, start_s: float, first_seq: int = 0) -> None:
        self._file = VideoFile(path)
        self._framing, self._reformatter = Framing(camera), VideoReformatter()
        self._start_s = start_s
        self.width, self.height = self._file.width, self._file.height
        self.frames_expected = self._file.frames_expected
        self.duration_s = self._file.duration_s
        self.end_s = start_s
        self.next_seq = first_seq

    def frames(self) -> Iterator[Frame]:
        """Yield every frame, once.

        Raises:
            SourceError: after the readable frames: the file is cut short or damaged, or its frame size changes.
        """
        for time_s, picture in self._file.pictures():
            seq, captured_at_s = self.next_seq, self._start_s + time_s
            self.next_seq, self.end_s = seq + 1, captured_at_s + self._file.period_s
            yield self._framing.frame(seq=seq, captured_at_s=captured_at_s, image=to_bgr(picture, self._reformatter))

    def close(self) -> None:
        """Let go of the file; may be called from another thread and more than once."""
        self._file.close()


def in_step(sources: Sequence[ReplaySource]) -> Iterator[Frame]:
    """Yield the frames of recordings of several cameras in the order of their times; of equal times, in the given one.

    Raises:
        SourceError: one of them is damaged; what follows of the others is not yielded.
    """
    return heapq.merge(*(source.frames() for source in sources), key=lambda frame: frame.captured_at_s)


class PacedSource:
    """A file played once at its own pace, as if it were a camera: thinned, and stamped with the real clock.

    Args:
        camera: whose source is a path.
        capture: how often a frame is analysed.
        clock: Unix seconds, UTC.
        count: told what becomes of each frame that is not given out.
        sleep: waits for so many seconds.

    Raises:
        SourceError: the file cannot be opened, or no frame of it can be decoded.
    """

    def __init__(
        self,
        camera: CameraConfig,
        capture: CaptureConfig,
        clock: Callable[[], float],
        count: Count,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._file = VideoFile(Path(camera.source))
        self._framing, self._reformatter = Framing(camera), VideoReformatter()
        self._thinning = Thinning(capture.analysed_fps)
        self._clock, self._count = clock, count
        self._sleep = sleep
        self._closing = False

    def frames(self) -> Iterator[Frame]:
        """Yield the frames to analyse, each when its time has come; return when the file is over.

        Raises:
            SourceError: after the readable frames: the file is cut short or damaged, or its frame size changes.
        """
        start_s, before_s = self._clock(), 0.0
        for seq, (time_s, picture) in enumerate(self._file.pictures()):
            wait_s = start_s + time_s - self._clock()
            if (
                not -_BEHIND_S <= wait_s <= time_s - before_s + _BEHIND_S
            ):  # far behind, or the clock was set: do not race
                start_s -= wait_s
                wait_s = 0.0
            before_s = time_s
            self._wait(wait_s)
            if self._closing:
                return
            now_s = self._clock()
            self._count("captured")
            if self._thinning.due(now_s):
                yield self._framing.frame(seq=seq, captured_at_s=now_s, image=to_bgr(picture, self._reformatter))
            else:
                self._count("thinned")

    def _wait(self, wait_s: float) -> None:
        """Sleep in short naps, so that `close` is noticed."""
        while wait_s > 0 and not self._closing:
            self._sleep(min(wait_s, _NAP_S))
            wait_s -= _NAP_S

    def close(self) -> None:
        """Stop; may be called from another thread and more than once."""
        self._closing = True
        self._file.close()
