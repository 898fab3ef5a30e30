"""The page's addresses: what is answered to whom. Nothing but the page itself is shown without the password."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from vestibule.installer.login import SESSION_S, Login
from vestibule.installer.panel import Panel, Refused
from vestibule.web.guard import SecurityHeaders, check_same_origin, read_json

_LOGIN = "/api/login"
COOKIE = "vestibule-installer"
_PAGE = Path(__file__).parent / "page"
_FILES = {
    "": "index.html",
    "page.css": "page.css",
    "page.js": "page.js",
    "shapes.js": "shapes.js",
    "icon.svg": "icon.svg",
}
_MOST_BYTES = 64_000
_OWN_NAMES = re.compile(r"(127(\.\d{1,3}){3}|localhost|\[::1\])(:\d{1,5})?")

Handler = Callable[[Request], Awaitable[Response]]


def build_app(panel: Panel, login: Login) -> Starlette:
    """Return the application.

    Args:
        panel: what can be asked for.
        login: who may ask.
    """
    pages = _Pages(panel, login)
    return Starlette(
        routes=[
            *(Route(f"/{name}", _file(file)) for name, file in _FILES.items()),
            Route(_LOGIN, pages.enter, methods=["POST"]),
            Route("/api/logout", pages.leave, methods=["POST"]),
            Route("/api/state", pages.state),
            Route("/api/cameras/{camera}/places", pages.places),
            Route("/api/cameras/{camera}/places", pages.save, methods=["PUT"]),
            Route("/api/cameras/{camera}/picture", pages.picture),
            Route("/api/snapshots", pages.snapshots),
            Route("/api/snapshots/{alert}", pages.snapshot),
        ],
        middleware=[
            Middleware(SecurityHeaders, secure=False, pictures="'self' blob:"),
            Middleware(BaseHTTPMiddleware, dispatch=pages.guard),
        ],
        exception_handlers={Refused: _refuse, HTTPException: _refuse_as_http},
    )


class _Pages:
    """One method an address."""

    def __init__(self, panel: Panel, login: Login) -> None:
        self._panel, self._login = panel, login

    async def guard(self, request: Request, answer: RequestResponseEndpoint) -> Response:
        """Refuse strangers, and what another page has a browser ask for."""
        path = request.url.path
        if not _OWN_NAMES.fullmatch(request.headers.get("host", "")):
            return _problem(421, "this page is at 127.0.0.1 only")  # a name of somebody else's that leads here
        if path.startswith("/api/") and path != _LOGIN and not self._login.knows(request.cookies.get(COOKIE, "")):
            return _problem(401, "log in first")
        if request.method not in ("GET", "HEAD"):
            try:
                check_same_origin(request.headers, None)
            except HTTPException:
                return _problem(403, "asked for by another page")
        return await answer(request)

    async def enter(self, request: Request) -> Response:
        given = (await read_json(request)).get("password")
        entered = self._login.enter(given) if isinstance(given, str) else 0.0
        if isinstance(entered, str):
            response = JSONResponse({})
            response.set_cookie(COOKIE, entered, max_age=int(SESSION_S), path="/", httponly=True, samesite="strict")
            return response
        if entered > 0:
            raise Refused(429, f"too many wrong passwords; wait {entered:.0f} s")
        raise Refused(401, "wrong password; it is in the file that installer.password_file names")

    async def leave(self, request: Request) -> Response:
        self._login.leave(request.cookies.get(COOKIE, ""))
        response = JSONResponse({})
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return response

    async def state(self, _: Request) -> Response:
        return JSONResponse(self._panel.state())

    async def picture(self, request: Request) -> Response:
        made = await run_in_threadpool(self._panel.picture, request.path_params["camera"])
        if made is None:
            return Response(status_code=204)
        headers = {"X-Captured-At-S": f"{made.captured_at_s:.3f}", "X-Size": f"{made.size[0]}x{made.size[1]}"}
        return Response(made.jpeg, media_type="image/jpeg", headers=headers)

    async def places(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._panel.places, request.path_params["camera"]))

    async def save(self, request: Request) -> Response:
        given, camera_id = await read_json(request, _MOST_BYTES), request.path_params["camera"]
        await run_in_threadpool(self._panel.save, camera_id, given.get("version"), given.get("places"))
        return JSONResponse({})

    async def snapshots(self, _: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._panel.snapshots))

    async def snapshot(self, request: Request) -> Response:
        jpeg = await run_in_threadpool(self._panel.snapshot, request.path_params["alert"])
        return Response(jpeg, media_type="image/jpeg")


def _file(name: str) -> Handler:
    async def answer(_: Request) -> Response:
        return FileResponse(_PAGE / name)

    return answer


async def _refuse(_: Request, refused: Exception) -> Response:
    return _problem(refused.status if isinstance(refused, Refused) else 500, str(refused))


async def _refuse_as_http(_: Request, refused: Exception) -> Response:
    status = refused.status_code if isinstance(refused, HTTPException) else 500
    return _problem(status, f"this cannot be asked for ({refused})")


def _problem(status: int, text: str) -> JSONResponse:
    return JSONResponse({"problem": text}, status_code=status)
