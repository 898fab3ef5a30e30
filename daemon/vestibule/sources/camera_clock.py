"""When a picture was taken by the camera's own clock, which all of its streams share."""

import struct
from dataclasses import dataclass

import av
from av.video.stream import VideoStream

_TRUSTED_WITHIN_S = 1.0
"""By how much two streams of one camera may differ in what they say their camera's clock is ahead of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a picture was taken.

    Attributes:
        captured_at_s: by our clock, from when it arrived, Unix seconds, UTC.
        camera_s: by the camera's, Unix seconds as it believes; None if it did not say.
    """

    captured_at_s: float
    camera_s: float | None

    def before_s(self, other: "Moment") -> float:
        """Return how long before another picture of the same camera this one was taken; negative if after it.

        By the camera's clock where it told both times, whatever that clock shows. Where the two streams disagree about
        that clock (one has no sender reports, or wrong ones), by when they arrived.
        """
        by_arrival_s = other.captured_at_s - self.captured_at_s
        if self.camera_s is None or other.camera_s is None:
            return by_arrival_s
        by_camera_s = other.camera_s - self.camera_s
        return by_camera_s if abs(by_camera_s - by_arrival_s) <= _TRUSTED_WITHIN_S else by_arrival_s


class CameraClock:
    """Reads what FFmpeg makes of RTCP sender reports: they tell what the camera's clock shows at which RTP time.

    The first report comes some seconds after the stream has begun. RFC 3550, section 6.4.1; AV_PKT_DATA_PRFT.
    """

    def __init__(self) -> None:
        self._told = False

    def read_s(self, packet: "av.Packet[VideoStream]") -> float | None:
        """Return when a packet's picture was taken by the camera's clock, Unix seconds; None if that is not known."""
        if not packet.has_sidedata("prft"):
            return None
        if not self._told:  # FFmpeg's parser hands the first one out a packet early
            self._told = True
            return None
        (microseconds,) = struct.unpack_from("q", bytes(packet.get_sidedata("prft")))
        return float(microseconds) / 1e6
