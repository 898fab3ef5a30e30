import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from mqtt_client import make_alert
from pydantic import SecretStr
from staff_page import message_of
from starlette.types import ASGIApp

from vestibule.claim_payloads import ClaimSetPayload
from vestibule.errors import SinkError
from vestibule.payloads import AlertPayload
from vestibule.web import pages
from vestibule.web.app import COOKIE, Page, make_app
from vestibule.web.board import Board
from vestibule.web.board_file import BoardFile
from vestibule.web.devices import Devices
from vestibule.web.feed import Published
from vestibule.web.guard import MOST_BODY_BYTES
from vestibule.web.hub import Hub
from vestibule.web.pairing import Pairing, Tries
from vestibule.web.state import State

NOW_S = make_alert().raised_at_s + 10
ORIGIN = {"Origin": "http://testserver"}
ALERT = {"site": "store", "alert_id": "visit-1:suit"}


@dataclass(kw_only=True)
class Broker:
    """Takes claims as the real one does, or does not."""

    answer: Published = "sent"
    connected: bool = True
    claims: list[tuple[str, str, ClaimSetPayload]] = field(default_factory=list)

    def claim(self, site: str, alert_id: str, claim: ClaimSetPayload) -> Published:
        self.claims.append((site, alert_id, claim))
        return self.answer


class Browser:
    """Asks the routes without a network; keeps its cookies."""

    def __init__(self, app: ASGIApp) -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://testserver")

    def get(self, path: str, **how: Any) -> httpx.Response:  # noqa: ANN401 - as httpx
        return asyncio.run(self._client.get(path, **how))

    def post(self, path: str, **how: Any) -> httpx.Response:  # noqa: ANN401 - as httpx
        return asyncio.run(self._client.post(path, **how))

    def close(self) -> None:
        asyncio.run(self._client.aclose())


@dataclass(frozen=True, kw_only=True)
class Served:
    page: Page
    broker: Broker
    client: Browser

    def pair(self, name: str = "Ana") -> dict[str, Any]:
        answer = self.post("/api/pair", {"code": self.page.pairing.offer(), "name": name})
        assert answer.status_code == 200
        return dict(answer.json())

    def post(self, path: str, body: object) -> httpx.Response:
        return self.client.post(path, json=body, headers=ORIGIN)


@asynccontextmanager
async def nothing() -> AsyncIterator[None]:
    yield


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    options = getattr(request, "param", {})
    devices = Devices(tmp_path / "devices.sqlite3")
    file = BoardFile(tmp_path / "alerts.sqlite3", "now")
    board = Board(file, retention_s=1e9, clock=lambda: NOW_S)
    board.alert(AlertPayload.model_validate_json(message_of(make_alert()).payload))
    broker = Broker()
    page = Page(
        board=board,
        hub=Hub(),
        broker=broker,
        devices=devices,
        pairing=Pairing(State(folder=tmp_path, key=SecretStr("k" * 64)), devices, lambda: NOW_S),
        tries=Tries(lambda: NOW_S),
        clock=lambda: NOW_S,
        secure=options.get("secure", False),
        public_url=options.get("public_url"),
        alert_ttl_s=120.0,
        retention_s=86_400.0,
    )
    client = Browser(make_app(page, nothing))
    yield Served(page=page, broker=broker, client=client)
    client.close()
    file.close()
    devices.close()


def test_anybody_gets_the_page_and_nothing_else(served: Served) -> None:
    for path in ("/", "/pair", "/page.js", "/page.css", "/sw.js", "/icon.svg", "/manifest.webmanifest", "/api/words"):
        assert served.client.get(path).status_code == 200
    assert served.client.get("/manifest.webmanifest").headers["content-type"] == "application/manifest+json"
    for path in ("/api/events", "/nothing", "/words.en.json", "/../app.py", "/%2e%2e/app.py", "/static/page.js"):
        assert served.client.get(path).status_code in {401, 404}
    assert served.client.get("/api/me").status_code == 204
    assert served.post("/api/claim", ALERT).status_code == 401
    assert served.broker.claims == []


def test_every_answer_is_locked_down(served: Served) -> None:
    for answer in (
        served.client.get("/"),
        served.client.get("/page.js"),
        served.client.get("/nothing"),
        served.client.get("/api/pair"),
        served.post("/api/claim", ALERT),
    ):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] in {"no-store", "no-cache"}
        assert "strict-transport-security" not in answer.headers


def test_the_language_is_the_reader_s(served: Served) -> None:
    spanish = {"Accept-Language": "es-MX"}
    assert b'<html lang="es">' in served.client.get("/", headers=spanish).content
    assert served.client.get("/api/words", headers=spanish).json() == pages.words("es")
    assert b'<html lang="en">' in served.client.get("/").content


def test_a_phone_is_paired_and_known_from_then_on(served: Served) -> None:
    about = served.pair(" Ana  María ")
    assert about["name"] == "Ana María"
    assert served.client.get("/api/me").json() == about
    assert [device.name for device in served.page.devices.all()] == ["Ana María"]


def test_the_cookie_is_out_of_reach(served: Served) -> None:
    answer = served.post("/api/pair", {"code": served.page.pairing.offer(), "name": "Ana"})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie


@pytest.mark.parametrize("served", [{"secure": True}], indirect=True)
def test_with_tls_it_goes_over_tls_only(served: Served) -> None:
    answer = served.post("/api/pair", {"code": served.page.pairing.offer(), "name": "Ana"})
    assert "Secure" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"].startswith("max-age=")


def test_a_revoked_phone_is_a_stranger_at_once(served: Served) -> None:
    about = served.pair()
    served.page.devices.revoke(about["device_id"])
    assert served.client.get("/api/me").status_code == 204
    assert served.client.get("/api/events").status_code == 401
    assert served.post("/api/claim", ALERT).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"code": "00000000", "name": "Ana"}, 403),
        ({"code": "", "name": "Ana"}, 403),
        ({"code": "1" * 21, "name": "Ana"}, 400),
        ({"code": 12345678, "name": "Ana"}, 400),
        ({"code": "12345678"}, 400),
        ({"code": "12345678", "name": "x" * 41}, 400),
        ({"code": "12345678", "name": ["Ana"]}, 400),
        ([], 400),
        ("12345678", 400),
    ],
)
def test_what_pairs_nobody(served: Served, body: object, status: int) -> None:
    assert served.post("/api/pair", body).status_code == status
    assert served.page.devices.all() == []


def test_a_link_with_a_named_code_needs_no_name_and_another_asks_for_one(served: Served) -> None:
    assert served.post("/api/pair", {"code": served.page.pairing.offer("Till"), "name": ""}).json()["name"] == "Till"
    code = served.page.pairing.offer()
    assert served.post("/api/pair", {"code": code, "name": ""}).status_code == 400
    assert served.post("/api/pair", {"code": code, "name": "Ana"}).status_code == 200


def test_guessing_is_stopped_also_with_the_right_code(served: Served) -> None:
    answers = [served.post("/api/pair", {"code": f"{n:08}", "name": "Eve"}) for n in range(6)]
    assert [answer.status_code for answer in answers] == [403] * 5 + [429]
    assert answers[-1].headers["retry-after"] == "300"
    good = {"code": served.page.pairing.offer(), "name": "Eve"}
    assert served.post("/api/pair", good).status_code == 429


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://testserver:8000"},
        {"Origin": "http://testserver", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://testserver", "Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_s_page_can_make_a_browser_do_nothing(served: Served, headers: dict[str, str]) -> None:
    served.pair()
    for path, body in (("/api/claim", ALERT), ("/api/pair", {"code": served.page.pairing.offer(), "name": "Eve"})):
        assert served.client.post(path, json=body, headers=headers).status_code == 403
    assert served.broker.claims == []
    assert len(served.page.devices.all()) == 1


@pytest.mark.parametrize("served", [{"public_url": "https://staff.lan"}], indirect=True)
def test_behind_a_proxy_that_hides_the_name_the_public_one_counts(served: Served) -> None:
    body = {"code": served.page.pairing.offer(), "name": "Ana"}
    assert served.client.post("/api/pair", json=body, headers={"Origin": "https://staff.lan"}).status_code == 200


def test_a_form_of_another_kind_or_size_is_refused(served: Served) -> None:
    def sent(content: bytes, kind: str = "application/json") -> int:
        headers = {**ORIGIN, "Content-Type": kind}
        return served.client.post("/api/pair", content=content, headers=headers).status_code

    assert sent(b'{"code":"1","name":"Ana"}', "text/plain") == 415
    assert sent(b"x" * (MOST_BODY_BYTES + 1)) == 413
    assert sent(b"{") == 400
    assert sent(b"[" * 4000) == 400
    assert sent(b"\xff") == 400


def test_a_claim_goes_to_the_daemon_in_the_device_s_name(served: Served) -> None:
    about = served.pair("Ana")
    answers = [served.post("/api/claim", {**ALERT, "by": "Luis"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    (site, alert_id, claim), (_, _, second) = served.broker.claims
    assert (site, alert_id, claim.by) == ("store", "visit-1:suit", "Ana")
    assert claim.claim_id.startswith(f"{about['device_id']}-")
    assert claim.claim_id != second.claim_id  # another press


@pytest.mark.parametrize(("answer", "status"), [("disconnected", 503), ("denied", 502), ("unanswered", 504)])
def test_a_claim_that_does_not_reach_the_broker_is_said(served: Served, answer: Published, status: int) -> None:
    served.pair()
    served.broker.answer = answer
    given = served.post("/api/claim", ALERT)
    assert (given.status_code, given.json()["result"]) == (status, answer)


@pytest.mark.parametrize(
    "body",
    [
        {"site": "store", "alert_id": "visit-9:suit"},
        {"site": "north", "alert_id": "visit-1:suit"},
        {"site": "store", "alert_id": "visit-1:suit/#"},
        {"site": ["store"], "alert_id": {}},
        {},
    ],
)
def test_only_alerts_that_were_seen_can_be_claimed(served: Served, body: dict[str, object]) -> None:
    served.pair()
    assert served.post("/api/claim", body).status_code == 404
    assert served.broker.claims == []


def test_pages_and_posts_have_their_methods(served: Served) -> None:
    assert served.client.get("/api/pair").status_code == 405
    assert served.client.get("/api/claim").status_code == 405
    assert served.client.post("/", headers=ORIGIN).status_code == 405


def test_devices_that_cannot_be_read_are_no_reason_to_let_anybody_in(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.pair()

    def fail(_self: Devices, _device_id: str) -> None:
        raise SinkError("devices: disk I/O error")

    monkeypatch.setattr(Devices, "get", fail)
    answer = served.client.get("/api/me")
    assert (answer.status_code, answer.json()) == (503, {"error": "storage"})
    assert served.client.get("/api/events").status_code == 503


def test_what_goes_wrong_inside_tells_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "language_of", lambda _: json.loads("{secret"))
    answer = served.client.get("/")
    assert (answer.status_code, answer.json()) == (500, {"error": "failed"})
    assert "content-security-policy" in answer.headers
