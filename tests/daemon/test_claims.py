import json
from dataclasses import replace

import pytest
from mqtt_client import make_alert

from vestibule.claims import ClaimDecision, ClaimInbox, Claims
from vestibule.types import ClaimRequest

ALERT = make_alert()


def request(alert_id: str = ALERT.alert_id, *, by: str = "Ana", claim_id: str = "press-0001") -> ClaimRequest:
    payload = json.dumps({"schema_version": 1, "by": by, "claim_id": claim_id}).encode()
    return ClaimRequest(alert_id=alert_id, payload=payload)


@pytest.fixture
def claims() -> Claims:
    made = Claims(site="store", prefix="vestibule")
    made.raised(ALERT)
    return made


def test_the_first_wins_and_the_second_changes_nothing(claims: Claims) -> None:
    first = claims.decide(request(by="Ana"), ALERT.raised_at_s + 8)
    assert (first.outcome, first.waited_s) == ("accepted", 8.0)
    (state,) = first.messages
    assert state.retain
    assert state.topic == f"vestibule/store/alerts/{ALERT.alert_id}/claim/state"
    assert json.loads(state.payload)["by"] == "Ana"
    second = claims.decide(request(by="Ben", claim_id="press-0002"), ALERT.raised_at_s + 8)
    assert second == ClaimDecision(outcome="taken")


def test_a_claim_that_is_delivered_twice_is_one(claims: Claims) -> None:
    claims.decide(request(), 0.0)
    assert claims.decide(request(), 1.0) == ClaimDecision(outcome="repeated")


def test_two_presses_of_one_person_are_two_claims(claims: Claims) -> None:
    claims.decide(request(claim_id="press-0001"), 0.0)
    assert claims.decide(request(claim_id="press-0002"), 1.0).outcome == "taken"


def test_a_clock_that_stands_back_makes_no_negative_wait(claims: Claims) -> None:
    assert claims.decide(request(), ALERT.raised_at_s - 5).waited_s == 0.0


@pytest.mark.parametrize("alert_id", ["", "another", "visit-1:suit ", "+", "#", ".."])
def test_alerts_that_nobody_raised(claims: Claims, alert_id: str) -> None:
    assert claims.decide(request(alert_id), 0.0) == ClaimDecision(outcome="unknown")


def test_what_is_no_claim_is_malformed_whatever_it_names(claims: Claims) -> None:
    for alert_id in (ALERT.alert_id, "another"):
        assert claims.decide(ClaimRequest(alert_id=alert_id, payload=b"{}"), 0.0).outcome == "malformed"


def test_the_end_of_a_visit_clears_what_was_claimed_and_ends_the_claiming(claims: Claims) -> None:
    dress = replace(ALERT, alert_id="visit-1:dress")
    other = make_alert(2)
    claims.raised(dress)
    claims.raised(other)
    claims.decide(request(ALERT.alert_id), 0.0)
    claims.decide(request(other.alert_id), 0.0)
    (cleared,) = claims.ended(ALERT.visit_id, 50.0)  # nobody had claimed the dress
    assert (cleared.payload, cleared.retain, cleared.at_s) == (b"", True, 50.0)
    assert cleared.topic == f"vestibule/store/alerts/{ALERT.alert_id}/claim/state"
    for alert in (ALERT, dress):
        assert claims.decide(request(alert.alert_id), 51.0).outcome == "unknown"
    assert claims.ended(ALERT.visit_id, 52.0) == []
    assert claims.decide(request(other.alert_id), 53.0).outcome == "repeated"  # the other customer is still there


def test_the_inbox_keeps_the_order_and_its_bound() -> None:
    inbox = ClaimInbox()
    assert inbox.take() == []
    took = [inbox.put(request(f"a{number}")) for number in range(1000)]
    assert took[0]
    assert not took[-1]
    taken = inbox.take()
    assert [one.alert_id for one in taken] == [f"a{number}" for number in range(took.count(True))]
    assert inbox.put(request("later"))
    assert inbox.take() == [request("later")]
