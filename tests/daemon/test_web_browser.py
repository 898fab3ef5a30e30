"""The staff page as people use it: in a real browser, with a real broker, claims decided by the daemon's own code."""

import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromium import CHROMIUM, needs_browser
from mqtt_client import needs_mosquitto, wait_saved, wait_until
from staff_page import Box, alert_of, box, message_of, serving, settings_of

from vestibule import config, demo
from vestibule.broker import Mosquitto
from vestibule.claims import ClaimInbox
from vestibule.replay import ReplayOptions, replay, replay_publisher
from vestibule.web import pages
from vestibule.web.devices import Devices
from vestibule.web.service import WebService

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = [needs_mosquitto, needs_browser]
TIMEOUT_MS = 20_000
PHONE = {"width": 390, "height": 844}

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

    def __init__(self, browser: "Browser", broker: Mosquitto, store: Box, service: WebService, place: Path) -> None:
        self.browser, self.broker, self.store, self.service = browser, broker, store, service
        self.place = place
        self.phones: list[Phone] = []
        self.expected = ["net::ERR_INTERNET_DISCONNECTED"]
        """Parts of what a browser may complain of."""

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


def api_calls(phone: Phone) -> list[str]:
    return [url for url in phone.asked if "/api/" in url]


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
        shop = Shop(browser, broker, store, service, place)
        yield shop
        for phone in shop.phones:
            phone.context.close()
        # Nothing but this server was asked, and no page broke its policy or anything else.
        assert [url for phone in shop.phones for url in phone.asked if not url.startswith(service.address)] == []
        said = [text for phone in shop.phones for text in phone.said]
        assert [text for text in said if not any(part in text for part in shop.expected)] == []


@pytest.mark.slow
def test_of_two_who_claim_a_customer_of_a_replayed_clip_one_wins_and_both_see_who(shop: Shop) -> None:
    ana, luis = shop.pair("Ana"), shop.pair("Luis", color_scheme="dark", locale="es-MX")
    settings = config.load(demo.HERE / "demo.toml")
    settings = settings.model_copy(update={"mqtt": settings.mqtt.model_copy(update={"port": shop.broker.port})})
    claims = ClaimInbox()
    mqtt = replay_publisher(settings, claims)
    start_s = time.time()
    linger = _both_press(ana, luis)
    try:
        options = ReplayOptions(files=(demo.HERE / "demo.mp4",), start_s=start_s)
        summary = replay(settings, options, sinks=(mqtt,), claims=claims, linger=lambda: next(linger))
        assert mqtt.drain(20.0) == 0
    finally:
        mqtt.close()
    assert len(summary.alerts) == ana.locator(".card").count() == luis.locator(".card").count() > 1
    sees = [page.locator(".mine, .taken").all_inner_texts() for page in (ana, luis)]
    assert [len(texts) for texts in sees] == [1, 1]
    won = ["You are on your way" in sees[0][0], "Vas en camino" in sees[1][0]]
    assert sorted(won) == [False, True]
    assert ("Ana se adelantó" in sees[1][0]) if won[0] else ("Luis was faster and is on the way" in sees[0][0])


def _both_press(ana: "Page", luis: "Page") -> Iterator[float | None]:
    """Both claim the clip's dress; yields the time, and None once both see who goes."""
    for page, dress in ((ana, "Dress"), (luis, "Vestido")):
        card(page, dress).wait_for()
    for page, dress in ((ana, "Dress"), (luis, "Vestido")):
        card(page, dress).get_by_role("button").click()
    for _ in range(400):
        yield time.time()
        ana.wait_for_timeout(20)
        if all(page.locator(".mine, .taken").count() for page in (ana, luis)):
            yield None
    pytest.fail("nobody's claim was decided")


def test_who_claimed_arrives_over_the_open_stream(shop: Shop) -> None:
    ana, luis = shop.pair("Ana"), shop.pair("Luis")
    shop.store.raise_alert(alert_of(1, age_s=24))
    card(luis, "Dress and Blazer").wait_for()
    assert re.fullmatch(r"2\d s ago", card(luis, "Dress").locator("time").inner_text())
    assert "entrance · hall" in card(luis, "Dress").inner_text()
    assert card(luis, "Dress").locator(".sure").inner_text() == "Very sure"
    asked = api_calls(shop.phones[1])
    card(ana, "Dress").get_by_role("button").click()
    card(luis, "Ana is on the way").wait_for()
    card(ana, "You are on your way").wait_for()
    assert api_calls(shop.phones[1]) == asked
    assert card(luis, "Dress").get_by_role("button").count() == 0
    ana.reload()
    card(ana, "You are on your way").wait_for()  # it knows its own claims again


def test_the_broker_is_lost_and_found_and_claims_meanwhile_fail_and_are_tried_again(shop: Shop) -> None:
    shop.expected.append("503 (Service Unavailable)")
    page = shop.pair("Ana")
    shop.store.raise_alert(alert_of(1))
    card(page, "Dress").wait_for()
    wait_saved(shop.place, "vestibule/+/alerts")
    shop.broker.stop()
    wait_state(page, "broker")
    assert "Nothing new arrives now" in page.locator("#notes").inner_text()
    card(page, "Dress").get_by_role("button").click()
    card(page, "Not claimed: the server has lost the message broker.").wait_for()
    shop.broker.restart()
    wait_state(page, "live")
    wait_until(shop.store.client.is_connected, "the box's return")
    assert page.locator("#notes").inner_text() == ""
    shop.store.raise_alert(alert_of(2, garments=["Skirt"]))
    card(page, "Skirt").wait_for()
    card(page, "Dress").get_by_role("button").click()
    card(page, "You are on your way").wait_for()


def test_a_claim_that_the_daemon_does_not_answer_is_said(shop: Shop) -> None:
    page = shop.pair("Ana")
    message = message_of(alert_of(1))  # of a visit that has ended
    shop.store.client.publish(message.topic, message.payload, qos=1)
    card(page, "Dress").get_by_role("button").click()
    assert card(page, "Dress").get_by_role("button").get_attribute("aria-disabled") == "true"
    card(page, "No answer yet. The customer may have left.").wait_for()
    assert card(page, "Dress").get_by_role("button", name="Claim: Dress").inner_text() == "Try again"


def test_a_phone_without_a_network_says_so_and_catches_up(shop: Shop) -> None:
    page, other = shop.pair("Ana"), shop.pair("Luis")
    context = shop.phones[0].context
    context.set_offline(True)
    wait_state(page, "offline")
    shop.store.raise_alert(alert_of(1))
    card(other, "Dress").get_by_role("button").click()
    card(other, "You are on your way").wait_for()
    context.set_offline(False)
    wait_state(page, "live")
    card(page, "Luis is on the way").wait_for()
    reopened = [url for url in shop.phones[0].asked if "/api/events?last=" in url]
    assert reopened  # from where it left off


def test_a_page_that_was_closed_has_what_it_missed(shop: Shop) -> None:
    page = shop.pair("Ana")
    page.close()
    shop.store.raise_alert(alert_of(1, age_s=70))
    shop.store.raise_alert(alert_of(2, age_s=500, garments=["Jeans"]))
    page = shop.phones[0].context.new_page()
    page.goto(shop.service.address)
    card(page, "Dress").wait_for()
    assert card(page, "Dress").locator("time").inner_text() == "1 min ago"
    assert "late" in str(card(page, "Jeans").get_attribute("class"))
    assert "late" not in str(card(page, "Dress").get_attribute("class"))
    assert page.locator("h3").all_inner_texts() == ["Dress and Blazer", "Jeans"]  # newest first
    assert page.title() == "(1) Vestibule"


def test_it_can_be_installed_opens_without_a_network_and_says_so(shop: Shop) -> None:
    page = shop.pair("Ana")
    page.evaluate("() => navigator.serviceWorker.ready")
    page.reload()
    wait_state(page, "live")
    shop.phones[0].context.set_offline(True)
    page.reload()
    wait_state(page, "offline")
    assert "Paired as Ana" in page.locator("footer").inner_text()
    shop.phones[0].context.set_offline(False)
    wait_state(page, "live")
    errors = shop.phones[0].context.new_cdp_session(page).send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert {error["errorId"] for error in errors} <= {"in-incognito"}  # as the tests' pages are


def test_a_daemon_that_is_off_is_named_and_stores_are_told_apart(shop: Shop) -> None:
    with box(shop.broker.port, "north") as north:
        page = shop.pair("Ana")
        north.raise_alert(alert_of(1))
        shop.store.raise_alert(alert_of(1, garments=["Skirt"]))  # the same id, another customer
        card(page, "north · entrance · hall").wait_for()
        card(page, "store · entrance · hall").wait_for()
        north.client.publish("vestibule/north/available", b"offline", qos=1, retain=True)
        page.locator("#notes").get_by_text("north: the cameras' computer is off").wait_for()
        card(page, "Skirt").get_by_role("button").click()
        card(page, "You are on your way").wait_for()
        assert "You are" not in card(page, "Dress").inner_text()


@pytest.mark.parametrize(("locale", "language"), [("es-MX", "es"), ("en-GB", "en"), ("de-DE", "en")])
def test_it_speaks_the_browser_s_language(shop: Shop, locale: str, language: str) -> None:
    page = shop.pair("Ana", locale=locale)
    shop.store.raise_alert(alert_of(1, age_s=24, garments=["Dress", "Light top"]))
    page.locator(".card").wait_for()
    assert page.locator("html").get_attribute("lang") == language
    shown = page.locator("main").inner_text()
    expected = {
        "es": ["Vestido y blusa o playera", "Hace 2", "Muy seguro", "Yo atiendo", "Cámara"],
        "en": ["Dress and Light top", " s ago", "Very sure", "Claim", "Camera"],
    }
    assert [text for text in expected[language] if text not in shown] == []


def test_everything_can_be_done_with_the_keyboard(shop: Shop) -> None:
    shop.expected.append("403 (Forbidden)")
    page = shop.new_phone().page
    page.goto(shop.service.address)
    page.locator("#code:focus").wait_for()
    page.keyboard.type("0000 0000")
    page.keyboard.press("Tab")
    page.keyboard.type("Ana")
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("This code is wrong").wait_for()
    assert page.locator("#code:focus").get_attribute("aria-invalid") == "true"
    page.keyboard.press("Control+a")
    page.keyboard.type(shop.service.pairing.offer())
    page.keyboard.press("Enter")
    wait_state(page, "live")
    shop.store.raise_alert(alert_of(1))
    card(page, "Dress").wait_for()
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.ariaLabel") == "Claim: Dress and Blazer, entrance · hall":
            break
    page.keyboard.press("Enter")
    card(page, "You are on your way").wait_for()
    assert page.evaluate("() => document.activeElement.className").startswith("card")  # the place is not lost


def test_a_new_alert_is_said_to_a_screen_reader_and_ages_are_not(shop: Shop) -> None:
    page = shop.pair("Ana")
    shop.store.raise_alert(alert_of(1))
    page.get_by_text("New alert: Dress and Blazer. entrance · hall.").wait_for(state="attached")
    assert page.locator("#announce").get_attribute("aria-live") == "assertive"
    assert page.evaluate("() => document.querySelector('#cards').closest('[aria-live], [role=status]')") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "es-MX"])
def test_it_can_be_read_and_touched(shop: Shop, scheme: str, locale: str) -> None:
    page = shop.new_phone(color_scheme=scheme, locale=locale, reduced_motion="reduce").page
    page.goto(shop.service.address)
    page.locator("#pairing").wait_for()
    assert page.evaluate(CONTRASTS) == []
    page.goto(f"{shop.service.address}/pair#{shop.service.pairing.offer('Ana')}")
    wait_state(page, "live")
    for number, garments in enumerate((["Dress"], ["Jeans"], ["Outerwear"]), 1):
        shop.store.raise_alert(alert_of(number, garments=garments, age_s=3 + 200 * (number == 2)))
    other = shop.pair("Luis")
    card(other, "Outerwear").get_by_role("button").click()
    card(page, "Luis").wait_for()
    assert page.evaluate(CONTRASTS) == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    small = page.evaluate(
        "() => [...document.querySelectorAll('button, select, input:not([type=checkbox]), footer label')]"
        ".filter(e => e.checkVisibility()).map(e => [e.id || e.className, e.getBoundingClientRect()])"
        ".filter(([, box]) => box.height < 44 || box.width < 44).map(([name]) => name)"
    )
    assert small == []
    unnamed = page.evaluate(
        "() => [...document.querySelectorAll('button, select, input')].filter(e => e.checkVisibility())"
        ".filter(e => !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).map(e => e.id)"
    )
    assert unnamed == []
    assert page.evaluate("() => document.getAnimations().length") == 0
    page.set_viewport_size({"width": 320, "height": 600})  # WCAG 1.4.10
    for state in ("live", "reconnecting", "offline", "broker"):
        word = pages.words(locale[:2])[state]
        page.evaluate("word => { document.getElementById('status').textContent = word }", word)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 320, word


def test_filters_are_remembered_and_what_they_hide_does_not_ring(shop: Shop) -> None:
    page = shop.pair("Ana")
    shop.store.raise_alert(alert_of(1, camera="entrance"))
    shop.store.raise_alert(alert_of(2, camera="fitting-rooms", garments=["Skirt"]))
    card(page, "Skirt").wait_for()
    page.get_by_label("Camera").select_option("entrance")
    card(page, "Skirt").wait_for(state="detached")
    page.reload()
    card(page, "Dress").wait_for()
    assert page.get_by_label("Camera").input_value() == "store/entrance"
    assert card(page, "Skirt").count() == 0
    shop.store.raise_alert(alert_of(3, camera="fitting-rooms", garments=["Jeans"]))
    shop.store.raise_alert(alert_of(4, camera="entrance", garments=["Shorts"]))
    page.get_by_text("New alert: Shorts").wait_for(state="attached")
    assert card(page, "Jeans").count() == 0
    page.get_by_label("Garment").select_option("Jeans")
    page.get_by_text("No alert matches your filter.").wait_for()
    page.get_by_role("button", name="Show all").click()
    assert page.locator(".card").count() == 4


RINGS = """
window.rings = []
navigator.vibrate = pattern => window.rings.push('buzz')
const start = OscillatorNode.prototype.start
OscillatorNode.prototype.start = function (...when) { window.rings.push('tone'); return start.apply(this, when) }
"""


def test_it_rings_once_for_what_is_news_and_not_while_muted(shop: Shop) -> None:
    phone = shop.new_phone()
    phone.context.add_init_script(RINGS)
    page = phone.page
    page.goto(f"{shop.service.address}/pair#{shop.service.pairing.offer('Ana')}")
    wait_state(page, "live")
    page.get_by_role("button", name="Tap to turn the sound on").click()
    page.locator("#wake-sound").wait_for(state="hidden")

    def heard(number: int, **how: Any) -> list[str]:  # noqa: ANN401 - as alert_of
        shop.store.raise_alert(alert_of(number, **how))
        page.locator(".card").nth(number - 1).wait_for()
        rings: list[str] = page.evaluate("() => window.rings.splice(0)")
        return rings

    assert heard(1) == ["buzz", "tone", "tone"]
    assert heard(2, age_s=500) == []  # late news
    page.get_by_role("button", name="Sound", exact=True).click()
    assert heard(3) == []
    page.get_by_role("button", name="Sound", exact=True).click()
    phone.context.set_offline(True)
    wait_state(page, "offline")
    for number in (4, 5, 6):
        shop.store.raise_alert(alert_of(number))
    wait_until(lambda: shop.service._board.knows("store", "visit-6-suit"), "the alerts")
    phone.context.set_offline(False)
    page.locator(".card").nth(5).wait_for()
    page.wait_for_function("() => window.rings.length > 0")
    assert page.evaluate("() => window.rings") == ["buzz", "tone", "tone"]  # three were missed: once


def test_a_revoked_phone_shows_nothing_any_more(shop: Shop) -> None:
    shop.expected.append("401 (Unauthorized)")
    page, other = shop.pair("Ana"), shop.pair("Luis")
    shop.store.raise_alert(alert_of(1))
    card(page, "Dress").wait_for()
    with closing(Devices(shop.place.parent / "web" / "devices.sqlite3")) as devices:  # as the command line does
        devices.revoke(devices.all()[0].device_id)
    page.get_by_role("alert").get_by_text("This phone is not paired any more.").wait_for()
    assert page.locator(".card").count() == 0
    assert card(other, "Dress").count() == 1


def test_a_code_does_not_stay_in_the_address_and_is_good_once(shop: Shop) -> None:
    shop.expected.append("403 (Forbidden)")
    link = f"{shop.service.address}/pair#{shop.service.pairing.offer('Ana')}"
    first, second = shop.new_phone().page, shop.new_phone().page
    first.goto(link)
    wait_state(first, "live")
    assert first.url == f"{shop.service.address}/"
    second.goto(link)
    second.get_by_role("alert").get_by_text("This code is wrong, used or too old.").wait_for()
    assert all("#" not in url for phone in shop.phones for url in phone.asked)
