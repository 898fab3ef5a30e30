"""The report's page in a real browser: nothing from elsewhere, nothing cut off, on a phone, a desk and paper."""

from datetime import date
from io import StringIO
from pathlib import Path

import pytest
import synthetic_ledger
from chromium import browsing, needs_browser

from vestibule.report import ReportOptions, report

A4_WIDTH_PX = 703
"""Of what is printed: 210 mm less two margins of 12, at 96 dots an inch."""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    ledger = synthetic_ledger.write(folder / "ledger.sqlite3", days=14)
    out = folder / "report.html"
    report(None, ReportOptions(ledger=ledger, form="html", out=out), today=date(2026, 11, 8), stream=StringIO())
    return out


@needs_browser
@pytest.mark.parametrize(("width", "media"), [(390, "screen"), (1280, "screen"), (A4_WIDTH_PX, "print")])
def test_it_fits_and_asks_for_nothing(page_file: Path, width: int, media: str) -> None:
    asked, said = list[str](), list[str]()
    with browsing(width, 900) as context:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.emulate_media(media=media)  # type: ignore[arg-type]  # one of two words
        page.goto(page_file.as_uri())
        assert page.locator("svg").count() == 5
        assert page.locator("section").count() == 8
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        heading = page.locator("h1").evaluate("each => getComputedStyle(each).color")
        assert (heading == "rgb(255, 255, 255)") == (media == "screen")  # white on white is no print
    assert asked == [page_file.as_uri()]
    assert said == []
