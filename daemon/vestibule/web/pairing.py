"""How a phone becomes one of the staff's: a code from the administrator, then a signed cookie."""

import hashlib
import hmac
import math
import re
import secrets
from collections import deque
from collections.abc import Callable

import structlog
from itsdangerous import BadSignature, URLSafeTimedSerializer

from vestibule.web.devices import Device, Devices
from vestibule.web.state import State

CODE_S = 300.0
"""How long a code is good for."""
COOKIE_S = 180 * 86_400
"""How long a phone stays paired that nobody opens the page on."""
LONGEST_NAME = 40
_DIGITS = 8
_TRIES_EACH, _TRIES_ALL, _TRIES_S = 5, 30, 300.0


log = structlog.get_logger(__name__)


class Pairing:
    """Codes and cookies.

    Args:
        state: whose key signs.
        devices: what is paired.
        clock: Unix seconds.
    """

    def __init__(self, state: State, devices: Devices, clock: Callable[[], float]) -> None:
        self._key = state.key.get_secret_value()
        self._devices = devices
        self._clock = clock
        self._signer = URLSafeTimedSerializer(self._key, salt="vestibule device")

    def offer(self, name: str = "") -> str:
        """Make a code of 8 digits that pairs one device within `CODE_S`.

        Args:
            name: the device's; if empty the person is asked.

        Raises:
            SinkError: it cannot be noted.
        """
        code = f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}}"
        self._devices.offer(self._digest(code), name, self._clock() + CODE_S)
        return code

    def redeem(self, code: str, name: str) -> Device | None:
        """Pair a device if the code is good; spaces and hyphens in it do not count.

        Raises:
            NamelessError: neither the person nor the administrator has named it.
            SinkError: it cannot be noted.
        """
        return self._devices.redeem(self._digest(re.sub(r"[\s-]", "", code)), name, self._clock())

    def cookie(self, device: Device) -> str:
        """Return what the device shows from now on."""
        return self._signer.dumps(device.device_id)

    def device_of(self, cookie: str) -> Device | None:
        """Return whose cookie it is; None if it is forged, too old or revoked.

        Raises:
            SinkError: the devices cannot be read.
        """
        try:
            device_id = self._signer.loads(cookie, max_age=COOKIE_S)
        except BadSignature:
            return None
        return self._devices.get(device_id) if isinstance(device_id, str) else None

    def _digest(self, code: str) -> str:
        return hmac.new(self._key.encode(), f"code {code}".encode(), hashlib.sha256).hexdigest()


class Tries:
    """How often codes may be tried: by each address, and by all together; guesses are hopeless within these.

    Args:
        monotonic: seconds that only grow.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._made: deque[tuple[float, str]] = deque()
        self._told_s = -_TRIES_S

    def wait_s(self, address: str) -> int:
        """Count a try, and return 0; or do not, and return the whole seconds after which one is allowed."""
        now_s = self._monotonic()
        while self._made and now_s - self._made[0][0] >= _TRIES_S:
            self._made.popleft()
        mine = [at_s for at_s, who in self._made if who == address]
        first_s = mine[0] if len(mine) >= _TRIES_EACH else self._made[0][0] if len(self._made) >= _TRIES_ALL else None
        if first_s is not None:
            if now_s - self._told_s >= _TRIES_S:  # whoever floods the page shall not flood the log
                self._told_s = now_s
                log.warning("pairing: too many tries", address=address)
            return max(1, math.ceil(first_s + _TRIES_S - now_s))
        self._made.append((now_s, address))
        return 0


def clean_name(text: object) -> str | None:
    """Return a device's name without space around it: 1 to 40 printable characters; None if it is not one."""
    if not isinstance(text, str):
        return None
    name = " ".join(text.split())
    return name if 0 < len(name) <= LONGEST_NAME and name.isprintable() else None
