"""The page's files, read once; and its words in the reader's language."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

STATIC = Path(__file__).parent / "static"
LANGUAGES = ("en", "es")
"""The first is for those who ask for neither."""
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """One file as it is served."""

    body: bytes
    content_type: str


@cache
def files() -> dict[str, StaticFile]:
    """Return every file that anybody may have, by name."""
    return {
        path.name: StaticFile(body=path.read_bytes(), content_type=_TYPES[path.suffix])
        for path in STATIC.iterdir()
        if path.suffix in _TYPES
    }


@cache
def words(language: str) -> dict[str, Any]:
    """Return what the page says, one of `LANGUAGES`."""
    found: dict[str, Any] = json.loads((STATIC / f"words.{language}.json").read_text(encoding="utf-8"))
    return found


def index(language: str) -> StaticFile:
    """Return the page itself."""
    page = files()["index.html"]
    return StaticFile(body=page.body.replace(b"{language}", language.encode()), content_type=page.content_type)


def language_of(accepted: str) -> str:
    """Choose a language by `Accept-Language` (RFC 9110, section 12.5.4)."""
    wishes: list[tuple[float, str]] = []
    for part in accepted.split(",")[:20]:
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        primary = tag.strip().partition("-")[0].lower()
        if primary in LANGUAGES and weight > 0:
            wishes.append((-weight, primary))
    return min(wishes, key=lambda wish: wish[0])[1] if wishes else LANGUAGES[0]
