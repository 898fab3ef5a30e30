"""HTTP/1.1 by uvicorn, with what it leaves open: a limit of connections, and of the time a request may take to come."""

import asyncio
import socket
from typing import Literal

from uvicorn.protocols.http.h11_impl import H11Protocol

from vestibule.errors import ConfigError
from vestibule.privacy_sections import InstallerConfig
from vestibule.web_sections import WebConfig

MOST_CONNECTIONS = 256
_REQUEST_S = 10.0
_UNACKNOWLEDGED_MS = 20_000


class PatientProtocol(H11Protocol):
    """Cuts off a connection that brings no whole request for 10 to 20 seconds, and those that are too many."""

    _was_idle = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Take a connection on."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._look_at = self.loop.call_later(_REQUEST_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let it go."""
        if hasattr(self, "_look_at"):
            self._look_at.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        """Uvicorn's own time-out ends with the first byte of the next request, however slowly the rest comes."""
        idle = self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]  # None at first
        if idle and self._was_idle:
            self.transport.abort()
        else:
            self._was_idle = idle
            self._look_at = self.loop.call_later(_REQUEST_S, self._look)


def listen(config: WebConfig | InstallerConfig, section: Literal["web", "installer"]) -> socket.socket:
    """Take the address that is configured in that section.

    Raises:
        ConfigError: it cannot be used.
    """
    family = socket.AF_INET6 if config.host.version == 6 else socket.AF_INET  # noqa: PLR2004 - IP version 6
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Handed on to every connection: the kernel gives up a phone that takes nothing any more.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
        sock.bind((str(config.host), config.port))
    except OSError as error:
        sock.close()
        raise ConfigError(
            f"{section}: cannot listen on {config.host} port {config.port} ({error.strerror}); "
            f"set another {section}.host or {section}.port"
        ) from error
    return sock
