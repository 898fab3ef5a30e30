"""A stream and its hub without a network; over connections they are in test_web_service."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
from mqtt_client import make_alert
from staff_page import message_of
from starlette.types import Message

from vestibule.payloads import AlertPayload
from vestibule.web import hub as hub_module
from vestibule.web.board import Board
from vestibule.web.board_file import BoardFile
from vestibule.web.hub import Hub
from vestibule.web.sse import EventStream, Sources

ALERT = AlertPayload.model_validate_json(message_of(make_alert()).payload)
Send = Callable[[Message], Awaitable[None]]


def board_of(file: BoardFile) -> Board:
    return Board(file, retention_s=1e9, clock=lambda: ALERT.raised_at_s)


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def listen(board: Board, hub: Hub, send: Send, receive: Callable[[], Awaitable[Message]] = never) -> None:
    """Serve one page until it ends."""
    sources = Sources(
        board=board, hub=hub, connected=lambda: True, paired=lambda _: True, clock=lambda: ALERT.raised_at_s
    )
    stream = hub.open("0123abcd")
    assert stream is not None
    await EventStream(sources, stream, "", {})({}, receive, send)


def test_a_page_that_takes_nothing_any_more_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestibule.web.sse._SEND_S", 0.01)
    hub = Hub()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    with closing(BoardFile(tmp_path / "a", "now")) as file:
        asyncio.run(listen(board_of(file), hub, send))
    assert hub.count == 0


def test_a_page_that_falls_behind_is_let_go_and_the_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "_BACKLOG", 3)
    told: list[bytes] = []

    async def run(board: Board, hub: Hub) -> None:
        hub.start()
        board.on_change = hub.put
        slow = hub.open("0123abcd")
        assert slow is not None

        async def send(message: Message) -> None:
            told.append(message.get("body", b""))

        quick = asyncio.create_task(listen(board, hub, send))
        for number in range(5):
            board.alert(ALERT.model_copy(update={"alert_id": f"alert-{number}"}))
            await asyncio.sleep(0.01)
        assert slow.closed
        assert not quick.done()
        hub.leave(slow)
        hub.close()
        await quick

    with closing(BoardFile(tmp_path / "a", "now")) as file:
        asyncio.run(run(board_of(file), Hub()))
    assert b"".join(told).count(b"event: alert\n") == 5


def test_a_page_that_hangs_up_leaves_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestibule.web.sse._LOOK_S", 0.01)
    hub = Hub()

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def send(_message: Message) -> None:
        await asyncio.sleep(0)

    with closing(BoardFile(tmp_path / "a", "now")) as file:
        asyncio.run(listen(board_of(file), hub, send, gone))
    assert hub.count == 0


def test_changes_after_the_end_of_the_loop_are_nobody_s(tmp_path: Path) -> None:
    async def run(hub: Hub) -> None:
        hub.start()

    with closing(BoardFile(tmp_path / "a", "now")) as file:
        board, hub = board_of(file), Hub()
        board.on_change = hub.put
        board.alert(ALERT)  # before anybody serves
        asyncio.run(run(hub))
        board.site("store", online=True)  # from the network's thread, which ends last
        assert len(board.since(0)) == 2
