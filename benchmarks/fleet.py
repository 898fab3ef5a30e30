"""How many stores a broker carries: simulated boxes publish real events to a mosquitto on this machine.

    python benchmarks/fleet.py [--boxes 50 100 200 400] [--seconds 10] [--events-per-box 2]

- *messages*: the events of the demo clip, as `vestibule replay` publishes them: how many a customer makes, how long.
- *boxes*: so many MQTT 5 connections, each publishing those events at QoS 1 at its own rate, spread over the second;
  two consumers share them (`$share`). Delay: from a box's publish to a consumer's receipt, on one clock. Broker: its
  processor time and memory, from /proc; bytes on the wire by its own count ($SYS).

Boxes run in a process of their own; it, the consumers and the broker share this machine's cores, so that the broker of
a headquarters does better than the figures here.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import selectors
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import mean, quantiles

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from vestibule import config, demo
from vestibule.broker import HOST, Mosquitto
from vestibule.inline import run_inline
from vestibule.replay import choose_camera
from vestibule.sources.replay import ReplaySource
from vestibule.stages import build_stages, load_models
from vestibule.types import Message

CONSUMERS = 2
TICK_S = 0.005
_LATEST_S = 30.0
"""So long after the last event the boxes wait for acknowledgements."""
_COUNTED_S = 2.5
"""The broker counts its bytes once a second."""


def real_events() -> list[Message]:
    """What the demo clip publishes."""
    folder = Path(demo.__file__).parent
    settings = config.load(folder / "demo.toml")
    camera = choose_camera(settings, None)
    events: list[Message] = []
    run_inline(
        ReplaySource(folder / "demo.mp4", camera, 0.0).frames(),
        build_stages(settings, (camera,), load_models(settings)),
        events.append,
    )
    return [event for event in events if not event.retain]


class Box:
    """One store's connection, driven by whoever owns the selector."""

    def __init__(self, number: int, port: int) -> None:
        self.site = f"store-{number}"
        self.acknowledged = self.published = 0
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=self.site, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.max_inflight_messages_set(100)
        self.client.on_publish = self._note
        self.client.connect(HOST, port, keepalive=60)

    def _note(self, *_: object) -> None:
        self.acknowledged += 1

    def publish(self, event: Message) -> None:
        """Send an event as this store's, with the moment before its payload."""
        topic = f"vestibule/{self.site}/{event.topic.rsplit('/', 1)[1]}"
        self.published += 1
        self.client.publish(topic, f"{time.monotonic():.6f} ".encode() + event.payload, qos=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What the boxes are to do.

    Attributes:
        port: the broker's.
        boxes: how many.
        rate_hz: events a second of each.
        seconds: for how long.
        events: what they publish, in turn.
    """

    port: int
    boxes: int
    rate_hz: float
    seconds: float
    events: Sequence[Message]


def play_boxes(play: Play, told: Connection) -> None:
    """Be all boxes; tell how many events were published and how many acknowledged."""
    fleet = [Box(number, play.port) for number in range(play.boxes)]
    due_s = [number / play.boxes / play.rate_hz for number in range(play.boxes)]
    with selectors.DefaultSelector() as selector:
        for box in fleet:
            socket = box.client.socket()
            assert socket is not None  # noqa: S101 - it is connected
            selector.register(socket.fileno(), selectors.EVENT_READ, box)
        began_s = checked_s = time.monotonic()
        while (now_s := time.monotonic() - began_s) < play.seconds + _LATEST_S:
            for number, box in enumerate(fleet):
                if due_s[number] <= now_s < play.seconds:
                    box.publish(play.events[(number + box.published) % len(play.events)])
                    due_s[number] += 1 / play.rate_hz
            if now_s > play.seconds and all(box.acknowledged == box.published for box in fleet):
                break
            checked_s = _move(fleet, selector, checked_s)
    told.send((sum(box.published for box in fleet), sum(box.acknowledged for box in fleet)))
    for box in fleet:
        box.client.disconnect()


def _move(fleet: Sequence[Box], selector: selectors.BaseSelector, checked_s: float) -> float:
    """Let bytes in and out; once a second look after each connection. Returns when that was done last."""
    for key, _ in selector.select(TICK_S):
        key.data.client.loop_read()
    for box in fleet:
        if box.client.want_write():
            box.client.loop_write()
    if time.monotonic() - checked_s < 1:
        return checked_s
    for box in fleet:
        box.client.loop_misc()
    return time.monotonic()


class Consumer:
    """One of those who share the events."""

    def __init__(self, port: int) -> None:
        self.delays_s: list[float] = []
        self.ready = False
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = self._take
        self._client.on_subscribe = self._note_ready
        self._client.connect(HOST, port)
        self._client.subscribe([("$share/hq/vestibule/+/alerts", 1), ("$share/hq/vestibule/+/visits", 1)])
        self._client.loop_start()

    def _note_ready(self, *_: object) -> None:
        self.ready = True

    def _take(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.delays_s.append(time.monotonic() - float(message.payload.split(b" ", 1)[0]))

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a process has used: processor seconds, and megabytes of memory now."""

    cpu_s: float
    memory_mb: float


def use(pid: int) -> Use:
    """Read /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return Use(
        cpu_s=(int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
        memory_mb=pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
    )


def broker_bytes(port: int) -> int:
    """Bytes that the broker says it has received so far."""
    found: list[int] = []
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = lambda _client, _data, message: found.append(int(message.payload))
    client.connect(HOST, port)
    client.subscribe("$SYS/broker/bytes/received")
    deadline_s = time.monotonic() + 5
    while not found and time.monotonic() < deadline_s:
        client.loop(0.1)
    client.disconnect()
    return found[-1] if found else 0


def one_size(boxes: int, rate_hz: float, seconds: float, events: Sequence[Message]) -> str:
    """Run so many boxes; return a row of the table."""
    with Mosquitto(extra="sys_interval 1\nmax_queued_messages 0\nmax_inflight_messages 0\n") as broker:
        assert broker.pid is not None  # noqa: S101 - it runs
        consumers = [Consumer(broker.port) for _ in range(CONSUMERS)]
        while not all(consumer.ready for consumer in consumers):
            time.sleep(0.01)
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        play = Play(port=broker.port, boxes=boxes, rate_hz=rate_hz, seconds=seconds, events=events)
        process = spawn.Process(target=play_boxes, args=(play, theirs))
        before = use(broker.pid)
        process.start()
        if not ours.poll(seconds + 120):
            process.kill()
            return f"| {boxes} | the boxes did not finish |"
        published, acknowledged = ours.recv()
        deadline_s = time.monotonic() + 20
        while sum(len(c.delays_s) for c in consumers) < published and time.monotonic() < deadline_s:
            time.sleep(0.05)
        after = use(broker.pid)
        time.sleep(_COUNTED_S)
        received = broker_bytes(broker.port)
        process.join(20)
        for consumer in consumers:
            consumer.close()
    delays_ms = [1000 * delay for consumer in consumers for delay in consumer.delays_s]
    cuts = quantiles(delays_ms, n=100)
    share = 100 * (after.cpu_s - before.cpu_s) / seconds
    return (
        f"| {boxes} | {published / seconds:.0f} | {acknowledged / published:.4f} | {len(delays_ms) / published:.4f} "
        f"| {cuts[49]:.1f} / {cuts[94]:.1f} / {cuts[98]:.1f} | {share:.0f} % | {share / published * seconds * 10:.2f} "
        f"| {received / published:.0f} | {after.memory_mb:.0f} |"
    )


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boxes", type=int, nargs="+", default=[50, 100, 200, 400])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--events-per-box", type=float, default=2.0, metavar="HZ", help="events a second and box (2)")
    args = parser.parse_args()
    events = real_events()
    print("| events of the demo clip | how many | bytes, mean | bytes, longest |\n|---|---|---|---|")
    customers = len({json.loads(event.payload)["visit_id"] for event in events})
    for kind in ("alerts", "visits"):
        sizes = [len(event.payload) for event in events if event.topic.endswith(kind)]
        print(f"| {kind} | {len(sizes)} | {mean(sizes):.0f} | {max(sizes)} |")
    print(
        f"| all, of {customers} visits | {len(events)} ({len(events) / customers:.1f} a visit) | "
        f"{mean(len(event.payload) for event in events):.0f} | |\n"
    )
    print(
        "| boxes | events/s | acknowledged | received by a consumer | delay, ms: p50 / p95 / p99 | broker, of one core "
        "| broker, ms an event | bytes received an event | broker, MB |\n|---|---|---|---|---|---|---|---|---|"
    )
    for boxes in args.boxes:
        print(one_size(boxes, args.events_per_box, args.seconds, events), flush=True)
    with contextlib.suppress(OSError):
        print(f"\nload of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return 0


if __name__ == "__main__":
    sys.exit(main())
