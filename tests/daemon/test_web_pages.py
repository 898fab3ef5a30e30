import json
import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.web import pages
from vestibule_models.labels import LABELS, GarmentGroup


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("en-GB,es;q=0.9", "en"),
        ("fr-CH, fr;q=0.9, es;q=0.5, en;q=0.4", "es"),
        ("de", "en"),
        ("en;q=0, ES", "es"),
        ("es;q=nonsense, en;q=0.1", "en"),
        ("*", "en"),
        (",;q=,;;", "en"),
    ],
)
def test_the_language_is_the_browser_s(accepted: str, language: str) -> None:
    assert pages.language_of(accepted) == language


@given(accepted=st.text(alphabet="esn-;q=0.19,* \t*", max_size=60))
def test_any_header_gives_a_language(accepted: str) -> None:
    assert pages.language_of(accepted) in pages.LANGUAGES


def test_both_languages_say_the_same_things_with_the_same_blanks() -> None:
    english, spanish = pages.words("en"), pages.words("es")
    assert english.keys() == spanish.keys()
    for name in english.keys() - {"garments"}:
        blanks = [sorted(re.findall(r"\{\w+\}", words[name])) for words in (english, spanish)]
        assert blanks[0] == blanks[1], name


@pytest.mark.parametrize("language", pages.LANGUAGES)
def test_every_garment_and_group_has_a_name(language: str) -> None:
    named = pages.words(language)["garments"]
    assert named.keys() == {*LABELS, *GarmentGroup}
    assert all(named.values())


def test_every_word_that_the_page_uses_is_there_and_every_word_is_used() -> None:
    sources = "".join(file.body.decode() for name, file in pages.files().items() if name.endswith((".js", ".html")))
    asked = set(re.findall(r"""(?:say\(|data-word=)["'](\w+)["']""", sources))
    words = pages.words("en").keys()
    assert asked - words == set()
    made = {name for name in words if name.startswith(("note_", "failed_")) or name.endswith("_why")}  # from parts
    states = {"live", "connecting", "reconnecting", "offline", "broker", "likely", "certain", "garments"}
    unused = {name for name in words - made - states if f"'{name}'" not in sources and f'"{name}"' not in sources}
    assert unused == set()


def test_the_page_names_no_other_host_and_runs_nothing_inline() -> None:
    for name, file in pages.files().items():
        if name.endswith(".png"):
            continue
        text = file.body.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(https?:)?//[a-z0-9]+\.", text), name
    page = pages.files()["index.html"].body.decode()
    assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:", page)
    assert re.findall(r"<script[^>]*>[^<]", page) == []


def test_the_icons_are_of_the_sizes_that_the_manifest_names() -> None:
    manifest = json.loads(pages.files()["manifest.webmanifest"].body)
    for icon in manifest["icons"]:
        body = pages.files()[icon["src"].removeprefix("/")].body
        if icon["type"] == "image/png":
            width, height = struct.unpack(">II", body[16:24])
            assert f"{width}x{height}" == icon["sizes"]
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in manifest["icons"]}


def test_the_service_worker_keeps_every_file_that_the_page_loads() -> None:
    kept = set(re.findall(r"'(/[\w./-]*)'", pages.files()["sw.js"].body.decode().split("]")[0]))
    loaded = {f"/{name}" for name in pages.files() if name.endswith((".js", ".css")) and name != "sw.js"}
    assert loaded | {"/", "/icon.svg", "/api/words"} == kept
