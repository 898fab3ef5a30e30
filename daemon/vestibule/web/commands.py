"""`vestibule web pair`, `devices` and `revoke`: who may open the staff page; on the machine that serves it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TextIO

from vestibule.config import Settings
from vestibule.errors import ConfigError
from vestibule.web.devices import Devices
from vestibule.web.pairing import CODE_S, LONGEST_NAME, Pairing, clean_name
from vestibule.web.service import load_certificate, page_address
from vestibule.web.state import open_state
from vestibule.web_sections import WebConfig


def pair(settings: Settings, name: str | None, out: TextIO) -> int:
    """Print a code that pairs one phone, and where it is to be typed.

    Raises:
        ConfigError: the service was never started, its folder cannot be read, or the name is none.
        SinkError: the devices cannot be written.
    """
    given = "" if name is None else clean_name(name)
    if given is None:
        raise ConfigError(f"--name {name!r}: must be 1 to {LONGEST_NAME} printable characters")
    with _devices(settings) as devices:
        code = Pairing(open_state(settings.web.state_dir), devices, time.time).offer(given)
    address = page_address(settings.web, settings.web.port)
    print(f"on the phone, open   {address}/pair", file=out)
    print(f"and type the code    {code[:4]} {code[4:]}", file=out)
    print(f"or open              {address}/pair#{code}", file=out)
    print(f"good for {CODE_S / 60:.0f} minutes and one phone", file=out)
    return 0


def devices(settings: Settings, out: TextIO) -> int:
    """Print a line for each paired phone.

    Raises:
        ConfigError: the service was never started, or its folder cannot be read.
        SinkError: the devices cannot be read.
    """
    zone = settings.site.zone_info
    with _devices(settings) as found:
        for device in found.all():
            paired, seen = (datetime.fromtimestamp(at_s, zone) for at_s in (device.paired_at_s, device.seen_at_s))
            line = f"{device.device_id}  paired {paired:%Y-%m-%d %H:%M}  opened {seen:%Y-%m-%d %H:%M}  {device.name}"
            print(line, file=out)
    return 0


def revoke(settings: Settings, device_id: str, out: TextIO) -> int:
    """Unpair a phone; it holds at once, also for a page that is open.

    Raises:
        ConfigError: no such phone, the service was never started, or its folder cannot be read.
        SinkError: the devices cannot be written.
    """
    with _devices(settings) as found:
        if not found.revoke(device_id):
            raise ConfigError(f"no device {device_id!r}; `vestibule web devices` lists them")
    print(f"{device_id} revoked", file=out)
    return 0


def check_page(config: WebConfig) -> str:
    """Say how the page is set up on this machine.

    Raises:
        ConfigError: its certificate, folder or key cannot be used.
        SinkError: the devices cannot be read.
    """
    load_certificate(config)
    tls = "TLS by a proxy" if config.trusted_proxies else "TLS" if config.cert_file is not None else "no TLS here"
    about = f"{page_address(config, config.port)}, {tls}"
    if not config.state_dir.exists():
        return f"{about}, not started yet"
    found = Devices(open_state(config.state_dir).folder / "devices.sqlite3")
    try:
        count = len(found.all())
    finally:
        found.close()
    return f"{about}, {count} phone{'' if count == 1 else 's'} paired"


@contextmanager
def _devices(settings: Settings) -> Iterator[Devices]:
    state = open_state(settings.web.state_dir)
    found = Devices(state.folder / "devices.sqlite3")
    try:
        yield found
    finally:
        found.close()
