"""The installer's page as somebody uses it: a running daemon, a real browser, and a configuration with comments."""

import signal
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from chromium import browsing, needs_browser
from daemon_process import Daemon, daemon
from mqtt_client import wait_until
from toyshop import Image, clip, crossing

from vestibule import drawing

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = [needs_browser, pytest.mark.slow]

PASSWORD = "correct horse battery"  # noqa: S105 - of a test's own page
SERVED = "installer's page served"
CONFIGURATION = """\
# The shop in the high street.
config_version = 1

[installer]
enabled = true
port = 0
password_file = "{folder}/password"   # kept in the safe

[snapshots]
mode = "blurred"
folder = "{folder}/snapshots"

[[cameras]]
id = "door"     # the one with the scratch
source = "{clip}"

# The one upstairs.
[[cameras]]
id = "attic"
source = "{clip}"
[[cameras.zones]]
# Ana sits here.
name = "counter"
kind = "staff"
polygon = [[0.7, 0.1], [0.9, 0.1], [0.9, 0.3]]

# --- The end ---
[mqtt]
port = 1  # nobody listens
"""


class Site:
    """A daemon with its page open in a browser, logged in."""

    def __init__(self, running: Daemon, page: "Page", config: Path, url: str) -> None:
        self.running, self.page, self.config, self.url = running, page, config, url

    @property
    def cameras(self) -> dict[str, Any]:
        """The cameras as the file says, by id."""
        return {one["id"]: one for one in tomllib.loads(self.config.read_text(encoding="utf-8"))["cameras"]}

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a fraction of the picture is on the screen."""
        box = self.page.locator("#overlay").bounding_box()
        assert box is not None
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def draw(self, tool: str, *corners: tuple[float, float]) -> None:
        self.page.get_by_role("button", name=tool, exact=True).click()
        for corner in corners:
            self.page.mouse.click(*self.at(*corner))

    def saved(self) -> None:
        self.page.get_by_role("button", name="Save", exact=True).click()
        self.page.locator("#said", has_text="taken over by the daemon").wait_for()

    def shown(self) -> Image:
        """The door's picture now, as the browser gets it."""
        coded = self.page.evaluate(
            "async () => Array.from(new Uint8Array(await (await fetch('/api/cameras/door/picture')).arrayBuffer()))"
        )
        if not coded:
            return np.full((480, 800, 3), 255, np.uint8)
        return np.asarray(cv2.imdecode(np.array(coded, np.uint8), cv2.IMREAD_COLOR), np.uint8)

    def wait_shown(self, good: Callable[[Image], bool], what: str) -> None:
        wait_until(lambda: good(self.shown()), what)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("clip") / "walk.mp4", 60, crossing("Dress", 0, seconds=60))


@pytest.fixture
def config(tmp_path: Path, video: Path) -> Path:
    (tmp_path / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    path = tmp_path / "vestibule.toml"
    path.write_text(CONFIGURATION.format(folder=tmp_path, clip=video), encoding="utf-8")
    return path


@pytest.fixture
def context() -> Iterator["BrowserContext"]:
    with browsing(1400, 900, touch=True) as one:
        yield one


@pytest.fixture
def site(config: Path, context: "BrowserContext") -> Iterator[Site]:
    asked: list[str] = []
    said: list[str] = []
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    with ExitStack() as stack:
        running = stack.enter_context(daemon(config))
        wait_until(lambda: bool(running.events(SERVED)), f"the page; so far {running.printed}")
        url = f"http://{running.events(SERVED)[0]['address']}"
        page.goto(url)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.locator("#picture[src]").wait_for()
        yield Site(running, page, config, url)
        running.signal(signal.SIGTERM)
        assert running.ended() == 0, running.printed
        assert PASSWORD not in running.printed
    assert [line for line in said if not line.startswith("Failed to load resource")] == []  # refused, as it should
    assert {address.split("/")[2] for address in asked if not address.startswith("blob:")} == {url.split("/")[2]}


def told(image: Image) -> bool:
    """Whether somebody is framed as a customer whom staff were told of."""
    return bool((np.abs(image.astype(int) - drawing.ORANGE).max(axis=2) < 30).sum() > 500)


def test_a_mask_and_a_line_are_drawn_saved_and_taken_over(site: Site) -> None:
    site.wait_shown(told, "the box of somebody with a dress")
    snapshot = site.page.get_by_role("img", name="Customer of alert door-")
    snapshot.first.scroll_into_view_if_needed()
    assert snapshot.first.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }") > 30
    site.page.evaluate("scrollTo(0, 0)")
    before = site.config.read_text(encoding="utf-8")
    assert site.shown()[:, :, :].min(axis=2)[20:200, 20:60].max() > 60  # there is light in the corner
    site.draw("Privacy mask", (0.0, 0.0), (0.2, 0.0), (0.2, 0.5), (0.0, 0.5), (0.0, 0.0))
    site.draw("Entrance line", (0.3, 0.7), (0.8, 0.7), (0.5, 0.9))
    site.saved()
    door, attic = site.cameras["door"], site.cameras["attic"]
    assert np.array(door["masks"][0]["polygon"]) == pytest.approx(
        np.array([[0, 0], [0.2, 0], [0.2, 0.5], [0, 0.5]]), abs=0.004
    )
    assert np.array(door["entrance"]["line"]) == pytest.approx(np.array([[0.3, 0.7], [0.8, 0.7]]), abs=0.004)
    assert attic["zones"][0]["name"] == "counter"
    after = site.config.read_text(encoding="utf-8")
    lines = iter(after.splitlines())
    assert all(line in lines for line in before.splitlines())  # all of it, comments too, and in its order
    assert site.config.with_name("vestibule.toml.bak").read_text(encoding="utf-8") == before
    (event,) = site.running.events("configuration read again")
    assert event["anew"] == ["door"]
    site.wait_shown(lambda image: bool(image[:230, :150].max() < 12), "black under the mask")
    assert site.shown()[300:, 300:].max() > 60


def test_another_camera_and_its_zone_renamed_moved_and_deleted(site: Site) -> None:
    site.page.get_by_role("button", name="attic · online").click()
    name = site.page.get_by_label("Name of the zone")
    name.fill("till")
    site.page.get_by_label("Kind of the zone").select_option("ignore")
    site.saved()
    zone = site.cameras["attic"]["zones"][0]
    assert (zone["name"], zone["kind"]) == ("till", "ignore")
    assert "# Ana sits here." in site.config.read_text(encoding="utf-8")
    x, y = site.at(0.9, 0.1)
    site.page.mouse.move(x, y)
    site.page.mouse.down()
    site.page.mouse.move(*site.at(0.95, 0.05), steps=5)
    site.page.mouse.up()
    site.saved()
    assert site.cameras["attic"]["zones"][0]["polygon"][1] == pytest.approx([0.95, 0.05], abs=0.004)
    site.page.get_by_role("button", name="Delete Ignore till").click()
    site.saved()
    assert "zones" not in site.cameras["attic"]
    assert "# --- The end ---\n[mqtt]" in site.config.read_text(encoding="utf-8")


def test_with_a_finger(site: Site) -> None:
    site.page.get_by_role("button", name="Entrance line", exact=True).tap()
    for corner in ((0.2, 0.6), (0.7, 0.65), (0.5, 0.9)):
        site.page.touchscreen.tap(*site.at(*corner))
    site.saved()
    entrance = site.cameras["door"]["entrance"]
    assert [*entrance["line"], entrance["inside"]] == [
        pytest.approx(corner, abs=0.004) for corner in ([0.2, 0.6], [0.7, 0.65], [0.5, 0.9])
    ]


def test_with_the_keyboard_alone(site: Site) -> None:
    site.page.get_by_role("button", name="Privacy mask", exact=True).focus()
    site.page.keyboard.press("Enter")
    corner = site.page.get_by_role("button", name="Privacy mask, corner 1")
    corner.focus()
    for _ in range(4):
        site.page.keyboard.press("ArrowLeft")
    site.page.keyboard.press("Shift+ArrowUp")
    where = site.page.get_by_label("Corners of Privacy mask")
    assert where.input_value() == "0.38 0.35, 0.6 0.4, 0.6 0.6, 0.4 0.6"
    where.fill("0.1 0.1, 0.5 0.1, 0.5")
    assert where.get_attribute("aria-invalid") == "true"
    where.fill("0.1 0.1, 0.5 0.1, 0.5 0.5")
    assert where.get_attribute("aria-invalid") == "false"
    site.page.get_by_role("button", name="Save", exact=True).focus()
    site.page.keyboard.press("Enter")
    site.page.locator("#said", has_text="taken over by the daemon").wait_for()
    assert site.cameras["door"]["masks"] == [{"polygon": [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5]]}]


def test_what_cannot_be_is_said_and_after_logging_out_nothing_is_shown(site: Site) -> None:
    before = site.config.read_text(encoding="utf-8")
    site.draw("Privacy mask", (0.1, 0.1), (0.5, 0.5), (0.5, 0.1), (0.1, 0.5))
    site.page.keyboard.press("Enter")
    site.page.get_by_role("button", name="Save", exact=True).click()
    site.page.locator("#said.bad", has_text="the mask's edges cross").wait_for()
    assert site.config.read_text(encoding="utf-8") == before
    site.page.get_by_role("button", name="Undo changes").click()
    site.page.locator("#none").wait_for()
    site.config.write_text(before + "# by hand\n", encoding="utf-8")
    site.draw("Area", (0.1, 0.1), (0.5, 0.5), (0.5, 0.1), (0.1, 0.1))
    site.page.get_by_role("button", name="Save", exact=True).click()
    site.page.locator("#said.bad", has_text="was changed meanwhile").wait_for()
    assert site.config.read_text(encoding="utf-8") == before + "# by hand\n"
    site.page.get_by_role("button", name="Undo changes").click()
    site.page.get_by_role("button", name="Log out").click()
    site.page.locator("#login").wait_for()
    assert site.page.evaluate("async () => (await fetch('/api/cameras/door/picture')).status") == 401
    site.page.get_by_label("Password").fill("wrong")
    site.page.get_by_role("button", name="Log in").click()
    site.page.locator("#refused", has_text="wrong password").wait_for()
