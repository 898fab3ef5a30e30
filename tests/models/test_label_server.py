"""The page's server: what it gives, what it keeps, what it refuses."""

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
import tiny_classifier
from hypothesis import given
from hypothesis import strategies as st

from vestibule_models.label_book import Book, Origin
from vestibule_models.label_server import KEYS, PAGE, LabelServer, Model, parse, to_jpeg
from vestibule_models.labels import LABELS

YES = [True] * 15


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LabelServer]:
    pictures = tmp_path / "pictures"
    files = [path.name for path in tiny_classifier.draw_pictures(pictures, 3)]
    book = Book(pictures, files, tmp_path / "out", Origin(source="shop", licence="own"))
    model = Model(name="tiny@1", answers={0: tuple([True, None] + [False] * 13)}, probs={0: tuple([0.9] * 15)})
    with LabelServer(book, pictures, model, ["bad.jpg"]) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join(10)


def call(
    server: LabelServer, path: str, body: object = None, *, raw: bytes | None = None, whole: bool = False
) -> tuple[int, bytes, http.client.HTTPMessage]:
    place = urlsplit(server.url)
    link = http.client.HTTPConnection("127.0.0.1", place.port or 0, timeout=10)
    sent = raw if body is None else json.dumps(body).encode()
    link.request("GET" if sent is None else "POST", path if whole else place.path + path, sent)
    answer = link.getresponse()
    found = answer.status, answer.read(), answer.headers
    link.close()
    return found


def test_it_listens_on_the_loopback_only(server: LabelServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert server.url.startswith(f"http://127.0.0.1:{server.server_address[1]}/")


def test_the_page_and_its_parts_come_with_a_strict_policy(server: LabelServer) -> None:
    for name in ("", "page.js", "page.css", "icon.svg"):
        status, body, headers = call(server, name)
        assert (status, body) == (200, (PAGE / (name or "index.html")).read_bytes())
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'")
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    for path in PAGE.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text
        assert "//cdn" not in text


def test_the_state_and_an_item(server: LabelServer) -> None:
    state = json.loads(call(server, "state")[1])
    assert (state["total"], state["answered"], state["next"], state["skipped"]) == (3, 0, 0, ["bad.jpg"])
    assert [label["name"] for label in state["labels"]] == list(LABELS)
    item = json.loads(call(server, "items/0")[1])
    assert item["answers"] == [True, None] + [False] * 13
    assert (item["answered"], item["same_person"], item["probs"][0]) == (False, False, 0.9)


def test_an_answer_is_kept_and_leads_to_the_next(server: LabelServer) -> None:
    status, body, _ = call(server, "items/1", {"answers": YES, "same_person": True})
    state = json.loads(body)
    assert (status, state["answered"], state["next"]) == (200, 1, 2)
    item = json.loads(call(server, "items/1")[1])
    assert (item["answers"], item["answered"]) == (YES, True)
    assert "crop001.png,shop" in server.book.path.read_text(encoding="utf-8")


def test_a_picture_is_what_the_model_sees(server: LabelServer, tmp_path: Path) -> None:
    status, body, headers = call(server, "pictures/2")
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    shown = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    lies = cv2.imread(str(tmp_path / "pictures" / "crop002.png"))
    assert shown is not None
    assert lies is not None
    assert np.abs(shown.astype(int) - lies.astype(int)).mean() < 20
    (tmp_path / "pictures" / "crop002.png").unlink()
    assert call(server, "pictures/2")[0] == 404


def test_large_pictures_are_sent_small() -> None:
    coded = to_jpeg(np.zeros((4000, 1000, 3), np.uint8))
    shown = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (1600, 400, 3)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/state",
        "/wrong/state",
        "//state",
        "{}nothing",
        "{}items/3",
        "{}items/-1",
        "{}items/x",
        "{}items/99999999999999999999",
        "{}../label.py",
        "{}pictures/..%2F..%2Fsecret",
        "{}%69ndex.html",
    ],
)
def test_what_is_not_there_or_without_the_word_is_not_given(server: LabelServer, path: str) -> None:
    status, body, _ = call(server, path.format(urlsplit(server.url).path), whole=True)
    assert status == 404
    assert server.secret.encode() not in body


def test_nobody_without_the_word_can_answer(server: LabelServer) -> None:
    assert call(server, "/items/0", {"answers": YES, "same_person": False}, whole=True)[0] == 404
    assert call(server, "/guess/items/0", {"answers": YES, "same_person": False}, whole=True)[0] == 404
    assert server.book.answered() == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"answers": [], "same_person": false}',
        json.dumps({"answers": YES}).encode(),
        json.dumps({"answers": [1] * 15, "same_person": False}).encode(),
        json.dumps({"answers": ["yes"] * 15, "same_person": False}).encode(),
        json.dumps({"answers": YES, "same_person": 1}).encode(),
        b'{"answers": "' + b"x" * 20_000 + b'"}',
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_answer_is_refused_and_nothing_is_kept(server: LabelServer, raw: bytes) -> None:
    status, body, _ = call(server, "items/0", raw=raw)
    assert status == 400
    assert json.loads(body)["error"].startswith("not an answer")
    assert server.book.answered() == 0


@given(st.binary(max_size=300))
def test_parsing_raises_nothing_but_value_errors(body: bytes) -> None:
    try:
        answer, _ = parse(body)
    except ValueError:
        return
    assert len(answer) == 15


def test_a_full_disk_is_told(server: LabelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "manifest.csv")

    monkeypatch.setattr(server.book, "save", full)
    status, body, _ = call(server, "items/0", {"answers": YES, "same_person": False})
    assert status == 500
    assert json.loads(body)["error"] == "not saved: No space left on device (manifest.csv)"


def test_nothing_is_logged(server: LabelServer, capsys: pytest.CaptureFixture[str]) -> None:
    call(server, "state")
    call(server, "nothing")
    assert capsys.readouterr() == ("", "")


def test_each_garment_has_its_letter_and_the_page_s_own_keys_are_free() -> None:
    assert set(KEYS) == set(LABELS)
    assert len(set(KEYS.values())) == len(LABELS)
    for label, key in KEYS.items():
        assert key in label.lower()
    assert not {"s", "x"} & set(KEYS.values())
