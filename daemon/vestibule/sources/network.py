"""RTSP and HTTP cameras: what arrives on the stream that is detected on, as frames."""

from collections.abc import Callable, Iterator
from contextlib import closing

import av
import structlog
from av.video.reformatter import VideoReformatter

from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources.arrival import ArrivalClock
from vestibule.sources.camera_clock import CameraClock, Moment
from vestibule.sources.connection import Connection
from vestibule.sources.decoding import Count, Thinning, is_blank, to_bgr
from vestibule.sources.framing import Framing
from vestibule.sources.main_stream import MainPictures, MainView
from vestibule.types import Detail, Frame, NoDetail

log = structlog.get_logger()


class NetworkSource:
    """One camera of the network, connected: its sub-stream where it has one, else its only stream.

    Of a camera whose pictures stand alone (MJPEG) only those to analyse are decoded; of others (H.264) all are, since
    each builds on the one before, and only those to analyse are converted to BGR.

    Args:
        camera: address, transport, authority, user name and password.
        capture: time-outs, how often a frame is analysed and how old it may be.
        clock: Unix seconds, UTC.
        count: told what becomes of each frame that is not given out.
        main: of the same camera; None if nobody reads its main stream.

    Raises:
        ConfigError: the password cannot be read.
        SourceError: the camera refuses, does not answer in time or sends no video.
    """

    def __init__(
        self,
        camera: CameraConfig,
        capture: CaptureConfig,
        clock: Callable[[], float],
        count: Count,
        main: MainPictures | None = None,
    ) -> None:
        self._connection = Connection(camera, camera.detect_source or camera.source, capture, count)
        self._camera_id = camera.id
        self._framing, self._reformatter = Framing(camera), VideoReformatter()
        self._max_age_s = capture.max_frame_age_s
        self._thinning = Thinning(capture.analysed_fps)
        self._arrivals, self._camera_clock = ArrivalClock(capture.max_frame_age_s), CameraClock()
        self._clock, self._count = clock, count
        self._main, self._main_view = main, None if main is None else MainView(camera, main)
        self._seq = 0
        self._size: tuple[int, int] | None = None

    def frames(self) -> Iterator[Frame]:
        """Yield the frames to analyse as they arrive, until `close`; once.

        Raises:
            SourceError: the stream ended, stalled or broke.
        """
        with closing(self._connection.packets()) as packets:
            for packet in packets:
                arrived_s = self._clock()
                if self._connection.each_alone and not self._thinning.due(arrived_s):
                    self._seq += 1
                    self._count("captured")
                    self._count("thinned")
                    continue
                if self._main_view is not None:
                    packet.opaque = self._camera_clock.read_s(packet)
                for picture in self._connection.decode(packet):
                    if frame := self._frame(picture, arrived_s):
                        yield frame

    def close(self) -> None:
        """As `Connection.close`."""
        self._connection.close()

    def _frame(self, picture: av.VideoFrame, arrived_s: float) -> Frame | None:
        """Return the picture as a frame, or None, counted, if it is not to be analysed."""
        stamped = self._connection.has_stamps and picture.pts is not None and picture.time_base is not None
        captured_at_s = self._arrivals.captured_at_s(arrived_s, picture.time if stamped else None)
        seq, self._seq = self._seq, self._seq + 1
        self._count("captured")
        size = (picture.width, picture.height)
        if size != self._size:
            if not all(size):
                self._count("empty")
                return None
            self._note_size(size)
        if arrived_s - captured_at_s > self._max_age_s:
            self._count("too_old")
            return None
        if not self._connection.each_alone and not self._thinning.due(captured_at_s):
            self._count("thinned")
            return None
        image = to_bgr(picture, self._reformatter)
        if is_blank(image):
            self._count("blank")
            return None
        detail = self._detail(seq, captured_at_s, picture)
        return self._framing.frame(seq=seq, captured_at_s=captured_at_s, image=image, detail=detail)

    def _detail(self, seq: int, captured_at_s: float, picture: av.VideoFrame) -> Detail:
        if self._main_view is None:
            return NoDetail()
        camera_s = picture.opaque if isinstance(picture.opaque, float) else None
        return self._main_view.of(seq, Moment(captured_at_s=captured_at_s, camera_s=camera_s))

    def _note_size(self, size: tuple[int, int]) -> None:
        if self._size is not None:
            self._count("resized")
            log.info("frame size changed", camera=self._camera_id, width=size[0], height=size[1])
        self._size = size
        if self._main is not None:
            self._main.small_size = size
