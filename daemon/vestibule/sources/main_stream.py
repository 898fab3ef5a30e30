"""The main stream of a camera that is detected on its sub-stream: always received, decoded only while it is wanted."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from threading import Lock

import av
import structlog
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from vestibule.detail_section import DetailConfig
from vestibule.errors import SourceError
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources.arrival import ArrivalClock
from vestibule.sources.backlog import Backlog
from vestibule.sources.camera_clock import CameraClock, Moment
from vestibule.sources.connection import Connection
from vestibule.sources.decoding import Count, to_bgr
from vestibule.sources.framing import Framing
from vestibule.types import Detail, Frame, LargerPicture

log = structlog.get_logger()

Size = tuple[int, int]
"""Width and height, pixels."""

_KEPT = 8
"""Pictures, so that one is found for a frame that waited: a third of a second, and 25 MB at 1920x1080."""
_SAME_SHAPE = 0.03
"""By how much width over height may differ between the streams; 640x352 is 1920x1080 rounded to blocks of 16."""
_MEGABYTE = 1e6


class MainPictures:
    """The newest pictures of one camera's main stream while somebody wants them; any thread may ask.

    Args:
        config: how near in time a picture must be, and how long it is decoded after somebody asked.
        count: told of every picture decoded, and whether there was one when it was asked for.
        monotonic: seconds that only grow.

    Attributes:
        small_size: of the sub-stream's pictures; None until there is one.
    """

    def __init__(self, config: DetailConfig, count: Count, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._config, self._count, self._monotonic = config, count, monotonic
        self._turn = Lock()
        self._pictures: deque[tuple[Moment, av.VideoFrame]] = deque(maxlen=_KEPT)
        self._wanted_until_s = float("-inf")
        self.small_size: Size | None = None

    def want(self) -> None:
        """Have pictures decoded from now on, for a while."""
        self._wanted_until_s = self._monotonic() + self._config.linger_s

    @property
    def wanted(self) -> bool:
        """Whether somebody asked of late."""
        return self._monotonic() < self._wanted_until_s

    def put(self, moment: Moment, picture: av.VideoFrame) -> None:
        """Keep a decoded picture."""
        with self._turn:
            self._pictures.append((moment, picture))
        self._count("main_decoded")

    def clear(self) -> None:
        """Let go of all pictures."""
        with self._turn:
            self._pictures.clear()

    def nearest(self, moment: Moment) -> tuple[float, av.VideoFrame] | None:
        """Return the picture that was taken nearest to a moment, and how long before it, seconds.

        None, counted, if none was near enough.
        """
        with self._turn:
            pictures = [(taken.before_s(moment), picture) for taken, picture in self._pictures]
        found = min(pictures, key=lambda each: abs(each[0]), default=None)
        if found is None or abs(found[0]) > self._config.max_skew_s:
            self._count("undetailed")
            return None
        self._count("detailed")
        return found


class MainView:
    """A main stream's pictures as the frames of its sub-stream find them: converted, and masked.

    Args:
        camera: its masks.
        pictures: those that there are.
    """

    def __init__(self, camera: CameraConfig, pictures: MainPictures) -> None:
        self._framing, self._reformatter, self._pictures = Framing(camera), VideoReformatter(), pictures

    def of(self, seq: int, moment: Moment) -> Detail:
        """Return what there is of a frame, by its number and the time at which it was taken."""
        return _MainDetail(self, seq, moment)

    def want(self) -> None:
        """As `MainPictures.want`."""
        self._pictures.want()

    def picture(self, seq: int, moment: Moment) -> LargerPicture | None:
        """Return the picture nearest to a moment; for the one thread that looks at frames."""
        found = self._pictures.nearest(moment)
        if found is None:
            return None
        before_s, picture = found
        at_s = moment.captured_at_s - before_s
        masked = self._framing.frame(seq=seq, captured_at_s=at_s, image=to_bgr(picture, self._reformatter))
        return LargerPicture(image=masked.image, before_s=before_s)


@dataclass(frozen=True, slots=True)
class _MainDetail:
    """See `types.Detail`."""

    _view: MainView
    _seq: int
    moment: Moment

    def want(self) -> None:
        self._view.want()

    def picture(self) -> LargerPicture | None:
        return self._view.picture(self._seq, self.moment)


class MainStream:
    """A camera's main stream, connected. Gives no frames by itself: its pictures go into `pictures` while wanted.

    Args:
        camera: `source` is the main stream's address.
        capture: time-outs.
        config: how much may wait undecoded.
        clock: Unix seconds, UTC.
        count: told of every packet, as a sign of life.
        pictures: where the pictures go.

    Raises:
        ConfigError: the password cannot be read.
        SourceError: the stream cannot be opened, or is of another shape than the sub-stream.
    """

    def __init__(
        self,
        camera: CameraConfig,
        *,
        capture: CaptureConfig,
        config: DetailConfig,
        clock: Callable[[], float],
        count: Count,
        pictures: MainPictures,
    ) -> None:
        self._connection = Connection(camera, camera.source, capture, count)
        self._clock, self._count, self._pictures = clock, count, pictures
        self._backlog: Backlog[av.Packet[VideoStream]] = Backlog(config.buffer_mb * _MEGABYTE, config.buffer_s)
        self._arrivals, self._camera_clock = ArrivalClock(capture.max_frame_age_s), CameraClock()
        self._camera_id = camera.id
        try:
            self._check_shape()
        except SourceError:
            self._connection.close()
            raise

    def frames(self) -> Iterator[Frame]:
        """Receive until `close`; yield nothing.

        Raises:
            SourceError: the stream ended, stalled or broke, or is of another shape than the sub-stream.
        """
        try:
            with closing(self._connection.packets()) as packets:
                for packet in packets:
                    self._receive(packet)
                    self._check_shape()
                    if self._pictures.wanted:
                        self._catch_up()
                    else:
                        self._connection.pause()
                        self._pictures.clear()
        finally:
            self._pictures.clear()
        yield from ()

    def close(self) -> None:
        """As `Connection.close`."""
        self._connection.close()

    def _receive(self, packet: "av.Packet[VideoStream]") -> None:
        arrived_s, stamp_s = self._clock(), None
        self._count("captured")
        if self._connection.has_stamps and packet.pts is not None and packet.time_base is not None:
            stamp_s = float(packet.pts * packet.time_base)
        captured_at_s = self._arrivals.captured_at_s(arrived_s, stamp_s)
        packet.opaque = Moment(captured_at_s=captured_at_s, camera_s=self._camera_clock.read_s(packet))
        before = self._backlog.overflows
        self._backlog.add(packet, arrived_s)
        if before == 0 < self._backlog.overflows:
            log.warning(
                "the main stream's key frames are too far apart for detail.buffer_s or buffer_mb; nobody is cut out "
                "of it meanwhile; have the camera send one every second or two",
                camera=self._camera_id,
            )

    def _catch_up(self) -> None:
        for packet in self._backlog.take():
            for picture in self._connection.decode(packet):
                if isinstance(picture.opaque, Moment):
                    self._pictures.put(picture.opaque, picture)

    def _check_shape(self) -> None:
        main, small = self._connection.size, self._pictures.small_size
        if small is not None and all(main):
            check_shape(self._connection.name, main, small)


def check_shape(name: str, main: Size, small: Size) -> None:
    """Refuse a sub-stream of another shape: it is stretched or shows less, and its boxes would miss the people.

    Args:
        name: the camera.
        main: of the main stream's pictures.
        small: of the sub-stream's.

    Raises:
        SourceError: width over height differ.
    """
    if abs(main[0] * small[1] / (main[1] * small[0]) - 1) > _SAME_SHAPE:
        raise SourceError(
            f"{name}: the main stream is {main[0]}x{main[1]} and the sub-stream {small[0]}x{small[1]}, of another "
            "shape; set the camera so that width over height is the same"
        )
