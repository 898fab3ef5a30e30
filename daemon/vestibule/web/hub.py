"""Passes changes on to every open page; a page that does not keep up is let go, and catches up when it returns."""

import asyncio

from vestibule.web.board import Item

MOST_STREAMS = 100
_MOST_OF_A_DEVICE = 4
_BACKLOG = 500


class Stream:
    """What waits for one open page. Belongs to the event loop."""

    def __init__(self, device_id: str) -> None:
        self.device_id = device_id
        self.closed = False
        self._items: asyncio.Queue[Item | None] = asyncio.Queue(_BACKLOG)  # None only wakes who waits

    def put(self, item: Item) -> None:
        """Add a change; if there are too many the page is let go."""
        try:
            self._items.put_nowait(item)
        except asyncio.QueueFull:
            self.closed = True

    def close(self) -> None:
        """Let the page go, at once."""
        self.closed = True
        if self._items.empty():
            self._items.put_nowait(None)

    async def get(self, timeout_s: float) -> Item | None:
        """Return the next change; None if there is none in time."""
        try:
            return await asyncio.wait_for(self._items.get(), timeout_s)
        except TimeoutError:
            return None


class Hub:
    """The open pages. `put` may be called from any thread, all else belongs to the event loop."""

    def __init__(self) -> None:
        self._streams: list[Stream] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def count(self) -> int:
        """How many pages are open."""
        return len(self._streams)

    def start(self) -> None:
        """Take the running loop as the one that pages are served in."""
        self._loop = asyncio.get_running_loop()

    def put(self, item: Item) -> None:
        """Tell every page of a change."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._spread, item)

    def open(self, device_id: str) -> Stream | None:
        """Add a page; None if there are too many. Of one device the oldest goes for a new one."""
        mine = [stream for stream in self._streams if stream.device_id == device_id and not stream.closed]
        if len(mine) >= _MOST_OF_A_DEVICE:
            mine[0].close()
        elif len(self._streams) >= MOST_STREAMS:
            return None
        stream = Stream(device_id)
        self._streams.append(stream)
        return stream

    def leave(self, stream: Stream) -> None:
        """Take a page out."""
        self._streams.remove(stream)

    def close(self) -> None:
        """Let every page go."""
        for stream in self._streams:
            stream.close()

    def _spread(self, item: Item) -> None:
        for stream in self._streams:
            stream.put(item)
