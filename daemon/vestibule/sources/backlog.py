"""What has arrived of a stream and is not decoded, so that decoding can begin at any time."""

from collections import deque
from typing import Generic, Protocol, TypeVar


class EncodedPacket(Protocol):
    """What PyAV's packets tell of themselves."""

    @property
    def is_keyframe(self) -> bool:
        """Whether decoding can begin with it."""
        ...

    @property
    def size(self) -> int:
        """Bytes."""
        ...


Packet = TypeVar("Packet", bound=EncodedPacket)


class Backlog(Generic[Packet]):
    """The packets that make the newest picture: from the last key frame on, without those that were taken already.

    When they become too many, all are dropped: what follows builds on them, so that nothing is kept until the next key
    frame, and there are no pictures meanwhile.

    Args:
        max_bytes: that are kept.
        max_s: from the oldest to the newest.

    Attributes:
        overflows: how often they became too many.
    """

    def __init__(self, max_bytes: float, max_s: float) -> None:
        self._max_bytes, self._max_s = max_bytes, max_s
        self._packets: deque[Packet] = deque()
        self._bytes, self._since_s = 0, 0.0
        self._waits_for_key = True
        self.overflows = 0

    def add(self, packet: Packet, at_s: float) -> None:
        """Keep a packet, if there is anything that it builds on.

        Args:
            packet: the next of the stream.
            at_s: when it arrived, seconds.
        """
        if packet.is_keyframe:
            self.take()
            self._waits_for_key = False
        elif self._waits_for_key:
            return
        if not self._packets:
            self._since_s = at_s
        self._packets.append(packet)
        self._bytes += packet.size
        if self._bytes > self._max_bytes or at_s - self._since_s > self._max_s:
            self.take()
            self._waits_for_key = True
            self.overflows += 1

    def take(self) -> list[Packet]:
        """Return all, oldest first, and keep none."""
        packets = list(self._packets)
        self._packets.clear()
        self._bytes = 0
        return packets
