"""The staff page as a whole: put together from the configuration, and run until a signal or its owner ends it."""

import asyncio
import logging
import signal
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime

import structlog
import uvicorn
from starlette.types import ASGIApp

from vestibule.config import Settings
from vestibule.credentials import credential_path
from vestibule.errors import ConfigError
from vestibule.notify import Notifier
from vestibule.web.app import Page, make_app
from vestibule.web.board import Board
from vestibule.web.board_file import BOARD_FILE, BoardFile
from vestibule.web.devices import Devices
from vestibule.web.feed import Feed
from vestibule.web.hub import Hub
from vestibule.web.pairing import Pairing, Tries
from vestibule.web.protocol import PatientProtocol, listen
from vestibule.web.state import make_state
from vestibule.web_sections import WebConfig

_TICK_S = 1.0
_POLL_S = 0.01
_PRUNE_EVERY_S = 60.0
_GRACE_S = 3

log = structlog.get_logger(__name__)


class WebService:
    """Everything that serves the page. `run` blocks; `start` and `close` run it in a thread of its own.

    Args:
        settings: of which `[mqtt]` and `[web]` count.
        notifier: tells the service manager how things are.

    Attributes:
        hub: the open pages.
        pairing: makes codes.

    Raises:
        ConfigError: the state folder, the address, a certificate or a password file cannot be used.
        SinkError: the devices cannot be read, or another service uses the folder.
    """

    def __init__(self, settings: Settings, notifier: Notifier) -> None:
        self._config, self._notifier = settings.web, notifier
        state = make_state(self._config.state_dir)
        with ExitStack() as resources:
            devices = Devices(state.folder / "devices.sqlite3")
            resources.callback(devices.close)
            file = BoardFile(state.folder / BOARD_FILE, datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
            resources.callback(file.close)
            retention_s = self._config.retention_h * 3600
            self._board = Board(file, retention_s=retention_s, clock=time.time)
            self.hub = Hub()
            self._board.on_change = self.hub.put
            self._feed = Feed(
                settings.mqtt,
                client_id=state.client_id,
                sites=self._config.sites,
                session_s=round(retention_s),
                board=self._board,
            )
            self.pairing = Pairing(state, devices, time.time)
            page = Page(
                board=self._board,
                hub=self.hub,
                broker=self._feed,
                devices=devices,
                pairing=self.pairing,
                tries=Tries(time.monotonic),
                clock=time.time,
                secure=self._config.secure,
                public_url=self._config.public_url,
                alert_ttl_s=settings.mqtt.alert_ttl_s,
                retention_s=retention_s,
            )
            self._server = _Server(_uvicorn_config(make_app(page, self._lifespan), self._config), self.hub, notifier)
            self._socket = listen(self._config, "web")
            resources.callback(self._socket.close)
            self._resources = resources.pop_all()
        self._thread = threading.Thread(target=self.run, name="web", daemon=True)

    @property
    def address(self) -> str:
        """Where phones find the page."""
        return page_address(self._config, self._socket.getsockname()[1])

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM (in the main thread), or `close`."""
        log.info("staff page served", address=self.address)
        with self._resources:
            asyncio.run(self._server.serve(sockets=[self._socket]))

    def start(self) -> None:
        """Serve in a thread; return once pages are answered."""
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(_POLL_S)

    def close(self) -> None:
        """End what `start` has begun."""
        self._server.should_exit = True
        self._thread.join()

    @asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[None]:
        self.hub.start()
        self._feed.start()
        ticking = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            self._notifier.stopping()
            ticking.cancel()
            await asyncio.to_thread(self._feed.close)

    async def _tick(self) -> None:
        """Tell the service manager how things are; forget what is old."""
        pruned_s = time.monotonic()
        while True:
            broker = "connected" if self._feed.connected else "not connected"
            self._notifier.alive()
            self._notifier.status(f"{self.hub.count} pages open; broker {broker}")
            if time.monotonic() - pruned_s >= _PRUNE_EVERY_S:
                pruned_s = time.monotonic()
                await asyncio.to_thread(self._board.prune)
            await asyncio.sleep(_TICK_S)


class _Server(uvicorn.Server):
    """Tells the service manager when it is up, and lets the open pages go when it ends; they would hold it up."""

    def __init__(self, config: uvicorn.Config, hub: Hub, notifier: Notifier) -> None:
        super().__init__(config)
        self._hub, self._notifier = hub, notifier

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._notifier.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in good order."""
        self._hub.close()
        await super().shutdown(sockets)


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ConfigError: the state folder, the address, a certificate or a password file cannot be used.
        SinkError: the devices cannot be read, or another service uses the folder.
    """
    service = WebService(settings, Notifier())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # uvicorn ends in good order, then raises the signal once more
    service.run()
    return 0


def page_address(config: WebConfig, port: int) -> str:
    """Return the page's address, as a phone needs it."""
    if config.public_url is not None:
        return config.public_url
    host = socket.getfqdn() if config.host.is_unspecified else str(config.host)
    scheme = "https" if config.secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def load_certificate(config: WebConfig) -> ssl.SSLContext | None:
    """Load the certificate and key that are configured; None if there are none.

    Raises:
        ConfigError: they cannot be used.
    """
    if config.cert_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    key_file = None if config.key_file is None else credential_path(config.key_file)
    try:
        # An empty password makes an encrypted key an error; without it OpenSSL would ask on the terminal.
        context.load_cert_chain(credential_path(config.cert_file), key_file, password="")
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"web.cert_file {config.cert_file}: {error}; name a PEM file, and its unencrypted key in web.key_file"
        ) from error
    return context


def _uvicorn_config(app: ASGIApp, config: WebConfig) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # warns of every odd request
    context = load_certificate(config)
    made = uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(config.trusted_proxies),
        forwarded_allow_ips=[str(address) for address in config.trusted_proxies],
        timeout_graceful_shutdown=_GRACE_S,
    )
    made.load()
    made.ssl = context
    return made
