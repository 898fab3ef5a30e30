"""A few pages over HTTP for those who watch the daemon; a client that is slow, hostile or gone disturbs nobody.

Each request gets a thread, of which there are a few at most; one that has not ended within its time is cut off. Only
GET and HEAD of the pages' exact paths are answered, and nothing that a client sends is kept or logged.
"""

import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from ipaddress import IPv6Address
from socketserver import ThreadingTCPServer
from typing import Any, ClassVar

import structlog

from vestibule.errors import ConfigError
from vestibule.sections import MetricsConfig

_MOST_CONNECTIONS = 16
_SILENCE_S = 5.0
_CONNECTION_S = 10.0
_POLL_S = 0.2

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What is answered: the HTTP status, the body and its type."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


Pages = Mapping[str, Callable[[], Page]]
"""By path. Each is called in a thread of the request, at any time."""


class Endpoint:
    """Serves the pages at one address, or nowhere. Its methods belong to one thread."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._server: _Server | None = None
        self._config = MetricsConfig(enabled=False)

    @property
    def open(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    def serve(self, config: MetricsConfig) -> None:
        """Listen where the configuration says; on failure where it was before.

        Raises:
            ConfigError: the address cannot be used.
        """
        before, was_open = self._config, self.open
        self.close()
        try:
            self._open(config)
        except ConfigError:
            if was_open:
                self._open(before)
            raise

    def close(self) -> None:
        """Listen no more; requests under way are left to end by themselves."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _open(self, config: MetricsConfig) -> None:
        self._config = config
        if not config.enabled:
            return
        try:
            self._server = _Server(config, self._pages)
        except OSError as error:
            raise ConfigError(
                f"metrics: cannot listen on {host_and_port(str(config.host), config.port)} ({error.strerror}); "
                "set another metrics.port or metrics.host, or metrics.enabled = false"
            ) from error
        threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), name="metrics", daemon=True).start()
        host, port, *_ = self._server.server_address
        log.info("metrics served", address=host_and_port(str(host), int(port)))


def host_and_port(host: str, port: int) -> str:
    """Return an address as it stands in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Handler(BaseHTTPRequestHandler):
    """Answers one request, and hangs up."""

    timeout = _SILENCE_S
    server_version, sys_version = "vestibule", ""
    pages: ClassVar[Pages] = {}

    def do_GET(self) -> None:
        page = self.pages.get(self.path.partition("?")[0], self._unknown)()
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _unknown(self) -> Page:
        return Page(status=404, body=f"there is {', '.join(self.pages)}\n".encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        """Log nothing: what a client sends has no business in the log."""


class _Server(ThreadingTCPServer):
    """Accepts a limited number of connections, and cuts off those that take too long."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = _MOST_CONNECTIONS

    def __init__(self, config: MetricsConfig, pages: Pages) -> None:
        self.address_family = socket.AF_INET6 if isinstance(config.host, IPv6Address) else socket.AF_INET
        self._turn = threading.Lock()
        self._due_s: dict[socket.socket, float] = {}
        super().__init__((str(config.host), config.port), type("Handler", (_Handler,), {"pages": pages}))

    def verify_request(self, request: Any, client_address: object) -> bool:  # noqa: ANN401 - UDP's kind is in the library's type
        """Take a connection on, unless there are too many."""
        del client_address
        with self._turn:
            if len(self._due_s) >= _MOST_CONNECTIONS:
                return False
            self._due_s[request] = time.monotonic() + _CONNECTION_S
        return True

    def service_actions(self) -> None:
        """Cut off connections that have had their time; a client that sends a byte now and then has no end."""
        now_s = time.monotonic()
        with self._turn:
            late = [request for request, due_s in self._due_s.items() if now_s > due_s]
        for request in late:
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - UDP's kind is in the library's type
        """Let a connection go."""
        with self._turn:
            self._due_s.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say what failed, unless it is the client that hung up or fell silent."""
        del request, client_address
        error = sys.exception()
        if not isinstance(error, OSError):
            log.error("page failed", exc_info=error)
