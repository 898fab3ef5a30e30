"""The recorded examples are what a replay of the demo clip still says."""

from typing import Any

import pytest

from vestibule.asyncapi import examples
from vestibule.demo import BEGAN_AT
from vestibule.demo.examples import replayed

_OF_THE_NETWORKS = {"event_id", "visit_id", "alert_id", "seq", "score", "votes", "readings", "model"}
"""They differ by a little from one processor to another."""


def told(part: Any) -> Any:  # noqa: ANN401 - anything of a JSON document
    """Without numbers and ids, and times by the second."""
    if isinstance(part, dict):
        kept = {key: told(value) for key, value in part.items() if key not in _OF_THE_NETWORKS and key != "topic"}
        return {key: value for key, value in kept.items() if not key.endswith(("_at", "_at_s"))}
    return [told(each) for each in part] if isinstance(part, list) else part


@pytest.mark.slow  # it plays the whole clip
def test_they_are_what_a_replay_says_now() -> None:
    now, recorded = replayed(), examples()
    assert now.keys() <= recorded.keys()
    for name, said in now.items():
        assert told(said) == told(recorded[name]), "run python -m vestibule.demo.examples, then vestibule.asyncapi"
    (alert,) = (each["payload"] for each in now["alerts"])
    assert alert["raised_at_s"] == pytest.approx(recorded["alerts"][0]["payload"]["raised_at_s"], abs=1.0)
    assert alert["raised_at_s"] > BEGAN_AT.timestamp()
    (claim,) = (each["payload"] for each in now["claimState"])
    assert claim["claimed_at_s"] - claim["raised_at_s"] >= 5
