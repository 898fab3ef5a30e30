"""The local page on which a person corrects the model's answers: loopback only, nothing from elsewhere, no trace."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError
from vestibule_models.label_book import Answer, Book
from vestibule_models.labels import LABELS, GarmentLabel
from vestibule_models.pictures import read_picture

PAGE = Path(__file__).parent / "label_page"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
KEYS: dict[GarmentLabel, str] = dict(zip(LABELS, "blcdjeurhkapnto", strict=True))
"""The letter of each category's name that turns its answer: Blazer b, bLouse l, ..., tOp o."""
MAX_BODY_BYTES = 10_000
MAX_SIDE_PX = 1600


@dataclass(frozen=True, kw_only=True)
class Model:
    """What the model says of the pictures.

    Attributes:
        name: and version, shown on the page.
        answers: pre-filled, by picture; none of those that were answered before.
        probs: by picture, 15 each.
    """

    name: str
    answers: dict[int, Answer]
    probs: dict[int, tuple[float, ...]]


class LabelServer(ThreadingHTTPServer):
    """Serves the page at `url`, which holds a word that nobody else on the machine can guess.

    Args:
        book: the pictures and the answers.
        pictures: the folder that they lie in.
        model: its answers.
        skipped: names of pictures that could not be read, shown on the page.
        port: of the loopback; 0 chooses a free one.
    """

    daemon_threads = True

    def __init__(self, book: Book, pictures: Path, model: Model, skipped: Sequence[str], *, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.book, self.pictures, self.model, self.skipped = book, pictures, model, tuple(skipped)
        self.secret = secrets.token_urlsafe(16)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/{self.secret}/"

    def state(self, at: int = 0) -> dict[str, Any]:
        """Return what the page needs to know of the whole."""
        return {
            "labels": [{"name": label, "key": KEYS[label]} for label in LABELS],
            "model": self.model.name,
            "total": len(self.book.files),
            "answered": self.book.answered(),
            "next": self.book.next_open(at),
            "skipped": self.skipped,
            "manifest": str(self.book.path),
        }

    def item(self, index: int) -> dict[str, Any]:
        """Return what the page needs to know of one picture."""
        given = self.book.answer_of(index)
        return {
            "index": index,
            "file": self.book.files[index],
            "answers": given or self.model.answers.get(index) or (None,) * len(LABELS),
            "probs": self.model.probs.get(index),
            "answered": given is not None,
            "same_person": self.book.is_same_person(index),
        }


class _Handler(BaseHTTPRequestHandler):
    server: LabelServer
    timeout = 30
    server_version, sys_version = "vestibule", ""

    def do_GET(self) -> None:
        """Answer with the page, its state, a picture's answers or a picture."""
        match self._words():
            case [""]:
                self._send_file("index.html")
            case [name] if (PAGE / name).is_file() and name == Path(name).name:
                self._send_file(name)
            case ["state"]:
                self._send_json(self.server.state())
            case ["items", word] if (index := self._index(word)) is not None:
                self._send_json(self.server.item(index))
            case ["pictures", word] if (index := self._index(word)) is not None:
                self._send_picture(self.server.pictures / self.server.book.files[index])
            case _:
                self._send_json({"error": "no such page; open the address that the command printed"}, 404)

    def do_POST(self) -> None:
        """Keep an answer."""
        match self._words():
            case ["items", word] if (index := self._index(word)) is not None:
                self._keep(index)
            case _:
                self._send_json({"error": "no such picture"}, 404)

    def _words(self) -> list[str]:
        """Return the words of the path behind the secret one; none if that is wrong."""
        first, *words = urlsplit(self.path).path.removeprefix("/").split("/")
        return words if secrets.compare_digest(first.encode(), self.server.secret.encode()) else []

    def _index(self, word: str) -> int | None:
        found = word.isascii() and word.isdigit() and len(word) < 10 and int(word) < len(self.server.book.files)  # noqa: PLR2004
        return int(word) if found else None

    def _keep(self, index: int) -> None:
        length = self.headers.get("Content-Length", "")
        size = int(length) if length.isascii() and length.isdigit() else 0
        try:
            answer, same_person = parse(self.rfile.read(size) if size <= MAX_BODY_BYTES else b"")
            self.server.book.save(index, answer, same_person=same_person)
        except ValueError as error:
            self._send_json({"error": f"not an answer: {error}"}, 400)
        except OSError as error:
            self._send_json({"error": f"not saved: {error.strerror} ({error.filename})"}, 500)
        else:
            self._send_json(self.server.state(index))

    def _send_file(self, name: str) -> None:
        self._send((PAGE / name).read_bytes(), TYPES[Path(name).suffix])

    def _send_json(self, value: dict[str, Any], status: int = 200) -> None:
        self._send(json.dumps(value).encode(), "application/json", status)

    def _send_picture(self, path: Path) -> None:
        try:
            self._send(to_jpeg(read_picture(path)), "image/jpeg")
        except ArtifactError as error:
            self._send_json({"error": str(error)}, 404)

    def _send(self, body: bytes, kind: str, status: int = 200) -> None:
        self.send_response(HTTPStatus(status))
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing: addresses hold the secret word."""


def parse(body: bytes) -> tuple[Answer, bool]:
    """Read `{"answers": [true, false, null, ...], "same_person": false}`.

    Raises:
        ValueError: it is anything else.
    """
    given = json.loads(body)
    answers = given.get("answers") if isinstance(given, dict) else None
    same_person = given.get("same_person") if isinstance(given, dict) else None
    if not isinstance(answers, list) or len(answers) != len(LABELS) or not isinstance(same_person, bool):
        raise ValueError(f"{len(LABELS)} answers and same_person are wanted")
    if not all(answer is None or isinstance(answer, bool) for answer in answers):
        raise ValueError("an answer is true, false or null")
    return tuple(answers), same_person


def to_jpeg(image: NDArray[np.uint8]) -> bytes:
    """Return the picture as the model sees it, upright, as JPEG that every browser shows; RGB in."""
    scale = min(1.0, MAX_SIDE_PX / max(image.shape[:2]))
    if scale < 1:
        image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    _, coded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
    return bytes(coded)
