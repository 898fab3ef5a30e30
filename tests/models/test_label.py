"""`vestibule-models label`: the command in a process of its own, its page in a real browser."""

import csv
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tiny_classifier
from chromium import browsing, needs_browser

from vestibule_models.__main__ import main
from vestibule_models.dataset import read_photos
from vestibule_models.label_server import KEYS
from vestibule_models.labels import LABELS

if TYPE_CHECKING:
    from playwright.sync_api import Page


@contextmanager
def labelling(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command; give its process and the page's address."""
    command = [sys.executable, "-m", "vestibule_models", "label", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                if found := re.search(r"http://127\.0\.0\.1:\d+/\S+/", line):
                    yield process, found[0]
                    break
            else:
                pytest.fail(f"no address was printed: {said}")
        finally:
            process.kill()


@pytest.fixture
def page() -> Iterator["Page"]:
    with browsing(1280, 800) as context:
        yield context.new_page()


def rows(out: Path) -> dict[str, dict[str, str]]:
    with (out / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def shown(page: "Page") -> list[str]:
    """The answers on the page, in the order of the labels."""
    return [str(one.get_attribute("value")) for one in page.locator("#rows input:checked").all()]


def wait_for(page: "Page", number: int) -> None:
    """Wait until picture `number`, counted from 1, is shown."""
    page.locator("#file", has_text=re.compile(rf"^{number}\. ")).wait_for()


@needs_browser
def test_a_person_corrects_the_answers_with_the_keyboard_alone(page: "Page", tmp_path: Path) -> None:
    tiny_classifier.draw_pictures(tmp_path / "crops", 3)
    (tmp_path / "crops" / "broken.jpg").write_bytes(b"no picture")
    asked: list[str] = []
    said: list[Any] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    out = tmp_path / "crops-labelled"
    with labelling(str(tmp_path / "crops"), "--source", "shop") as (_, url):
        page.goto(url)
        wait_for(page, 1)
        assert page.locator("#skipped").inner_text() == "1 not shown, they cannot be read: broken.jpg"
        before = shown(page)
        assert len(before) == len(LABELS)
        tee, dress, tank = (LABELS.index(name) for name in ("Tee", "Dress", "Tank"))
        page.keyboard.press(KEYS[LABELS[tee]])
        assert shown(page)[tee] == ("no" if before[tee] == "yes" else "yes")
        page.keyboard.press(f"Shift+{KEYS[LABELS[tank]].upper()}")
        page.keyboard.press(f"Shift+{KEYS[LABELS[dress]].upper()}")
        page.keyboard.press(KEYS[LABELS[dress]])
        wanted = shown(page)
        assert (wanted[tank], wanted[dress]) == ("unknown", "yes")
        page.keyboard.press("Enter")
        wait_for(page, 2)
        cell = {"yes": "1", "no": "0", "unknown": ""}
        assert [rows(out)["crop000.png"][label] for label in LABELS] == [cell[word] for word in wanted]
        page.keyboard.press("x")
        page.keyboard.press("s")
        page.keyboard.press("Enter")
        wait_for(page, 3)
        assert page.locator("#count").inner_text() == "2 of 3 answered"
        page.keyboard.press("Backspace")
        wait_for(page, 2)
        assert page.locator("#same").is_checked()
        assert set(shown(page)) == {"unknown"}
        page.keyboard.press("Enter")
        wait_for(page, 3)
        page.keyboard.press("Enter")
        page.locator("#end").wait_for()
        assert str(out / "manifest.csv") in page.locator("#end").inner_text()
    found = rows(out)
    assert found["crop000.png"]["group"] == found["crop001.png"]["group"] == "shop/crop000.png"
    assert [example.path.is_file() for example in read_photos(out)] == [True] * 3
    assert said == []
    assert asked
    assert all(address.startswith(url) for address in asked)


@needs_browser
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_after_a_kill_the_next_run_goes_on(page: "Page", tmp_path: Path, end: signal.Signals) -> None:
    tiny_classifier.draw_pictures(tmp_path / "photos", 3)
    with labelling(str(tmp_path)) as (process, url):
        page.goto(url)
        wait_for(page, 1)
        page.locator("input[name=garment-3][value=yes]").check(force=True)
        page.locator("#save").click()
        wait_for(page, 2)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        page.keyboard.press("Enter")
        page.locator("#error", has_text="start it again").wait_for()
    assert rows(tmp_path)["crop000.png"]["Dress"] == "1"
    with labelling(str(tmp_path)) as (process, url):
        page.goto(url)
        wait_for(page, 2)
        assert page.locator("#count").inner_text() == "1 of 3 answered"
        page.locator("#back").click()
        wait_for(page, 1)
        assert shown(page)[3] == "yes"
        process.send_signal(end)
        assert process.stdout is not None
        assert f"1 of 3 pictures answered, in {tmp_path / 'manifest.csv'}" in process.stdout.read()
        assert process.wait(10) == 0
    assert sorted(path.name for path in (tmp_path / "photos").iterdir()) == [
        "crop000.png",
        "crop001.png",
        "crop002.png",
    ]


@needs_browser
def test_the_page_can_be_used_without_shortcuts_and_names_its_controls(page: "Page", tmp_path: Path) -> None:
    tiny_classifier.draw_pictures(tmp_path / "photos", 1)
    with labelling(str(tmp_path)) as (_, url):
        page.goto(url)
        wait_for(page, 1)
        assert page.get_by_role("group", name="Blazer").get_by_role("radio").count() == 3
        page.keyboard.press("Tab")
        focused = page.evaluate("[document.activeElement.type, document.activeElement.name]")
        assert focused == ["radio", "garment-0"]
        before = shown(page)[0]
        page.keyboard.press("ArrowRight")
        assert shown(page)[0] != before
        page.get_by_role("button", name="Nothing can be told").click()
        page.get_by_role("button", name="Save, next").click()
        page.get_by_role("heading", name="All pictures are answered.").wait_for()
        page.get_by_role("button", name="Back to the last picture").click()
        wait_for(page, 1)
    assert [rows(tmp_path)["crop000.png"][label] for label in LABELS] == [""] * 15


# ---- what cannot be labelled


def fault(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["label", *arguments]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_folders_without_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such folder" in fault(capsys, str(tmp_path / "nowhere"))
    (tmp_path / ".hidden.jpg").touch()
    (tmp_path / "notes.txt").touch()
    assert "holds no picture; looked for .bmp .jpeg .jpg" in fault(capsys, str(tmp_path))
    (tmp_path / "a.jpg").touch()
    assert "none of the 1 pictures" in fault(capsys, str(tmp_path))


def test_a_place_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_classifier.draw_pictures(tmp_path / "crops", 1)
    (tmp_path / "file").touch()
    said = fault(capsys, str(tmp_path / "crops"), "--out", str(tmp_path / "file" / "out"))
    assert f"cannot write {tmp_path / 'file' / 'out'}" in said


def test_two_runs_at_once_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_classifier.draw_pictures(tmp_path / "photos", 1)
    with labelling(str(tmp_path)):
        assert "is being labelled by another run" in fault(capsys, str(tmp_path))


def test_a_model_that_is_no_classifier(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_classifier.draw_pictures(tmp_path / "photos", 1)
    assert "not a garment classifier" in fault(capsys, str(tmp_path), "--model", "person-mobilenet")
    assert "shipped are ['garments-" in fault(capsys, str(tmp_path), "--model", "nothing")
