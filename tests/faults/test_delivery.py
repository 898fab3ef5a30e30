"""Brokers and processes that die: a real mosquitto, a real process, a subscriber that counts by `event_id`.

Each test asks for three things: nothing that was committed is missing, every camera's events are in order, and the
outbox is empty in the end. `alert_ttl_s` is longer than every outage here. Run with `-s` to see the figures;
`VESTIBULE_FAULTS=full` kills the process ten times instead of five.
"""

import json
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from mqtt_client import WAIT_S, listening, needs_mosquitto, wait_until
from paho.mqtt.client import MQTTMessage
from publisher import (
    assert_ordered_per_camera,
    event,
    event_ids,
    events_in,
    is_event,
    lasting_broker,
    publishing,
    received_ids,
    waiting_on_disk,
)

from vestibule.broker import Mosquitto
from vestibule.mqtt_section import MqttConfig
from vestibule.outbox import Outbox, since_boot_s
from vestibule.sinks import MqttSink

pytestmark = needs_mosquitto

KILLS = 10 if os.environ.get("VESTIBULE_FAULTS") == "full" else 5


def assert_all_arrived(received: Sequence[MQTTMessage], committed: Sequence[str], outbox: Path) -> None:
    wait_until(lambda: set(received_ids(received)) >= set(committed), f"all, {len(waiting_on_disk(outbox))} on disk")
    assert_ordered_per_camera(received)
    assert waiting_on_disk(outbox) == []


def wait_received_after(number: int, received: Sequence[MQTTMessage]) -> None:
    wait_until(lambda: any(int(str(payload["seq"])) > number for payload in events_in(received)), f"one after {number}")


def report(**figures: object) -> None:
    print("figures:", json.dumps(figures))  # noqa: T201 - for docs/reliability.md


@pytest.mark.slow  # five outages, each with its way back
def test_a_broker_killed_and_restarted_five_times_at_random_moments(tmp_path: Path) -> None:
    moments, outbox = random.Random(5), tmp_path / "outbox"  # noqa: S311 - no secret hangs on it
    recovered_s: list[float] = []
    with lasting_broker(tmp_path) as (broker, received):
        with publishing(broker.port, outbox, first=0) as publisher:
            for _ in range(5):
                time.sleep(moments.uniform(0.1, 1.0))
                broker.kill()
                time.sleep(moments.uniform(0.0, 1.5))
                broker.restart()
                back_s = time.monotonic()
                # mosquitto saves once a second: what it took for a subscriber who is away, and was then killed with,
                # is the broker's to lose. So the next kill comes when the subscriber has something that is newer.
                wait_received_after(max(publisher.committed, default=-1), received)
                recovered_s.append(round(time.monotonic() - back_s, 2))
            committed = publisher.stop()  # drains
        assert_all_arrived(received, event_ids(committed), outbox)
        ids = received_ids(received)
    assert ids == event_ids(committed)
    report(committed=len(committed), received=len(ids), repeats=count_repeats(received), recovered_s=recovered_s)


def count_repeats(received: Sequence[MQTTMessage]) -> int:
    return sum(map(is_event, list(received))) - len(received_ids(received))


def test_a_broker_that_is_absent_at_the_start(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    with lasting_broker(tmp_path) as (broker, received):
        broker.stop()
        with publishing(broker.port, outbox, first=0, rate=200) as publisher:
            publisher.wait_committed(100)
            assert received_ids(received) == []
            broker.restart()
            wait_until(lambda: len(received_ids(received)) >= 100, "what waited")
            committed = publisher.stop()
        assert_all_arrived(received, event_ids(committed), outbox)
    report(committed=len(committed), received=len(received_ids(received)))


@pytest.mark.slow  # a process is started for every kill
def test_a_process_killed_at_random_moments(tmp_path: Path) -> None:
    """A third of the runs have no broker at all: their events are in the file and nowhere else."""
    moments, outbox = random.Random(10), tmp_path / "outbox"  # noqa: S311 - no secret hangs on it
    away = range(KILLS // 3, 2 * KILLS // 3)
    committed: list[int] = []
    left_behind: list[int] = []
    with lasting_broker(tmp_path) as (broker, received):
        for run in range(KILLS):
            if run == away.start:
                broker.stop()
            elif run == away.stop:
                broker.restart()
            first = committed[-1] + 2 if committed else 0  # one may be committed and not printed
            with publishing(broker.port, outbox, first=first, rate=300) as publisher:
                publisher.wait_committed(1)
                time.sleep(moments.uniform(0.0, 0.4))
                committed += publisher.kill()
            left_behind.append(len(waiting_on_disk(outbox)))
        with publishing(broker.port, outbox, first=committed[-1] + 2, rate=20) as publisher:
            wait_received_after(committed[-1], received)
            committed += publisher.stop()  # drains
        assert_all_arrived(received, event_ids(committed), outbox)
    assert left_behind[away.stop - 1] >= len(away)
    # What was committed in the instant between commit and print arrives too; nothing else does.
    extra = set(received_ids(received)) - set(event_ids(committed))
    assert extra <= set(event_ids([number + 1 for number in committed]))
    report(
        committed=len(committed),
        received=len(received_ids(received)),
        repeats=count_repeats(received),
        waiting_after_each_kill=left_behind,
    )


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_the_time_of_day_set_an_hour_on_or_back(tmp_path: Path, jump_s: float) -> None:
    """While the broker is away and alerts wait, and across a restart of the process."""
    wall_s = [time.time()]
    config = MqttConfig(port=1, alert_ttl_s=300)

    def open_outbox() -> Outbox:
        return Outbox(tmp_path / "outbox", clock=since_boot_s, wall=lambda: wall_s[0])

    sink = MqttSink(config, site="store", outbox=open_outbox())
    for number in range(12):
        sink.publish(event(number))
        wall_s[0] += jump_s if number == 6 else 0.0
    assert 0 <= sink.status().oldest_age_s < 300
    sink.close(0.1)
    with Mosquitto() as broker, listening(broker.port) as received:
        sink = MqttSink(config.model_copy(update={"port": broker.port}), site="store", outbox=open_outbox())
        wall_s[0] -= jump_s
        assert sink.drain(WAIT_S) == 0
        assert sink.status().outcomes == {"acknowledged": 12}
        sink.close()
        wait_until(lambda: received_ids(received) == event_ids(range(12)), "all twelve")
        alerts = [message for message in received if message.topic.endswith("/alerts")]
        for alert in alerts:
            assert alert.properties is not None
            assert 0 < alert.properties.json()["MessageExpiryInterval"] <= 300  # type: ignore[no-untyped-call]
    assert len(alerts) == 4
