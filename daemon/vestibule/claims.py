"""Who goes to which customer: the first claim of an alert wins, and holds until the customer's visit ends.

`Claims` belongs to the thread that decides; a `ClaimInbox` brings it what the network's thread receives.
"""

from dataclasses import dataclass
from queue import Full, Queue
from typing import Literal

from vestibule.claim_payloads import claim_message, claim_state_topic, read_claim
from vestibule.types import Alert, ClaimRequest, Message

ClaimOutcome = Literal["accepted", "repeated", "taken", "unknown", "malformed"]
"""accepted: the first of its alert; repeated: that one once more (QoS 1 may deliver twice); taken: somebody was faster;
unknown: no alert of that id, or its visit has ended; malformed: no claim."""

_INBOX_LENGTH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimDecision:
    """What became of a claim.

    Attributes:
        outcome: that.
        messages: to be published; none unless accepted.
        waited_s: from the alert to the claim; None unless accepted.
    """

    outcome: ClaimOutcome
    messages: tuple[Message, ...] = ()
    waited_s: float | None = None


class Claims:
    """The alerts of open visits, and who has claimed them."""

    def __init__(self, *, site: str, prefix: str) -> None:
        self._site, self._prefix = site, prefix
        self._alerts: dict[str, Alert] = {}
        self._claim_ids: dict[str, str] = {}  # of the claim that won, by alert

    def raised(self, alert: Alert) -> None:
        """Let an alert be claimed from now on."""
        self._alerts[alert.alert_id] = alert

    def decide(self, request: ClaimRequest, now_s: float) -> ClaimDecision:
        """Take in a claim that arrived now, `now_s` in Unix seconds, UTC."""
        try:
            claim = read_claim(request.payload)
        except ValueError:
            return ClaimDecision(outcome="malformed")
        alert = self._alerts.get(request.alert_id)
        if alert is None:
            return ClaimDecision(outcome="unknown")
        if alert.alert_id in self._claim_ids:
            return ClaimDecision(outcome="repeated" if self._claim_ids[alert.alert_id] == claim.claim_id else "taken")
        self._claim_ids[alert.alert_id] = claim.claim_id
        state = claim_message(alert, claim, site=self._site, prefix=self._prefix, at_s=now_s)
        return ClaimDecision(outcome="accepted", messages=(state,), waited_s=max(0.0, now_s - alert.raised_at_s))

    def ended(self, visit_id: str, now_s: float) -> list[Message]:
        """Forget the alerts of a visit that has ended; return what clears their states at the broker."""
        over = [alert_id for alert_id, alert in self._alerts.items() if alert.visit_id == visit_id]
        claimed = [alert_id for alert_id in over if self._claim_ids.pop(alert_id, None) is not None]
        for alert_id in over:
            del self._alerts[alert_id]
        topics = (claim_state_topic(self._prefix, self._site, alert_id) for alert_id in claimed)
        return [Message(topic=topic, at_s=now_s, payload=b"", retain=True) for topic in topics]


class ClaimInbox:
    """Claims that nobody has decided about yet; a limited number of them, so that a flood costs no memory."""

    def __init__(self) -> None:
        self._waiting: Queue[ClaimRequest] = Queue(_INBOX_LENGTH)

    def put(self, request: ClaimRequest) -> bool:
        """Return at once, and whether there was room."""
        try:
            self._waiting.put_nowait(request)
        except Full:
            return False
        return True

    def take(self) -> list[ClaimRequest]:
        """Return what has arrived up to now, in its order; one thread only may take."""
        return [self._waiting.get_nowait() for _ in range(self._waiting.qsize())]
