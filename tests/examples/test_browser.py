"""The browser example in a real browser, against the broker of deploy/mosquitto, over WebSockets and TLS."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from chromium import CHROMIUM, needs_browser
from deciding import deciding, event_of
from deployed_broker import PASSWORDS, Deployed, deployed
from mqtt_client import needs_mosquitto

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [needs_mosquitto, needs_browser]
PAGE = Path(__file__).parents[2] / "examples" / "browser"
TIMEOUT_MS = 20_000


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:  # nobody reads it
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with deployed(tmp_path_factory.mktemp("broker")) as running:
        yield running


@contextmanager
def pages(count: int) -> Iterator[list["Page"]]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - optional

    with sync_playwright() as play, served(PAGE) as address:
        # Chromium's own sandbox does not start for root; the broker's authority is made for this test.
        arguments = ["--no-sandbox", "--ignore-certificate-errors"]
        browser = play.chromium.launch(executable_path=CHROMIUM, args=arguments)
        opened = [browser.new_context().new_page() for _ in range(count)]
        for page in opened:
            page.set_default_timeout(TIMEOUT_MS)
            page.goto(address)
        yield opened
        browser.close()


def connect(page: "Page", broker: Deployed, by: str, password: str = PASSWORDS["staff"]) -> None:
    page.fill("[name=url]", f"wss://127.0.0.1:{broker.websockets_port}")
    page.fill("[name=password]", password)
    page.fill("[name=by]", by)
    page.click("text=Connect")


def test_two_pages_show_an_alert_and_who_goes(broker: Deployed, tmp_path: Path) -> None:
    with deciding(broker, tmp_path) as daemon, pages(2) as (ana, ben):
        for page, by in ((ana, "Ana <b>María</b>"), (ben, "Ben")):
            connect(page, broker, by)
            page.wait_for_selector("text='connected'")
        daemon.raise_alert(1)
        daemon.raise_alert(1)  # as after a broken connection
        daemon.sink.publish(replace(event_of(2), payload=b'{"summary": '))
        daemon.raise_alert(3)
        for page in (ana, ben):
            page.wait_for_selector("li:nth-child(2)")
            assert page.locator("li").count() == 2
        ana.screenshot(path=str(tmp_path / "page.png"))
        ana.click("li:last-child button")
        assert daemon.wait_claims(1) == ["accepted"]
        for page in (ana, ben):
            page.wait_for_selector("li:last-child:has-text('Ana <b>María</b> goes')")
            assert page.locator("li b").count() == 0
            assert page.locator("li button").count() == 1
        daemon.end_visit(1)
        ben.wait_for_selector("li:last-child:has-text('has gone')")


def test_a_wrong_password_is_said(broker: Deployed) -> None:
    with pages(1) as (page,):
        connect(page, broker, "Ana", password="a guess")  # noqa: S106 - it is wrong
        page.wait_for_selector("text=/refused, reason 13[45]/")


def test_the_page_is_as_short_as_it_says() -> None:
    assert len((PAGE / "index.html").read_text(encoding="utf-8").splitlines()) <= 20
    assert len((PAGE / "mqtt.js").read_text(encoding="utf-8").splitlines()) <= 60
