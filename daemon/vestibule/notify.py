"""What systemd is told of the service: sd_notify(3), one datagram a message; nothing where systemd does not ask."""

import os
import re
import socket
import time
from collections.abc import Callable, Mapping

_MICROSECONDS = re.compile("[0-9]{1,18}")


class Notifier:
    """Speaks to the service manager that started this process, if one did and wants to hear.

    Args:
        environment: names the manager's socket and the watchdog's time.
        monotonic: seconds that only grow.
    """

    def __init__(
        self, environment: Mapping[str, str] = os.environ, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address  # '@': Linux's abstract sockets
        mine = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        wanted_us = environment.get("WATCHDOG_USEC", "")
        self._watchdog_s = int(wanted_us) / 1e6 if mine and _MICROSECONDS.fullmatch(wanted_us) else 0.0
        self._monotonic = monotonic
        self._fed_s = -1e9
        self._status = ""

    def ready(self) -> None:
        """The service is up, or has done with reloading."""
        self._send("READY=1")

    def reloading(self) -> None:
        """The configuration is being read again; `ready` says when that is over."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The service is ending."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows; repetitions are not sent."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def alive(self) -> None:
        """Feed the watchdog, four times as often as it asks for."""
        now_s = self._monotonic()
        if self._watchdog_s and now_s - self._fed_s >= self._watchdog_s / 4:
            self._fed_s = now_s
            self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.settimeout(1.0)
            try:
                out.sendto(message.encode(), self._address)
            except OSError:  # a manager that does not listen is no reason to end; its watchdog will see to it
                return
