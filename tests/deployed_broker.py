"""The broker of deploy/mosquitto, as it is but for folders and ports, with certificates and passwords made for it."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mqtt_client import WAIT_S

from vestibule.broker import HOST, find_mosquitto
from vestibule.mqtt_section import MqttConfig

DEPLOY = Path(__file__).parents[1] / "deploy" / "mosquitto"
PASSWORDS = {"vestibule": "daemon's own", "staff": "floor", "homeassistant": "house", "dashboard": "wall"}


@dataclass(frozen=True, kw_only=True)
class Deployed:
    port: int
    websockets_port: int
    ca_file: Path

    def daemon_config(self, folder: Path) -> MqttConfig:
        """How the daemon logs in; its password is written into `folder`."""
        (folder / "password").write_text(PASSWORDS["vestibule"], encoding="utf-8")
        return MqttConfig(
            port=self.port, tls=True, ca_file=self.ca_file, username="vestibule", password_file=folder / "password"
        )


@contextmanager
def deployed(folder: Path) -> Iterator[Deployed]:
    ports = free_ports(2)
    config = _prepare(folder, ports)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([find_mosquitto(), "-c", config], stdout=log, stderr=subprocess.STDOUT)
        try:
            for port in ports:
                _wait_listening(port, process, folder / "log")
            yield Deployed(port=ports[0], websockets_port=ports[1], ca_file=folder / "ca.crt")
        finally:
            process.kill()
            process.wait(WAIT_S)


def _prepare(folder: Path, ports: list[int]) -> Path:
    subprocess.run(
        [DEPLOY / "make-certificates.sh", folder, HOST, "localhost"], check=True, capture_output=True, timeout=60
    )
    (folder / "acl").write_bytes((DEPLOY / "acl").read_bytes())
    (folder / "passwords").write_text("".join(f"{user}:{word}\n" for user, word in PASSWORDS.items()), encoding="utf-8")
    subprocess.run(["mosquitto_passwd", "-U", folder / "passwords"], check=True, capture_output=True, timeout=30)
    (folder / "data").mkdir()
    text = (DEPLOY / "mosquitto.conf").read_text(encoding="utf-8")
    text = text.replace("/etc/mosquitto/vestibule/", f"{folder}/").replace("/var/lib/mosquitto/", f"{folder}/data/")
    port_of = dict(zip(("8883", "8884"), ports, strict=True))
    text, replaced = re.subn(
        r"^listener (\d+)$", lambda found: f"listener {port_of[found[1]]} {HOST}", text, flags=re.MULTILINE
    )
    assert replaced == 2
    if os.geteuid() == 0:
        text += "user root\n"  # started as root it would become user mosquitto, who may not read this folder
    (folder / "mosquitto.conf").write_text(text, encoding="utf-8")
    return folder / "mosquitto.conf"


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _wait_listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1.0).close()
        except OSError:
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
        else:
            return
