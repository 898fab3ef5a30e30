"""The installer's page comes and goes with the configuration; where it is off, no web server is even loaded."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import structlog
from daemon_process import daemon
from mqtt_client import wait_until
from toyshop import clip, crossing

from vestibule.errors import ConfigError
from vestibule.installer import Installer
from vestibule.privacy_sections import InstallerConfig

PASSWORD = "correct horse battery"  # noqa: S105 - of a test's own page
SERVED = "installer's page served"
OFF = InstallerConfig()


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(PASSWORD, encoding="utf-8")
    return path


@pytest.fixture
def installer(tmp_path: Path) -> Iterator[Installer]:
    with closing(Installer(tmp_path / "vestibule.toml", lambda: None)) as one:
        yield one


def served(installer: Installer, config: InstallerConfig) -> str | None:
    """Serve it; return the address if it is a new one."""
    with structlog.testing.capture_logs() as logs:
        installer.serve(config)
    return next((f"http://{line['address']}" for line in logs if "address" in line), None)


def login(url: str) -> httpx.Client:
    client = httpx.Client(base_url=url, headers={"Origin": url}, timeout=20)
    assert client.post("/api/login", json={"password": PASSWORD}).status_code == 200
    return client


def test_off_nothing_is_served_and_nothing_loaded() -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from vestibule.installer import Installer; from vestibule.privacy_sections import InstallerConfig\n"
        "Installer(Path('x'), print).serve(InstallerConfig())\n"
        "print([name for name in ('uvicorn', 'starlette') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout == "[]\n"


def test_a_reload_that_changes_nothing_logs_nobody_out(installer: Installer, password: Path) -> None:
    config = InstallerConfig(enabled=True, port=0, password_file=password)
    url = served(installer, config)
    assert url is not None
    with closing(login(url)) as client:
        assert served(installer, config.model_copy()) is None
        assert client.get("/api/state").status_code == 503  # nothing runs yet: but the session is known


def test_another_password_ends_all_sessions(installer: Installer, password: Path) -> None:
    config = InstallerConfig(enabled=True, port=0, password_file=password)
    first = served(installer, config)
    assert first is not None
    with closing(login(first)) as client:
        token = dict(client.cookies)
    password.write_text(PASSWORD + "!", encoding="utf-8")
    second = served(installer, config)
    assert second is not None
    assert httpx.get(f"{second}/api/state", cookies=token).status_code == 401


def test_switched_off_it_is_gone(installer: Installer, password: Path) -> None:
    url = served(installer, InstallerConfig(enabled=True, port=0, password_file=password))
    assert url is not None
    installer.serve(OFF)
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_a_password_that_cannot_be_read_leaves_the_page_as_it_is(installer: Installer, password: Path) -> None:
    url = served(installer, InstallerConfig(enabled=True, port=0, password_file=password))
    assert url is not None
    with pytest.raises(ConfigError, match="cannot be read"):
        installer.serve(InstallerConfig(enabled=True, port=0, password_file=password.with_name("none")))
    assert httpx.get(url).status_code == 200


def test_a_reload_opens_and_closes_the_page_and_the_cameras_go_on(tmp_path: Path, password: Path) -> None:
    video = clip(tmp_path / "walk.mp4", 30, crossing("Dress", 0, seconds=30))
    path = tmp_path / "vestibule.toml"
    plain = f"config_version = 1\n[mqtt]\nport = 1\n[[cameras]]\nid = 'door'\nsource = '{video}'\n"
    path.write_text(plain, encoding="utf-8")
    with daemon(path) as running:
        running.wait_state("door", "online")
        assert not running.events(SERVED)
        page = f"[installer]\nenabled = true\nport = 0\npassword_file = '{password}'\n"
        path.write_text(plain + page, encoding="utf-8")
        running.signal(signal.SIGHUP)
        wait_until(lambda: bool(running.events(SERVED)), "the page")
        url = f"http://{running.events(SERVED)[0]['address']}"
        with closing(login(url)) as client:
            assert client.get("/api/state").json()["cameras"][0]["state"] == "online"
            wait_until(lambda: client.get("/api/cameras/door/picture").status_code == 200, "a picture")
        path.write_text(plain, encoding="utf-8")
        running.signal(signal.SIGHUP)
        wait_until(lambda: len(running.events("configuration read again")) == 2, "the second reload")
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)
        assert running.states("door") == ["online"]
        assert [event["anew"] for event in running.events("configuration read again")] == [[], []]
        running.signal(signal.SIGTERM)
        assert running.ended() == 0, running.printed
