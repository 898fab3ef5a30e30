import io
import re
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from vestibule.cli import main
from vestibule.config import Settings
from vestibule.errors import ConfigError
from vestibule.sections import SiteConfig
from vestibule.web import commands
from vestibule.web.devices import Devices
from vestibule.web.state import make_state
from vestibule.web_sections import WebConfig

NOW_S = 1_700_000_000.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    make_state(tmp_path)
    site = SiteConfig(time_zone="America/Mexico_City")
    return Settings(site=site, web=WebConfig(state_dir=tmp_path, public_url="https://staff.lan"))


def paired(settings: Settings, name: str) -> str:
    devices = Devices(settings.web.state_dir / "devices.sqlite3")
    devices.offer(name, name, NOW_S + 60)
    device = devices.redeem(name, "", NOW_S)
    devices.close()
    assert device is not None
    return device.device_id


def test_pair_says_what_to_do_on_the_phone(settings: Settings) -> None:
    out = io.StringIO()
    assert commands.pair(settings, " Ana ", out) == 0
    said = out.getvalue()
    shown = re.search(r"code    (\d{4}) (\d{4})\n", said)
    assert shown is not None
    assert f"https://staff.lan/pair#{shown[1]}{shown[2]}\n" in said
    assert "good for 5 minutes and one phone" in said


def test_devices_are_listed_in_store_time_and_revoked_by_their_id(settings: Settings) -> None:
    first, second = paired(settings, "Ana"), paired(settings, "Luis")
    out = io.StringIO()
    commands.devices(settings, out)
    assert out.getvalue().splitlines() == [
        f"{first}  paired 2023-11-14 16:13  opened 2023-11-14 16:13  Ana",
        f"{second}  paired 2023-11-14 16:13  opened 2023-11-14 16:13  Luis",
    ]
    commands.revoke(settings, first, out)
    out = io.StringIO()
    commands.devices(settings, out)
    assert out.getvalue().split()[0] == second
    with pytest.raises(ConfigError, match=f"no device '{first}'; `vestibule web devices` lists them"):
        commands.revoke(settings, first, out)


@pytest.mark.parametrize("name", ["", " ", "x" * 41, "a\nb\x1b[2J"])
def test_names_that_the_others_could_not_read(settings: Settings, name: str) -> None:
    with pytest.raises(ConfigError, match="must be 1 to 40 printable characters"):
        commands.pair(settings, name, io.StringIO())


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "web.toml"
    config.write_text(f"[web]\nstate_dir = '{tmp_path / 'state'}'\n", encoding="utf-8")
    assert main(["web", "pair", "--config", str(config)]) == 1
    assert "start `vestibule web` with this configuration first" in capsys.readouterr().err
    make_state(tmp_path / "state")
    assert main(["web", "pair", "--config", str(config), "--name", "Ana"]) == 0
    assert "http://127.0.0.1:8780/pair" in capsys.readouterr().out
    assert main(["web", "--config", str(config), "devices"]) == 0
    assert main(["web", "revoke", "--config", str(config), "0123abcd"]) == 1
    assert main(["web", "devices"]) == 1
    assert "--config FILE is missing" in capsys.readouterr().err


def test_passwords_that_only_services_can_read_do_not_matter_to_who_pairs(tmp_path: Path) -> None:
    config = tmp_path / "web.toml"
    config.write_text(
        "[mqtt]\nusername = 'staff'\npassword_file = 'staff.password'\n"
        "[[cameras]]\nid = 'door'\nsource = 'rtsp://192.0.2.1/x'\nusername = 'v'\npassword_file = '/nowhere/door'\n"
        f"[web]\nstate_dir = '{tmp_path / 'state'}'\n",
        encoding="utf-8",
    )
    make_state(tmp_path / "state")
    assert main(["web", "devices", "--config", str(config)]) == 0


def test_check_tells_of_a_page_that_was_set_up(settings: Settings, tmp_path: Path) -> None:
    paired(settings, "Ana")
    assert commands.check_page(settings.web) == "https://staff.lan, no TLS here, 1 phone paired"
    other = WebConfig(state_dir=tmp_path / "other", trusted_proxies=(IPv4Address("192.0.2.2"),))
    assert commands.check_page(other) == "https://127.0.0.1:8780, TLS by a proxy, not started yet"
    with pytest.raises(ConfigError, match=r"web\.cert_file .*nowhere\.crt: .*name a PEM file"):
        commands.check_page(WebConfig(state_dir=tmp_path, cert_file=Path("/nowhere.crt")))
