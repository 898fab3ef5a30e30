"""Server-Sent Events: what changed since a page was last here, then what changes, until it leaves or is let go.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from vestibule.web.board import Board, Item
from vestibule.web.hub import Hub, Stream

_LOOK_S = 1.0
"""How soon a revoked device, or a change of the broker's connection, is noticed."""
_BEAT_S = 15.0
_SEND_S = 10.0
_RETRY_MS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a stream tells of.

    Attributes:
        board: alerts, claims and sites.
        hub: brings changes.
        connected: whether the broker has us.
        paired: whether a device still is.
        clock: Unix seconds.
    """

    board: Board
    hub: Hub
    connected: Callable[[], bool]
    paired: Callable[[str], bool]
    clock: Callable[[], float]


class EventStream:
    """The answer to a page that listens; leaves the hub when it ends.

    Args:
        sources: what is told.
        stream: the page's place in the hub.
        last_id: `Last-Event-ID`, empty for a page that has nothing yet.
        headers: of the answer.
    """

    def __init__(self, sources: Sources, stream: Stream, last_id: str, headers: dict[str, str]) -> None:
        self._sources = sources
        self._stream = stream
        self._last_id = last_id
        self._headers = [
            (name.lower().encode(), value.encode())
            for name, value in {**headers, "Content-Type": "text/event-stream; charset=utf-8"}.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until either side has enough."""
        del scope
        gone = asyncio.create_task(_wait_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self._headers})
            async for event in self._events():
                # A phone that is out of reach takes nothing more, and says nothing.
                await asyncio.wait_for(send({"type": "http.response.body", "body": event, "more_body": True}), _SEND_S)
                if gone.done():
                    return
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            return
        finally:
            gone.cancel()
            self._sources.hub.leave(self._stream)

    async def _events(self) -> AsyncIterator[bytes]:
        seq, known = _seq_of(self._last_id, self._sources.board.epoch)
        connected, beat_s = self._sources.connected(), self._sources.clock()
        yield f"retry: {_RETRY_MS}\n".encode() + _event("hello", {**self._now(connected), "reset": not known})
        for item in self._sources.board.since(seq):
            seq = item.seq
            yield self._told(item)
        yield _event("caught-up", {})
        while True:
            item_or_none = await self._stream.get(_LOOK_S)
            if self._stream.closed or not self._sources.paired(self._stream.device_id):
                return
            if item_or_none is not None and item_or_none.seq > seq:
                seq = item_or_none.seq
                yield self._told(item_or_none)
            elif connected != self._sources.connected() or self._sources.clock() - beat_s >= _BEAT_S:
                connected, beat_s = self._sources.connected(), self._sources.clock()
                yield _event("beat", self._now(connected))
            elif item_or_none is None:
                yield b""  # shows whether the page is still there

    def _now(self, connected: bool) -> dict[str, Any]:
        return {"now_s": round(self._sources.clock(), 3), "broker": connected}

    def _told(self, item: Item) -> bytes:
        return _event(item.kind, item.data, f"{self._sources.board.epoch}-{item.seq}")


async def _wait_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _seq_of(last_id: str, epoch: str) -> tuple[int, bool]:
    """Return the number of the last change that a page has, and whether it is of this life of the process."""
    life, _, number = last_id.partition("-")
    if life == epoch and number.isascii() and number.isdigit() and len(number) < 16:  # noqa: PLR2004
        return int(number), True
    return 0, False


def _event(kind: str, data: dict[str, Any], event_id: str = "") -> bytes:
    line = f"id: {event_id}\n" if event_id else ""
    body = json.dumps(data, separators=(",", ":"), ensure_ascii=False)  # one line: JSON escapes line ends
    return f"{line}event: {kind}\ndata: {body}\n\n".encode()
