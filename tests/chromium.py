"""The distribution's Chromium, driven by Playwright."""

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None or importlib.util.find_spec("playwright") is None,
    reason="needs chromium (apt-get install chromium) and the Python package playwright",
)
TIMEOUT_MS = 20_000


@contextmanager
def browsing(width: int = 1280, height: int = 800, *, touch: bool = False) -> Iterator["BrowserContext"]:
    """A browser without history, with a window of that size, in pixels, and a screen that can be touched."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - optional

    with sync_playwright() as play:
        # Chromium's own sandbox does not start for root.
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": width, "height": height}, has_touch=touch)
        context.set_default_timeout(TIMEOUT_MS)
        yield context
        browser.close()
