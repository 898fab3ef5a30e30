"""How late an alert is: from the first picture of a person to the alert at a subscriber.

    python benchmarks/latency.py [--seconds 150] [--cameras 3]

The demo's clip plays in a loop from one RTSP server for each camera, at 640x360 and 12 frames/s; each starts elsewhere
in it. The server tells when it sends the first picture of each customer who wears what the demo's rule asks for. The
daemon's pipeline publishes to a mosquitto of its own; a subscriber notes when an alert arrives. All of it is on one
machine and its clocks are one.

- *person appears to alert*: all of it.
- *waited on purpose*: until the picture that decides: the walk to the entrance line, and views enough to be sure of
  the garments.
- *picture to published*: of that picture: network, decoding, waiting for its turn, detector, tracker, batch,
  classifier, visits, rules, the broker's connection.
- *published to subscriber*: the broker.
"""

import argparse
import contextlib
import json
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as mqtt
from clips import BUSY, pictures, write
from live import RtspServer, no_servers_left, run_live
from measuring import percentiles, table
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from vestibule import config, demo
from vestibule.broker import HOST, Mosquitto
from vestibule.config import Settings
from vestibule.observers import NoMeter, Stage
from vestibule.outbox import Outbox
from vestibule.sections import CameraConfig
from vestibule.sinks import MqttSink
from vestibule.stages import load_models
from vestibule.types import Message

FPS, KEY_FRAME_EVERY = 12, 24
_START_APART = 5 * KEY_FRAME_EVERY
_WARM_UP_S = 3.0


@dataclass
class Times(NoMeter):
    """What was noted on the way, by alert id, in Unix seconds; and what each stage took."""

    published_s: dict[str, float] = field(default_factory=dict)
    since_capture_s: dict[str, float] = field(default_factory=dict)
    received_s: dict[str, float] = field(default_factory=dict)
    alerts: dict[str, dict[str, object]] = field(default_factory=dict)
    stages_s: defaultdict[Stage, list[float]] = field(default_factory=lambda: defaultdict(list))

    def took(self, stage: Stage, seconds: float) -> None:
        """Note a stage's time."""
        self.stages_s[stage].append(seconds)

    def published(self, message: Message, since_capture_s: float | None) -> None:
        """Note when an alert was handed to every sink."""
        if message.topic.endswith("/alerts") and since_capture_s is not None:
            alert_id = json.loads(message.payload)["alert_id"]
            self.published_s[alert_id], self.since_capture_s[alert_id] = time.time(), since_capture_s

    def receive(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        """Note when a subscriber got it."""
        at_s, payload = time.time(), json.loads(message.payload)
        self.received_s[payload["alert_id"]], self.alerts[payload["alert_id"]] = at_s, payload


def appearances() -> list[int]:
    """Return the frames of the clip in which somebody comes into view who is to be told of."""
    truth = json.loads((demo.HERE / "demo.truth.json").read_text(encoding="utf-8"))
    due = [p for p in truth["people"] if p["role"] == "customer" and {"Dress", "Blazer"} & set(p["garments"])]
    return sorted({round(begin_s * FPS) for person in due for begin_s, _ in person["visible_s"]})


def settings_for(servers: list[RtspServer], port: int) -> Settings:
    """Return the demo's settings for these cameras; visits end soon, as the same people come again next round."""
    plain = config.load(demo.HERE / "demo.toml")
    scene = plain.cameras[0].model_dump(exclude={"id", "source"}, exclude_unset=True)
    cameras = [
        CameraConfig.model_validate({**scene, "id": f"door-{number}", "source": server.address})
        for number, server in enumerate(servers)
    ]
    visits = plain.visits.model_copy(update={"reentry_window_s": 3.0, "inside_timeout_s": 3.0})
    return plain.model_copy(
        update={
            "cameras": tuple(cameras),
            "visits": visits,
            "mqtt": plain.mqtt.model_copy(update={"host": HOST, "port": port}),
        }
    )


def measure(folder: Path, seconds: float, cameras: int) -> tuple[Times, list[tuple[float, str]]]:
    """Run; returns the times, and (seconds since the person appeared, alert id) of each alert."""
    clip = write(folder / "looped.mp4", pictures(BUSY), FPS)
    tell = [str(frame) for frame in appearances()]
    times = Times()
    servers = [RtspServer(clip, "--start", str(n * _START_APART), "--tell", *tell) for n in range(cameras)]
    with no_servers_left(servers), Mosquitto() as broker, contextlib.ExitStack() as stack:
        subscriber = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        subscriber.on_message = times.receive
        subscriber.connect(HOST, broker.port)
        subscriber.subscribe("vestibule/+/alerts", qos=1)
        subscriber.loop_start()
        stack.callback(subscriber.loop_stop)
        settings = settings_for(servers, broker.port)
        sink = MqttSink(settings.mqtt, site=settings.site.id, outbox=Outbox(None, max_events=10_000))
        stack.callback(sink.close)
        sink.wait_connected(5.0)
        models = load_models(settings)
        run_live(settings, models, seconds=seconds, warm_up_s=_WARM_UP_S, sinks=[sink], meter=times)
        time.sleep(1)
        told = {f"door-{number}": list(server.told) for number, server in enumerate(servers)}
    found = []
    for alert_id, alert in times.alerts.items():
        seen_s = float(str(alert["first_seen_at_s"]))
        sent_s = [at_s for _, at_s in told[str(alert["camera"])]]
        if sent_s and alert_id in times.since_capture_s:
            appeared_s = min(sent_s, key=lambda at_s: abs(at_s - seen_s))
            found.append((times.received_s[alert_id] - appeared_s, alert_id))
    return times, found


def latency_table(folder: Path, seconds: float, cameras: int) -> str:
    """Measure; return the table."""
    times, found = measure(folder, seconds, cameras)
    on_the_way = {alert_id: times.received_s[alert_id] - times.published_s[alert_id] for _, alert_id in found}
    shown = {alert_id: times.since_capture_s[alert_id] for _, alert_id in found}
    rows = [
        ["person appears to alert at a subscriber", percentiles((total for total, _ in found))],
        [
            "of that, waited on purpose",
            percentiles(total - shown[alert_id] - on_the_way[alert_id] for total, alert_id in found),
        ],
        ["of that, **picture to published**", percentiles(shown.values(), form=".1f")],
        ["of that, published to subscriber", percentiles(on_the_way.values(), form=".1f")],
        *[[f"stage: {name}", percentiles(taken, form=".1f")] for name, taken in times.stages_s.items()],
    ]
    return table([f"{len(found)} alerts, {cameras} cameras", "ms: p50 / p95 / p99"], rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=150.0)
    parser.add_argument("--cameras", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(latency_table(Path(folder), args.seconds, args.cameras))


if __name__ == "__main__":
    main()
