"""The counters at the broker: what is told when, restored after a restart, forgotten with a camera."""

from pathlib import Path
from zoneinfo import ZoneInfo

from fakes import Clock
from ledgers import NOON_S, ledger, visit
from mqtt_client import listening, needs_mosquitto, on_topic, wait_until

from vestibule.broker import Mosquitto
from vestibule.counts import COUNTED
from vestibule.mqtt_section import MqttConfig
from vestibule.sinks import CountersSink, LedgerSink, MqttSink, Sink
from vestibule.types import Message

HOUR_S = 3600.0


class Told(list[Message]):
    """Everything that was told; `now` is what the broker would have."""

    def now(self, camera: str = "door", name: str = "visits") -> str | None:
        found = [m.payload.decode() for m in self if m.topic == f"vestibule/store/counts/{camera}/{name}"]
        return found[-1] if found else None


def counters(
    told: Told, *cameras: str, kept: LedgerSink | None = None, clock: Clock | None = None, how: str = "exact"
) -> CountersSink:
    return CountersSink(
        site="store",
        prefix="vestibule",
        zone=ZoneInfo("UTC"),
        cameras=cameras or ("door",),
        told=how,  # type: ignore[arg-type]  # one of three words
        min_cell=5,
        known=(lambda _: ()) if kept is None else kept.visits_since,
        gone=() if kept is None else kept.cameras(),
        tell=told.append,
        clock=clock or Clock(NOON_S),
    )


def test_all_are_told_at_the_start_and_then_what_changes() -> None:
    told = Told()
    sink = counters(told)
    assert len(told) == len(COUNTED)
    assert all(message.retain and message.payload == b"0" for message in told)
    sink.publish(visit(worn=("Dress",)))
    assert [(m.topic, m.payload) for m in told[len(COUNTED) :]] == [
        ("vestibule/store/counts/door/visits", b"1"),
        ("vestibule/store/counts/door/Dress", b"1"),
    ]
    sink.publish(visit(worn=("Dress",)))
    sink.publish(Message(topic="vestibule/store/cameras", at_s=1.0, payload=b"{}", retain=True))
    assert len(told) == len(COUNTED) + 2
    sink.close()


def test_in_steps_no_single_customer_is_seen() -> None:
    told = Told()
    sink = counters(told, how="steps")
    for n in range(14):
        sink.publish(visit(n))
    assert [m.payload for m in told if m.topic.endswith("door/visits")] == [b"0", b"5", b"10"]


def test_midnight_comes_without_any_visit() -> None:
    told, clock = Told(), Clock(NOON_S)
    sink = counters(told, clock=clock)
    sink.publish(visit())
    sink.tend(NOON_S + 11.99 * HOUR_S)
    assert told.now() == "1"
    clock.now_s = NOON_S + 12 * HOUR_S
    sink.tend(clock.now_s)
    assert told.now() == told.now(name="Dress") == "0"


def test_a_restart_in_the_middle_of_the_day(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    kept, told = ledger(path), Told()
    sinks: list[Sink] = [kept, counters(told, kept=kept)]
    stay = {"stay_id": "door-1", "in_doubt": False}
    for message in (
        visit(1),
        visit(2, camera="hall", stay=stay, at_s=NOON_S + 60),
        visit(3, at_s=NOON_S - 20 * HOUR_S),  # yesterday
        visit(4, silent=True),
    ):
        for sink in sinks:
            sink.publish(message)
    kept.close()
    before = told.now(), told.now(name="Dress")
    kept, told = ledger(path), Told()
    sink = counters(told, "door", "hall", kept=kept, clock=Clock(NOON_S + HOUR_S))
    assert (told.now(), told.now(name="Dress")) == before == ("1", "1")
    assert told.now("hall") == "0"
    sink.publish(visit(2, camera="hall", stay=stay, at_s=NOON_S + 60))  # delivered once more
    sink.publish(visit(5, at_s=NOON_S + HOUR_S))
    assert (told.now(), told.now("hall")) == ("2", "0")
    kept.close()


def test_a_restart_on_the_next_day_starts_at_nothing(tmp_path: Path) -> None:
    kept, told = ledger(tmp_path / "ledger.sqlite3"), Told()
    kept.publish(visit())
    counters(told, kept=kept, clock=Clock(NOON_S + 24 * HOUR_S))
    assert told.now() == "0"
    kept.close()


def test_a_camera_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    kept, told = ledger(tmp_path / "ledger.sqlite3"), Told()
    kept.publish(visit(1, camera="attic"))
    sink = counters(told, "door", "hall", kept=kept)
    assert told.now("attic") == ""
    sink.watch(["door"])
    assert (told.now("hall"), told.now("door")) == ("", "0")
    sink.watch(["door", "hall"])
    assert told.now("hall") == "0"
    kept.close()


def test_off_forgets_all_of_them() -> None:
    told = Told()
    sink = counters(told, how="off")
    sink.publish(visit())
    sink.tend(NOON_S + 24 * HOUR_S)
    assert {message.payload for message in told} == {b""}
    assert len(told) == len(COUNTED)


@needs_mosquitto
def test_who_subscribes_late_has_them_at_once_also_after_the_broker_forgot() -> None:
    with Mosquitto() as broker:
        mqtt = MqttSink(MqttConfig(port=broker.port, connect_timeout_s=2), site="store")
        try:
            sink = counters(Told(), clock=Clock(NOON_S))
            sink._tell = mqtt.publish
            for n in range(3):
                sink.publish(visit(n))
            for _ in range(2):
                wait_until(lambda: mqtt.state == "connected", "the connection")
                with listening(broker.port, "vestibule/store/counts/#") as received:
                    wait_until(lambda: b"3" in on_topic(received, "door/visits"), "the count")
                    assert received[0].retain
                broker.kill()
                wait_until(lambda: mqtt.state == "not connected", "the loss")
                broker.restart()  # without persistence
        finally:
            mqtt.close(1.0)
