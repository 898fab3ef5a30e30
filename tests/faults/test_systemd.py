"""The unit as it is delivered, under a real systemd, with the real daemon, networks and hardening."""

import json
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from mqtt_client import wait_until
from systemd_box import USER_ID, Box, booted

CONFIG = """
config_version = 1
[jsonl]
path = "/var/lib/vestibule/events.jsonl"
[[cameras]]
id = "door"
source = "/opt/vestibule/source/daemon/vestibule/demo/demo.mp4"
[[cameras]]
id = "attic"
source = "rtsp://127.0.0.1:9/cam"
username = "anna"
password_file = "attic"
"""
QUICK = "[Service]\nWatchdogSec=8\nTimeoutStopSec=5\n"


def visits(box: Box) -> Counter[str]:
    """How many events of each kind there are of each visit, as KIND VISIT."""
    path = box.folder / "var/lib/vestibule/events.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    payloads = [json.loads(line)["payload"] for line in lines]
    return Counter(f"{payload['type']} {payload['visit_id']}" for payload in payloads if "type" in payload)


def under_way(box: Box) -> set[str]:
    told = visits(box)
    return {name.removeprefix("new ") for name in told if name.startswith("new ")} - {
        name.removeprefix("end ") for name in told if name.startswith("end ")
    }


def check_ready(box: Box) -> None:
    box.wait("ActiveState", "active")  # Type=notify: not before READY=1
    assert box.show("StatusText") == "1 of 2 cameras online; attic offline; broker not connected"
    assert box.show("NRestarts") == "0"
    status = box.run("cat", f"/proc/{box.show('MainPID')}/status")
    assert dict(re.findall(r"^(Uid|NoNewPrivs):\s+(\d+)", status, re.MULTILINE)) == {
        "Uid": str(USER_ID),
        "NoNewPrivs": "1",
    }
    state = box.folder / "var/lib/vestibule"
    for path in (state, state / "outbox.sqlite3"):
        assert (path.stat().st_uid, path.stat().st_mode & 0o077) == (USER_ID, 0)
    # The secret is root's alone; the camera's password came by LoadCredential=, or the daemon would not have started.
    assert "offline" in box.journal("VESTIBULE_CAMERA=attic")


def check_reload(box: Box) -> None:
    box.run("systemctl", "kill", "--signal=HUP", "--kill-who=main", "vestibule")
    box.wait("ActiveState", "reloading")  # by RELOADING=1: systemd did not ask for it
    box.wait("ActiveState", "active")
    box.run("systemctl", "reload", "vestibule")
    wait_until(
        lambda: len(box.journal("VESTIBULE_EVENT=configuration read again").splitlines()) == 2, "the second reload"
    )
    box.wait("ActiveState", "active")


def check_watchdog(box: Box) -> None:
    before = box.show("MainPID")
    box.run("kill", "-STOP", before)
    box.wait("NRestarts", "1")
    assert "Failed with result 'watchdog'" in box.journal()
    box.wait("ActiveState", "active")
    assert box.show("MainPID") not in ("0", before)


def check_stop(box: Box) -> None:
    lost = under_way(box)  # with the process that the watchdog killed
    wait_until(lambda: bool(under_way(box) - lost), "a visit")
    began_s = time.monotonic()
    box.run("systemctl", "stop", "vestibule")
    print(f"stopped in {time.monotonic() - began_s:.1f} s")  # noqa: T201 - for docs/reliability.md
    assert (box.show("ActiveState"), box.show("Result"), box.show("ExecMainStatus")) == ("inactive", "success", "0")
    assert under_way(box) == lost


@pytest.mark.slow  # a machine boots, and a watchdog is waited for
def test_the_service_under_a_real_systemd(tmp_path: Path) -> None:
    files = {
        "etc/vestibule/vestibule.toml": CONFIG,
        "etc/vestibule/secrets/attic": "hunter2\n",
        "etc/systemd/system/vestibule.service.d/quick.conf": QUICK,
    }
    with booted(tmp_path / "root", files) as box:
        check_ready(box)
        check_reload(box)
        check_watchdog(box)
        check_stop(box)
        assert "hunter2" not in box.journal()
