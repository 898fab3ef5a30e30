"""The staff page's routes: files for anybody, everything else for paired devices."""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from vestibule.claim_payloads import ClaimSetPayload
from vestibule.errors import SinkError
from vestibule.payload_fields import SCHEMA_VERSION
from vestibule.web import pages
from vestibule.web.board import Board
from vestibule.web.devices import Device, Devices, NamelessError
from vestibule.web.feed import Published
from vestibule.web.guard import SecurityHeaders, check_same_origin, read_json
from vestibule.web.hub import Hub
from vestibule.web.pairing import COOKIE_S, Pairing, Tries, clean_name
from vestibule.web.sse import EventStream, Sources

COOKIE = "vestibule_device"
_STATUS: dict[Published, int] = {"sent": 202, "disconnected": 503, "denied": 502, "unanswered": 504}

log = structlog.get_logger(__name__)


class Broker(Protocol):
    """What the page needs of the broker."""

    @property
    def connected(self) -> bool:
        """Whether the broker has us."""

    def claim(self, site: str, alert_id: str, claim: ClaimSetPayload) -> Published:
        """Publish a claim."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the routes work with.

    Attributes:
        board: what is shown.
        hub: the open pages.
        broker: where claims go.
        devices: who is paired.
        pairing: how one is.
        tries: how often codes may be tried.
        clock: Unix seconds.
        secure: whether phones speak TLS.
        public_url: how they reach us, if it was configured.
        alert_ttl_s: after this an alert is late news, and grey.
        retention_s: after this it goes.
    """

    board: Board
    hub: Hub
    broker: Broker
    devices: Devices
    pairing: Pairing
    tries: Tries
    clock: Callable[[], float]
    secure: bool
    public_url: str | None
    alert_ttl_s: float
    retention_s: float

    def routes(self) -> Sequence[Route]:
        """Return all there is."""
        return [
            Route("/", self.index),
            Route("/pair", self.index),
            Route("/api/words", self.words),
            Route("/api/me", self.me),
            Route("/api/pair", self.pair, methods=["POST"]),
            Route("/api/claim", self.claim, methods=["POST"]),
            Route("/api/events", self.events),
            Route("/{name}", self.file),
        ]

    async def index(self, request: Request) -> Response:
        """Answer with the page; what it shows it asks for itself."""
        page = pages.index(_language(request))
        return Response(page.body, media_type=page.content_type, headers={"Vary": "Accept-Language"})

    async def file(self, request: Request) -> Response:
        """Answer with one of the page's files."""
        found = pages.files().get(request.path_params["name"])
        if found is None:
            raise HTTPException(404, "page")
        return Response(found.body, media_type=found.content_type, headers={"Cache-Control": "no-cache"})

    async def words(self, request: Request) -> Response:
        """Answer with what the page says in the reader's language."""
        return JSONResponse(pages.words(_language(request)), headers={"Vary": "Accept-Language"})

    async def me(self, request: Request) -> Response:
        """Answer with who this device is, and renew its cookie; with nothing if it is not paired."""
        device = self._paired(request)
        if device is None:
            return Response(status_code=204)
        try:
            self.devices.seen(device.device_id, self.clock())
        except SinkError as error:  # a full disk is no reason to leave staff without the page
            log.warning("visit not noted", problem=str(error))
        answer = JSONResponse(self._about(device))
        self._set_cookie(answer, device)
        return answer

    async def pair(self, request: Request) -> Response:
        """Pair the device that shows a good code."""
        check_same_origin(request.headers, self.public_url)
        body = await read_json(request)
        code, name = body.get("code"), body.get("name")
        name = "" if name == "" else clean_name(name)  # the code may bring one
        if not isinstance(code, str) or len(code) > 20 or name is None:  # noqa: PLR2004 - 8 digits and some space
            raise HTTPException(400, "form")
        address = request.client.host if request.client is not None else ""
        if wait_s := self.tries.wait_s(address):
            raise HTTPException(429, "tries", headers={"Retry-After": str(wait_s)})
        try:
            device = await run_in_threadpool(self.pairing.redeem, code, name)
        except NamelessError as error:
            raise HTTPException(400, "name") from error
        if device is None:
            log.warning("pairing: wrong code", address=address)
            raise HTTPException(403, "code")
        log.info("device paired", device=device.device_id, name=device.name)
        answer = JSONResponse(self._about(device))
        self._set_cookie(answer, device)
        return answer

    async def claim(self, request: Request) -> Response:
        """Tell the daemon that this device's person goes to a customer; it decides."""
        check_same_origin(request.headers, self.public_url)
        device = self._device(request)
        body = await read_json(request)
        site, alert_id = body.get("site"), body.get("alert_id")
        if not isinstance(site, str) or not isinstance(alert_id, str) or not self.board.knows(site, alert_id):
            raise HTTPException(404, "alert")
        # The device's id is in it, so that the page knows its own claims, also after it was opened anew.
        claim_id = f"{device.device_id}-{secrets.token_hex(8)}"
        payload = ClaimSetPayload(schema_version=SCHEMA_VERSION, by=device.name, claim_id=claim_id)
        published = await run_in_threadpool(self.broker.claim, site, alert_id, payload)
        return JSONResponse({"claim_id": claim_id, "result": published}, _STATUS[published])

    async def events(self, request: Request) -> Response | EventStream:
        """Answer with events, live, from where the page left off."""
        device = self._device(request)
        stream = self.hub.open(device.device_id)
        if stream is None:
            raise HTTPException(503, "full", headers={"Retry-After": "30"})
        sources = Sources(
            board=self.board,
            hub=self.hub,
            connected=lambda: self.broker.connected,
            paired=self._is_paired,
            clock=self.clock,
        )
        # EventSource sends the header when it reconnects by itself; a page that opens a new one can only ask.
        last_id = request.headers.get("last-event-id") or request.query_params.get("last", "")
        return EventStream(sources, stream, last_id, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    def _paired(self, request: Request) -> Device | None:
        return self.pairing.device_of(request.cookies.get(COOKIE, ""))

    def _device(self, request: Request) -> Device:
        device = self._paired(request)
        if device is None:
            raise HTTPException(401, "unpaired")
        return device

    def _is_paired(self, device_id: str) -> bool:
        try:
            return self.devices.get(device_id) is not None
        except SinkError:
            return False

    def _about(self, device: Device) -> dict[str, object]:
        return {
            "device_id": device.device_id,
            "name": device.name,
            "alert_ttl_s": self.alert_ttl_s,
            "retention_s": self.retention_s,
        }

    def _set_cookie(self, answer: Response, device: Device) -> None:
        answer.set_cookie(
            COOKIE,
            self.pairing.cookie(device),
            max_age=COOKIE_S,
            secure=self.secure,
            httponly=True,
            samesite="strict",
        )


def make_app(page: Page, lifespan: Callable[[], AbstractAsyncContextManager[None]]) -> ASGIApp:
    """Put the routes together.

    Args:
        page: what they work with.
        lifespan: entered before the first request and left after the last.
    """

    @asynccontextmanager
    async def around(_app: Starlette) -> AsyncIterator[None]:
        async with lifespan():
            yield

    app = Starlette(
        routes=page.routes(),
        exception_handlers={HTTPException: _refuse, SinkError: _unable, Exception: _fail},
        lifespan=around,
    )
    return SecurityHeaders(app, secure=page.secure)  # around everything: Starlette's own answer to an error is one too


async def _refuse(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - for the type checker
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _unable(_request: Request, error: Exception) -> Response:
    log.error("page failed", problem=str(error))
    return JSONResponse({"error": "storage"}, 503)


async def _fail(_request: Request, _error: Exception) -> Response:  # uvicorn logs it
    return JSONResponse({"error": "failed"}, 500)


def _language(request: Request) -> str:
    return pages.language_of(request.headers.get("accept-language", ""))
