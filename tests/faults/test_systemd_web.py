"""The staff page's unit as it is delivered, under a real systemd: its own user, its secrets, its folder."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from deployed_broker import DEPLOY
from systemd_box import ROOT, Box, booted

UNITS = ROOT / "systemd"

CONFIG = """
[mqtt]
username = "staff"
password_file = "staff.password"
[web]
host = "0.0.0.0"
cert_file = "page.crt"
key_file = "page.key"
"""
ASK = """
import ssl, sys, urllib.request
address, code = sys.argv[1:]
context = ssl._create_unverified_context()
request = urllib.request.Request(f"{address}/api/pair", b'{"code":"%s","name":"Ana"}' % code.encode(),
    {"Origin": address, "Content-Type": "application/json"})
print(urllib.request.urlopen(request, context=context).read().decode())
"""


def web(box: Box, name: str) -> str:
    return box.run("systemctl", "show", "--property", name, "--value", "vestibule-web", check=False)


def journal(box: Box) -> str:
    return box.run("journalctl", "--unit", "vestibule-web", "--no-pager", "--output", "cat", check=False)


@pytest.mark.slow
def test_the_page_runs_as_nobody_that_stays_and_root_pairs_phones(tmp_path: Path) -> None:
    subprocess.run(
        [DEPLOY / "make-certificates.sh", tmp_path, "localhost"], check=True, capture_output=True, timeout=60
    )
    files = {
        "etc/vestibule/web.toml": CONFIG,
        "etc/vestibule/web-secrets/staff.password": "hunter2\n",
        "etc/vestibule/web-secrets/page.crt": (tmp_path / "broker.crt").read_text(encoding="ascii"),
        "etc/vestibule/web-secrets/page.key": (tmp_path / "broker.key").read_text(encoding="ascii"),
        "etc/systemd/system/vestibule-web.service": (UNITS / "vestibule-web.service").read_text(encoding="utf-8"),
        "ask.py": ASK,
    }
    with booted(tmp_path / "root", files) as box:
        box.run("systemctl", "stop", "vestibule", check=False)  # not the one that is looked at
        (box.folder / "etc/vestibule/web-secrets").chmod(0o700)
        box.run("systemctl", "start", "vestibule-web", check=False)
        assert (web(box, "ActiveState"), web(box, "StatusText")) == ("active", "0 pages open; broker not connected"), (
            journal(box)
        )
        status = box.run("cat", f"/proc/{web(box, 'MainPID')}/status")
        user = int(re.findall(r"^Uid:\s+(\d+)", status, re.MULTILINE)[0])
        assert 61_184 <= user <= 65_519  # systemd's range of dynamic users
        said = box.run("/opt/vestibule/current/bin/vestibule", "web", "pair", "--config", "/etc/vestibule/web.toml")
        code = said.split("/pair#")[1][:8]
        python = f"/opt/vestibule/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
        told = box.run(
            "env", "LD_LIBRARY_PATH=/opt/vestibule/python/lib", python, "/ask.py", "https://127.0.0.1:8780", code
        )
        assert json.loads(told)["name"] == "Ana"
        listed = box.run(
            "/opt/vestibule/current/bin/vestibule", "web", "devices", "--config", "/etc/vestibule/web.toml"
        )
        assert listed.endswith("Ana")
        state = box.folder / "var/lib/private/vestibule-web"
        owners = {path.name: path.stat().st_uid for path in state.iterdir()}
        assert set(owners.values()) == {user}  # also of what root's command has made
        assert {"key", "devices.sqlite3", "alerts.sqlite3"} <= owners.keys()
        assert all(path.stat().st_mode & 0o077 == 0 for path in (state, *state.iterdir()))
        box.run("systemctl", "restart", "vestibule-web")
        assert web(box, "ActiveState") == "active"
        box.run("systemctl", "stop", "vestibule-web")
        assert web(box, "Result") == "success"
        assert "hunter2" not in journal(box)
        assert code not in journal(box)
