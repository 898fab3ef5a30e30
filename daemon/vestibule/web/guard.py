"""What holds for every request: security headers, posts from our own page only, bodies that are small and come soon."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY_BYTES = 4096
_BODY_S = 5.0
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Frame-Options": "DENY",
}
_HSTS = "max-age=31536000"


class SecurityHeaders:
    """Adds them to every answer, errors included.

    Args:
        app: what answers.
        secure: whether phones speak TLS; then they are told to do so always.
        pictures: where pictures may come from, in the terms of Content-Security-Policy.
    """

    def __init__(self, app: ASGIApp, *, secure: bool, pictures: str = "'self'") -> None:
        self._app = app
        policy = HEADERS["Content-Security-Policy"].replace("img-src 'self'", f"img-src {pictures}")
        given = {
            **HEADERS,
            "Content-Security-Policy": policy,
            **({"Strict-Transport-Security": _HSTS} if secure else {}),
        }
        self._headers = [(name.lower().encode(), value.encode()) for name, value in given.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*headers, *self._headers]}
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def check_same_origin(headers: Headers, public_url: str | None) -> None:
    """Refuse a request that another site's page has made a browser send (CSRF).

    Browsers name the page in `Origin` with every POST; the cookie is `SameSite=Strict` besides.

    Raises:
        HTTPException: 403.
    """
    try:
        origin = urlsplit(headers.get("origin", "")).netloc
    except ValueError:  # no address at all
        origin = ""
    ours = {headers.get("host", ""), urlsplit(public_url or "").netloc} - {""}
    if origin not in ours or headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise HTTPException(403, "origin")


async def read_json(request: Request, most_bytes: int = MOST_BODY_BYTES) -> dict[str, Any]:
    """Read a small JSON object that arrives soon.

    Raises:
        HTTPException: 400, 408, 413 or 415.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "type")
    body = b""
    try:
        async with asyncio.timeout(_BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most_bytes:
                    raise HTTPException(413, "size")
        value = json.loads(body)
    except TimeoutError as error:
        raise HTTPException(408, "time") from error
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "json") from error
    if not isinstance(value, dict):
        raise HTTPException(400, "json")
    return value
