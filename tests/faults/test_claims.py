"""Claims with the whole daemon, a broker and staff: two at the same moment, and whoever is killed meanwhile.

The daemon and the staff have the users and rights of deploy/mosquitto/acl.
"""

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import paho.mqtt.publish
import pytest
from daemon_process import Daemon, daemon
from deployed_broker import DEPLOY, PASSWORDS
from mqtt_client import listening, needs_mosquitto, on_topic, wait_until
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from toyshop import clip, crossing

from vestibule.broker import Mosquitto

pytestmark = [needs_mosquitto, pytest.mark.slow]

ALERTS = 20 if os.environ.get("VESTIBULE_FAULTS") == "full" else 3
STAFF = ("staff", PASSWORDS["staff"])


@pytest.fixture(scope="module")
def stroll(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dress that crosses the picture in six seconds; then nobody."""
    return clip(tmp_path_factory.mktemp("clip") / "stroll.mp4", 40, crossing("Dress", 0.0, seconds=6))


@pytest.fixture(scope="module")
def long_stroll(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("clip") / "stroll.mp4", 60, crossing("Dress", 0.0, seconds=50))


@contextmanager
def shop(folder: Path, video: Path, *, extra: str = "") -> Iterator[tuple[Mosquitto, Path]]:
    """A broker with the access list that is handed out, and the configuration of a daemon that uses it."""
    acl = (DEPLOY / "acl").read_text(encoding="utf-8")
    with Mosquitto(users=PASSWORDS, acl=acl, extra=extra) as broker:
        (folder / "password").write_text(PASSWORDS["vestibule"], encoding="utf-8")
        path = folder / "vestibule.toml"
        path.write_text(
            f"config_version = 1\n[mqtt]\nport = {broker.port}\nusername = 'vestibule'\n"
            f"password_file = '{folder / 'password'}'\n[visits]\nreentry_window_s = 1\n"
            f"[[cameras]]\nid = 'door'\nsource = '{video}'\n",
            encoding="utf-8",
        )
        yield broker, path


def claim(port: int, alert_id: str, by: str) -> None:
    payload = json.dumps({"schema_version": 1, "by": by, "claim_id": f"press-of-{by}"})
    paho.mqtt.publish.single(
        f"vestibule/store/alerts/{alert_id}/claim/set",
        payload,
        qos=1,
        hostname="127.0.0.1",
        port=port,
        auth={"username": STAFF[0], "password": STAFF[1]},
        protocol=MQTTProtocolVersion.MQTTv5,
    )


def wait_alert(received: list[MQTTMessage], number: int = 0) -> dict[str, Any]:
    wait_until(lambda: len(on_topic(received, "/alerts")) > number, "the alert")
    alert: dict[str, Any] = json.loads(on_topic(received, "/alerts")[number])
    return alert


def states(received: list[MQTTMessage]) -> list[bytes]:
    return on_topic(received, "/claim/state")


def claims_counted(running: Daemon) -> dict[str, float]:
    page = running.scrape("/metrics")[1]
    return {
        outcome: float(count)
        for outcome, count in re.findall(r'^vestibule_claims_total\{outcome="(\w+)"\} (\S+)$', page, re.MULTILINE)
        if float(count)
    }


def test_of_two_who_claim_at_the_same_moment_one_wins_and_all_see_who(stroll: Path, tmp_path: Path) -> None:
    with shop(tmp_path, stroll) as (broker, config), ExitStack() as stack:
        phones = [stack.enter_context(listening(broker.port, "vestibule/#", STAFF)) for _ in range(3)]
        running = stack.enter_context(daemon(config))
        alert = wait_alert(phones[0])
        moment = threading.Barrier(2)

        def press(by: str) -> None:
            moment.wait()
            claim(broker.port, alert["alert_id"], by)

        staff = [threading.Thread(target=press, args=(by,)) for by in ("Ana", "Ben")]
        for person in staff:
            person.start()
        for person in staff:
            person.join()
        wait_until(lambda: all(states(phone) for phone in phones), "the state on every phone")
        wait_until(lambda: claims_counted(running) == {"accepted": 1, "taken": 1}, "both decisions")
        with listening(broker.port, "vestibule/#", STAFF) as late:
            wait_until(lambda: bool(states(late)), "the state on a phone that comes late")
            assert late[0].retain
            phones.append(late)
            wait_until(lambda: all(len(states(phone)) > 1 for phone in phones), "the end of the visit")
        assert {tuple(states(phone)) for phone in phones} == {(states(phones[0])[0], b"")}
        state = json.loads(states(phones[0])[0])
        assert state["by"] in ("Ana", "Ben")
        assert state["claim_id"] == f"press-of-{state['by']}"
        assert (state["raised_at_s"], state["visit_id"]) == (alert["raised_at_s"], alert["visit_id"])
        assert state["claimed_at_s"] > state["raised_at_s"]
        claim(broker.port, alert["alert_id"], "Cleo")
        wait_until(lambda: claims_counted(running).get("unknown") == 1, "a claim that came too late")
        assert len(states(phones[0])) == 2
        assert [entry["why"] for entry in running.events("claim ignored")] == ["unknown"]


def test_a_broker_that_forgot_everything_is_told_again_and_the_end_clears(long_stroll: Path, tmp_path: Path) -> None:
    with shop(tmp_path, long_stroll) as (broker, config), daemon(config) as running:
        with listening(broker.port, "vestibule/#", STAFF) as phone:
            alert = wait_alert(phone)
            claim(broker.port, alert["alert_id"], "Ana")
            wait_until(lambda: bool(states(phone)), "the state")
            state = states(phone)[0]
        broker.kill()
        wait_until(lambda: bool(running.events("broker not connected")), "the loss")
        broker.restart()  # without persistence: it knows nothing any more
        with listening(broker.port, "vestibule/#", STAFF) as phone:
            wait_until(lambda: bool(states(phone)), "the state again")
            assert states(phone) == [state]
            running.process.terminate()
            assert running.ended() == 0, running.printed
            wait_until(lambda: states(phone) == [state, b""], "the end of the visit")


def test_a_killed_daemon_s_claims_are_cleared_by_the_next(long_stroll: Path, tmp_path: Path) -> None:
    with shop(tmp_path, long_stroll) as (broker, config), listening(broker.port, "vestibule/#", STAFF) as phone:
        with daemon(config) as running:
            alert = wait_alert(phone)
            claim(broker.port, alert["alert_id"], "Ana")
            wait_until(lambda: len(states(phone)) == 1, "the state")
            running.process.kill()
            running.ended()
        claim(broker.port, alert["alert_id"], "Ben")  # kept for the daemon by the broker, as a session of its own
        with daemon(config) as running:
            wait_until(lambda: len(states(phone)) == 2, "that the state of before is cleared")
            assert states(phone)[1] == b""
            wait_until(lambda: claims_counted(running) == {"unknown": 1}, "the claim that came meanwhile")
            again = wait_alert(phone, 1)
            assert again["alert_id"] != alert["alert_id"]
            claim(broker.port, again["alert_id"], "Ben")
            wait_until(lambda: len(states(phone)) == 3, "the new claim's state")
            assert json.loads(states(phone)[2])["by"] == "Ben"


def test_every_claim_is_answered_to_all(tmp_path: Path) -> None:
    """Two press at each of many alerts; prints how long it took until three phones had the answer."""
    walks = [crossing(("Dress", "Blazer")[number % 2], 3.0 * number) for number in range(ALERTS)]
    video = clip(tmp_path / "walks.mp4", 3.0 * ALERTS + 5, *walks)
    taken_s: list[float] = []
    with shop(tmp_path, video) as (broker, config), ExitStack() as stack:
        phones = [stack.enter_context(listening(broker.port, "vestibule/#", STAFF)) for _ in range(3)]
        hands = [stack.enter_context(hand(broker.port)) for _ in range(2)]
        running = stack.enter_context(daemon(config))
        for number in range(ALERTS):
            alert = wait_alert(phones[0], number)
            topic = f"vestibule/store/alerts/{alert['alert_id']}/claim"
            began_s = time.monotonic()
            for who, client in enumerate(hands):
                claimed = {"schema_version": 1, "by": f"Hand {who}", "claim_id": f"press-{number}-{who}"}
                client.publish(f"{topic}/set", json.dumps(claimed), qos=1)
            wait_until(lambda topic=topic: all(on_topic(phone, f"{topic}/state") for phone in phones), "the answer")  # type: ignore[misc]
            taken_s.append(time.monotonic() - began_s)
            assert len({on_topic(phone, f"{topic}/state")[0] for phone in phones}) == 1
        wait_until(lambda: sum(claims_counted(running).values()) == 2 * ALERTS, "all decisions")
        assert claims_counted(running) == {"accepted": ALERTS, "taken": ALERTS}
    middle, longest = (round(value, 2) for value in (median(taken_s), max(taken_s)))
    print("figures:", json.dumps({"alerts": ALERTS, "median_s": middle, "longest_s": longest}))  # noqa: T201 - for docs/reliability.md


@contextmanager
def hand(port: int) -> Iterator[Client]:
    """A staff app that is connected and presses when it is told."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set(*STAFF)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()
