"""Who may see the installer's page: whoever knows its password, for some hours."""

import hashlib
import hmac
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable

from pydantic import SecretStr

SESSION_S = 4 * 3600.0
_MOST_SESSIONS = 8
_TRIES, _WITHIN_S = 5, 60.0


class Login:
    """One password, a few sessions, and patience for five wrong passwords a minute. Safe to use from any thread.

    Args:
        password: of the page.
        monotonic: seconds that only grow.
    """

    def __init__(self, password: SecretStr, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._password, self._monotonic = _digest(password.get_secret_value()), monotonic
        self._turn = threading.Lock()
        self._wrong_s: deque[float] = deque(maxlen=_TRIES)
        self._sessions: dict[bytes, float] = {}

    def enter(self, password: str) -> str | float:
        """Return a new session's token if the password is right, else how many seconds to wait before the next try.

        Who tries while there is to be waited gets no answer about the password, right or wrong.
        """
        with self._turn:
            now_s = self._monotonic()
            if len(self._wrong_s) == _TRIES and (wait_s := self._wrong_s[0] + _WITHIN_S - now_s) > 0:
                return wait_s
            if not hmac.compare_digest(_digest(password), self._password):
                self._wrong_s.append(now_s)
                return 0.0
            token = secrets.token_urlsafe(32)
            self._sessions[_digest(token)] = now_s + SESSION_S
            while len(self._sessions) > _MOST_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
            return token

    def knows(self, token: str) -> bool:
        """Tell whether a session is open."""
        with self._turn:
            return self._sessions.get(_digest(token), float("-inf")) > self._monotonic()

    def leave(self, token: str) -> None:
        """Close a session."""
        with self._turn:
            self._sessions.pop(_digest(token), None)


def _digest(text: str) -> bytes:
    """Make texts of any length take the same time to compare, and keep no token in memory as it is."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
