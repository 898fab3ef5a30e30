"""The daemon's side of claims without its eyes: alerts as a test wants them, at the broker of deploy/mosquitto."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from deployed_broker import Deployed
from mqtt_client import MODEL, WAIT_S, make_alert, wait_until

from vestibule.claims import ClaimInbox, ClaimOutcome, Claims
from vestibule.payloads import alert_message
from vestibule.sinks import MqttSink
from vestibule.types import Alert, Message


def alert_of(number: int) -> Alert:
    """With an id that is a level of a topic."""
    return replace(make_alert(number), alert_id=f"visit-{number}-suit")


def event_of(number: int) -> Message:
    return alert_message(alert_of(number), site="store", prefix="vestibule", seq=number, model=MODEL)


class Decider:
    """Raises alerts, decides claims, ends visits; by the daemon's own code."""

    def __init__(self, sink: MqttSink, inbox: ClaimInbox) -> None:
        self.sink = sink
        self._inbox = inbox
        self._claims = Claims(site="store", prefix="vestibule")
        self._outcomes: list[ClaimOutcome] = []

    def raise_alert(self, number: int) -> None:
        self._claims.raised(alert_of(number))
        self.sink.publish(event_of(number))

    def wait_claims(self, count: int) -> list[ClaimOutcome]:
        """Decide claims as they come; return what became of all, once there are so many."""

        def enough() -> bool:
            for request in self._inbox.take():
                decision = self._claims.decide(request, 1_700_000_010.0)
                self._outcomes.append(decision.outcome)
                for message in decision.messages:
                    self.sink.publish(message)
            return len(self._outcomes) >= count

        wait_until(enough, f"{count} claims")
        return self._outcomes

    def end_visit(self, number: int) -> None:
        for message in self._claims.ended(alert_of(number).visit_id, 1_700_000_060.0):
            self.sink.publish(message)


@contextmanager
def deciding(broker: Deployed, folder: Path) -> Iterator[Decider]:
    """From when the broker has the subscription to claims."""
    inbox = ClaimInbox()
    sink = MqttSink(broker.daemon_config(folder), site="store", claims=inbox.put)
    try:
        sink.wait_connected(WAIT_S)
        wait_until(lambda: not sink._under_way, "the announcements, which come after the subscription")
        yield Decider(sink, inbox)
    finally:
        sink.close(1.0)
