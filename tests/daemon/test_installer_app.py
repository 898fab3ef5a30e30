"""The page's addresses: for whom, from where, and what they answer to what nobody should ask."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fakes import tracks
from pydantic import SecretStr

from vestibule import config
from vestibule.errors import ConfigError
from vestibule.health import Health
from vestibule.installer.app import COOKIE
from vestibule.installer.live_view import LiveView
from vestibule.installer.panel import Panel
from vestibule.installer.serving import Serving
from vestibule.privacy_sections import InstallerConfig
from vestibule.snapshot_folder import SnapshotFolder

PASSWORD = "correct horse battery"  # noqa: S105 - of a test's own page
SECRETS = ["/api/state", "/api/cameras/door/places", "/api/cameras/door/picture", "/api/snapshots", "/api/snapshots/a"]
ANYWHERE = InstallerConfig(enabled=True, port=0, password_file=Path("password"))
TRIANGLE = [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5]]


def address(serving: Serving) -> str:
    return f"http://127.0.0.1:{serving._listening.getsockname()[1]}"


class Bench:
    """The page without a daemon around it."""

    def __init__(self, folder: Path) -> None:
        self.path, self.snapshots, self.reloads = folder / "vestibule.toml", folder / "snapshots", 0
        self.path.write_text(
            f"config_version = 1\n[snapshots]\nmode = 'blurred'\nfolder = '{self.snapshots}'\n"
            "[[cameras]]\nid = 'door'\nsource = '0'\n",
            encoding="utf-8",
        )
        self.view = LiveView()
        self.panel = Panel(self.path, self.view, self.reload)
        self.watch()
        self.serving = Serving(self.panel, ANYWHERE, SecretStr(PASSWORD))
        self.url = address(self.serving)
        self.client = httpx.Client(base_url=self.url, headers={"Origin": self.url}, timeout=20)

    def close(self) -> None:
        self.client.close()
        self.serving.close()

    def watch(self) -> None:
        settings = config.load(self.path)
        self.panel.watch(settings, Health([camera.id for camera in settings.cameras], time.time))

    def reload(self) -> None:
        self.reloads += 1

    def login(self) -> None:
        assert self.client.post("/api/login", json={"password": PASSWORD}).status_code == 200

    def save(self, places: object, version: object = None) -> Any:  # noqa: ANN401 - httpx's response
        version = version or self.client.get("/api/cameras/door/places").json()["version"]
        return self.client.put("/api/cameras/door/places", json={"version": version, "places": places})


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with closing(Bench(tmp_path)) as one:
        yield one


@pytest.fixture
def inside(bench: Bench) -> Bench:
    bench.login()
    return bench


@pytest.mark.parametrize("path", SECRETS)
def test_without_the_password_nothing_is_told(bench: Bench, path: str) -> None:
    assert bench.client.get(path).status_code == 401
    bench.client.cookies.set(COOKIE, "guessed")
    assert bench.client.get(path).status_code == 401
    assert bench.client.put("/api/cameras/door/places", json={}).status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "192.0.2.1:9465", "127.0.0.1.evil.example", "["])
def test_a_name_of_somebody_else_s_that_leads_here_is_refused(bench: Bench, host: str) -> None:
    """Else a page of any site could read this one by having its own name point to the loopback (DNS rebinding)."""
    for path in ("/", "/page.js", *SECRETS):
        assert bench.client.get(path, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:9465", "localhost:1234", "[::1]:9465", "127.0.0.1"])
def test_its_own_names_are_taken_whatever_the_port(bench: Bench, host: str) -> None:
    """An SSH tunnel may end at another port."""
    assert bench.client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://127.0.0.1:8780", "http://["])
def test_another_page_s_questions_are_refused_though_the_browser_sends_the_cookie(
    inside: Bench, origin: str | None
) -> None:
    del inside.client.headers["Origin"]
    headers = {} if origin is None else {"Origin": origin}
    for ask, path in ((inside.client.put, "/api/cameras/door/places"), (inside.client.post, "/api/logout")):
        assert ask(path, json={}, headers=headers).status_code == 403
    assert inside.client.get("/api/state").status_code == 200


def test_the_cookie_is_for_this_page_alone(bench: Bench) -> None:
    set_cookie = bench.client.post("/api/login", json={"password": PASSWORD}).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in set_cookie.split(";")}


def test_wrong_passwords_are_limited(bench: Bench) -> None:
    for _ in range(5):
        assert bench.client.post("/api/login", json={"password": "wrong"}).status_code == 401
    answer = bench.client.post("/api/login", json={"password": PASSWORD})
    assert answer.status_code == 429
    assert "wait 60 s" in answer.json()["problem"]


@pytest.mark.parametrize("path", ["/", "/page.js", "/api/state", "/nothing"])
def test_every_answer_tells_the_browser_how_little_the_page_may_do(bench: Bench, path: str) -> None:
    headers = bench.client.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; ")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"password": 1}', b"[" * 5000, b"\xff"])
def test_nonsense_at_the_door_is_refused(bench: Bench, body: bytes) -> None:
    answer = bench.client.post("/api/login", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 401, 413)
    assert answer.json()["problem"]


def test_a_logged_out_session_is_over(inside: Bench) -> None:
    token = inside.client.cookies[COOKIE]
    assert inside.client.post("/api/logout").status_code == 200
    inside.client.cookies.set(COOKIE, token)
    assert inside.client.get("/api/state").status_code == 401


def test_the_state_has_no_address_and_no_password(inside: Bench) -> None:
    state = inside.client.get("/api/state").json()
    assert state["cameras"] == [
        {"id": "door", "state": "connecting", "reason": "", "since_s": pytest.approx(time.time(), abs=60)}
    ]
    assert set(state) == {"site", "file", "writable", "snapshots", "problem", "cameras"}


def test_the_picture_comes_once_there_is_one(inside: Bench) -> None:
    assert inside.client.get("/api/cameras/door/picture").status_code == 204
    inside.view.saw(tracks({}, 7.0, image=np.zeros((360, 640, 3), np.uint8)), [])
    answer = inside.client.get("/api/cameras/door/picture")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-size"] == "640x360"
    assert answer.content.startswith(b"\xff\xd8")
    assert inside.client.get("/api/cameras/attic/picture").status_code == 404
    assert list(inside.view._cameras) == ["door"]  # no memory for names that somebody made up


def test_saving_writes_and_asks_for_a_reload(inside: Bench) -> None:
    assert inside.save({"masks": [{"polygon": TRIANGLE}]}).status_code == 200
    assert inside.reloads == 1
    found = inside.client.get("/api/cameras/door/places").json()
    assert found["places"]["masks"] == [{"polygon": TRIANGLE}]
    assert not found["taken_over"]
    inside.watch()
    assert inside.client.get("/api/cameras/door/places").json()["taken_over"]


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ({"masks": [{"polygon": TRIANGLE[:2]}]}, "masks.0.polygon: Tuple should have at least 3 items"),
        ({"masks": [{"polygon": [[0, 0], [2, 0], [1, 1]]}]}, "masks.0.polygon.1.0: Input should be less than"),
        ({"zones": [{"name": "a b", "polygon": TRIANGLE}]}, "zones.0.name: String should match pattern"),
        ({"source": "/etc/passwd"}, "source: unknown key"),
        (None, "valid dictionary"),
    ],
)
def test_what_is_no_place_is_refused_in_words_and_not_written(inside: Bench, places: object, said: str) -> None:
    before = inside.path.read_text(encoding="utf-8")
    answer = inside.save(places)
    assert answer.status_code == 422
    assert said in answer.json()["problem"]
    assert inside.path.read_text(encoding="utf-8") == before
    assert inside.reloads == 0


def test_a_file_that_was_changed_meanwhile_is_not_overwritten(inside: Bench) -> None:
    answer = inside.save({}, version="of before")
    assert answer.status_code == 409
    assert "was changed meanwhile" in answer.json()["problem"]


def test_a_file_that_the_daemon_cannot_write_gives_what_to_paste(
    inside: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vestibule.installer.panel.os.access", lambda *_: False)
    assert not inside.client.get("/api/state").json()["writable"]
    answer = inside.save({"masks": [{"polygon": TRIANGLE}]})
    assert answer.status_code == 403
    first, _, rest = answer.json()["problem"].partition("\n")
    assert "is read-only for the daemon; paste this" in first
    assert rest == "[[cameras.masks]]\npolygon = [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5]]\n"
    assert inside.reloads == 0


def test_a_refused_reload_is_told(inside: Bench) -> None:
    inside.panel.problem = "no such model"
    assert inside.client.get("/api/state").json()["problem"] == "no such model"
    inside.save({"masks": [{"polygon": TRIANGLE}]})
    assert inside.client.get("/api/state").json()["problem"] == ""


def test_snapshots_are_listed_and_shown(inside: Bench) -> None:
    assert inside.client.get("/api/snapshots").json() == []
    SnapshotFolder(inside.snapshots, keep_s=1e9, max_bytes=10**9).put("door-1-1-dress", b"\xff\xd8", 5.0)
    assert inside.client.get("/api/snapshots").json() == [{"alert_id": "door-1-1-dress", "at_s": 5.0}]
    assert inside.client.get("/api/snapshots/door-1-1-dress").content == b"\xff\xd8"
    for name in ("..%2f..%2fetc%2fpasswd", "other", "%00"):
        assert inside.client.get(f"/api/snapshots/{name}").status_code == 404


def test_before_anything_runs_it_says_so(tmp_path: Path) -> None:
    panel = Panel(tmp_path / "none.toml", LiveView(), lambda: None)
    with closing(Serving(panel, ANYWHERE, SecretStr(PASSWORD))) as serving, httpx.Client() as client:
        url = address(serving)
        client.post(f"{url}/api/login", json={"password": PASSWORD}, headers={"Origin": url})
        assert client.get(f"{url}/api/state").status_code == 503


def test_a_port_in_use_is_one_line(bench: Bench) -> None:
    port = int(bench.url.rpartition(":")[2])
    with pytest.raises(ConfigError, match=r"installer: cannot listen on .* \(Address already in use\); set another"):
        Serving(bench.panel, ANYWHERE.model_copy(update={"port": port}), SecretStr(PASSWORD))


def test_slow_and_silent_clients_keep_nobody_out(bench: Bench) -> None:
    host, port = "127.0.0.1", int(bench.url.rpartition(":")[2])
    silent = [socket.create_connection((host, port), timeout=20) for _ in range(20)]
    assert bench.client.get("/").status_code == 200
    for one in silent:
        one.close()


def test_closed_is_closed(bench: Bench) -> None:
    bench.serving.close()
    assert not bench.serving._thread.is_alive()
    with pytest.raises(httpx.ConnectError):
        httpx.get(bench.url)
