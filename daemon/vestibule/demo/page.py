"""The staff page in the demo: served for as long as somebody looks on, with links that pair."""

import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from rich.console import Console

from vestibule.config import Settings
from vestibule.errors import ConfigError
from vestibule.notify import Notifier
from vestibule.web.service import WebService
from vestibule.web_sections import WebConfig

_NAMES = ("Ana", "Luis")
_WAIT_S = 60.0
_POLL_S = 0.2


@contextmanager
def staff_page(settings: Settings, console: Console) -> Iterator[WebService]:
    """Serve the page, print a link for each of two phones, and wait until one is open.

    Raises:
        VestibuleError: it cannot be served.
    """
    with TemporaryDirectory(prefix="vestibule-demo-") as folder:
        service = _make(settings, Path(folder))
        service.start()
        try:
            console.print("[bold]the staff page[/], on this machine; each link pairs one browser, within 5 minutes:")
            for name in _NAMES:
                console.print(f"  {service.address}/pair#{service.pairing.offer(name)}  as {name}", soft_wrap=True)
            console.print(f"(the second for another browser or a private window: what {_NAMES[0]} claims, it sees)")
            _wait_open(service, console)
            yield service
        finally:
            service.close()


class Lingering:
    """After the clip its customers stay in the store, until Ctrl-C, so that they can still be claimed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._over = Event()
        self._told = False

    def __call__(self) -> float | None:
        """Return the time, Unix seconds, after a moment; None once Ctrl-C was pressed."""
        if not self._told:
            self._told = True
            # A claim may be on its way to broker and ledger at that moment: it arrives first.
            signal.signal(signal.SIGINT, lambda *_: self._over.set())
            self._console.print("the clip is over, its customers are still there: claim them; Ctrl-C ends the demo")
        if not self._over.wait(_POLL_S):
            return time.time()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return None


def _make(settings: Settings, folder: Path) -> WebService:
    config = WebConfig(state_dir=folder)
    try:
        return WebService(settings.model_copy(update={"web": config}), Notifier({}))
    except ConfigError:  # a service of this machine has the usual port
        config = config.model_copy(update={"port": 0})
        return WebService(settings.model_copy(update={"web": config}), Notifier({}))


def _wait_open(service: WebService, console: Console) -> None:
    """Return once a page is open, Enter was pressed, or nobody came."""
    console.print(f"waiting until it is open; Enter starts the clip at once, as {_WAIT_S:.0f} s do")
    deadline_s = time.monotonic() + _WAIT_S
    while service.hub.count == 0 and time.monotonic() < deadline_s:
        if select.select([sys.stdin], [], [], _POLL_S)[0]:
            sys.stdin.readline()
            return
