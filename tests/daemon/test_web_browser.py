"""The staff page as people use it: in a real browser, with a real broker, claims decided by the daemon's own code."""

import importlib.util
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mqtt_client import needs_mosquitto, wait_until
from staff_page import Box, alert_of, box, serving, settings_of

from vestibule import config, demo
from vestibule.broker import Mosquitto
from vestibule.claims import ClaimInbox
from vestibule.replay import ReplayOptions, replay, replay_publisher
from vestibule.web.devices import Devices
from vestibule.web.service import WebService

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    needs_mosquitto,
    pytest.mark.skipif(
        CHROMIUM is None or importlib.util.find_spec("playwright") is None,
        reason="needs chromium (apt-get install chromium) and the Python package playwright",
    ),
]
TIMEOUT_MS = 20_000
PHONE = {"width": 390, "height": 844}
WITHIN_A_SECOND_MS = 1000

# Every text with the colours that it is seen in; WCAG 2.1's contrast, level AA.
CONTRASTS = """() => {
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = colour
    canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
  }
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor)
      if (colour[3] === 255) return colour
    }
    return [255, 255, 255, 255]
  }
  const faint = []
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())
    if (!own || !element.checkVisibility() || element.closest('.unseen, noscript, svg')) continue
    const style = getComputedStyle(element)
    const [a, b] = [luminance(rgba(style.color)), luminance(ground(element))]
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700)
    if (ratio < (large ? 3 : 4.5)) faint.push(`${element.tagName} ${element.textContent}: ${ratio.toFixed(2)}`)
  }
  return faint
}"""


@dataclass(kw_only=True)
class Phone:
    """A browser with a page, and everything that it asked for and complained of."""

    context: "BrowserContext"
    page: "Page"
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


class Shop:
    """A broker, a daemon, the staff page and phones."""

    def __init__(self, browser: "Browser", broker: Mosquitto, store: Box, service: WebService) -> None:
        self.browser, self.broker, self.store, self.service = browser, broker, store, service
        self.phones: list[Phone] = []

    def new_phone(self, **options: Any) -> Phone:  # noqa: ANN401 - as playwright
        context = self.browser.new_context(**{"viewport": PHONE, "locale": "en-US", **options})
        context.set_default_timeout(TIMEOUT_MS)
        phone = Phone(context=context, page=context.new_page())
        phone.page.on("request", lambda request: phone.asked.append(request.url))
        phone.page.on("console", lambda message: phone.said.append(message.text))
        phone.page.on("pageerror", lambda error: phone.said.append(str(error)))
        self.phones.append(phone)
        return phone

    def pair(self, name: str, **options: Any) -> "Page":  # noqa: ANN401 - as playwright
        page = self.new_phone(**options).page
        page.goto(f"{self.service.address}/pair#{self.service.pairing.offer(name)}")
        wait_state(page, "live")
        return page


def wait_state(page: "Page", state: str) -> None:
    page.locator(f"#status[data-state={state}]").wait_for()


def card(page: "Page", text: str) -> Any:  # noqa: ANN401 - a locator
    return page.get_by_role("listitem").filter(has_text=text)


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - optional

    with sync_playwright() as play:
        # Chromium's own sandbox does not start for root.
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def shop(browser: "Browser", tmp_path: Path) -> Iterator[Shop]:
    place = tmp_path / "broker"
    place.mkdir()
    keep = f"persistence true\npersistence_location {place}/\nautosave_interval 1\nautosave_on_changes true"
    with (
        Mosquitto(extra=keep) as broker,
        box(broker.port) as store,
        serving(settings_of(broker.port, tmp_path / "web")) as service,
    ):
        shop = Shop(browser, broker, store, service)
        yield shop
        for phone in shop.phones:
            phone.context.close()
        # Nothing but this server was asked, and no page broke its policy or anything else.
        assert [url for phone in shop.phones for url in phone.asked if not url.startswith(service.address)] == []
        offline = ("net::ERR_INTERNET_DISCONNECTED", "net::ERR_INCOMPLETE_CHUNKED_ENCODING", "net::ERR_FAILED")
        complaints = [text for phone in shop.phones for text in phone.said if not any(map(text.__contains__, offline))]
        assert complaints == shop_complaints(shop)


def shop_complaints(_shop: Shop) -> list[str]:
    return []


def test_the_alert_of_a_replayed_clip_appears_on_two_phones_and_of_two_who_claim_one_wins(shop: Shop) -> None:
    ana, luis = shop.pair("Ana"), shop.pair("Luis", color_scheme="dark", locale="es-MX")
    settings = config.load(demo.HERE / "demo.toml")
    local = settings.mqtt.model_copy(update={"port": shop.broker.port})
    settings = settings.model_copy(update={"mqtt": local})
    claims = ClaimInbox()
    mqtt = replay_publisher(settings, claims)
    steps = iter(range(10_000))

    def linger() -> float | None:
        """People press while the clip's customers are still there."""
        if next(steps) == 0:
            for page, dress in ((ana, "Dress"), (luis, "Vestido")):
                card(page, dress).first.wait_for()
            ana.get_by_role("button", name="Claim: Dress").first.evaluate("button => button.click()")
            luis.get_by_role("button", name="Yo atiendo: Vestido").first.evaluate("button => button.click()")
        if next(steps) > 400:
            pytest.fail("nobody's claim was decided")
        ana.wait_for_timeout(50)
        done = [card(page, dress).first.locator(".outcome").inner_text() for page, dress in ((ana, "Dress"), (luis, "Vestido"))]
        return None if all(done) else START_S + 60

    try:
        options = ReplayOptions(files=(demo.HERE / "demo.mp4",), start_s=START_S)
        summary = replay(settings, options, sinks=(mqtt,), claims=claims, linger=linger)
    finally:
        mqtt.close(10.0)
    assert len(summary.alerts) == ana.locator(".card").count() == luis.locator(".card").count()
    told = [ana.locator(".mine, .taken").all_inner_texts(), luis.locator(".mine, .taken").all_inner_texts()]
    assert len(told[0]) == len(told[1]) == 1
    won = ("You are on your way" in told[0][0], "Vas en camino" in told[1][0])
    assert sorted(won) == [False, True]
    lost = told[1][0] if won[0] else told[0][0]
    assert ("Ana se adelantó y va en camino" if won[0] else "Luis was faster and is on the way") in lost


START_S = 0.0
