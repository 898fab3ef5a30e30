import io
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from mqtt_client import WAIT_S, make_alert, make_message, needs_mosquitto, wait_until
from structlog.testing import capture_logs

from vestibule.broker import Mosquitto
from vestibule.claim_payloads import ClaimPayload, ClaimSetPayload, claim_message
from vestibule.config import Settings
from vestibule.errors import SinkError
from vestibule.mqtt_section import MqttConfig
from vestibule.payloads import AlertPayload
from vestibule.sections import SiteConfig
from vestibule.sinks import MqttSink
from vestibule.tail import AlertSubscriber, alert_line, claim_line, read_claim_state, run
from vestibule.types import Message

ALERT = AlertPayload.model_validate_json(make_message().payload)


def claim_of(number: int) -> Message:
    claim = ClaimSetPayload(schema_version=1, by="Ana", claim_id="press-0001")
    return claim_message(make_alert(number), claim, site="store", prefix="vestibule", at_s=1_700_000_012.5)


CLAIM = ClaimPayload.model_validate_json(claim_of(1).payload)


def test_a_line_tells_the_store_s_time_camera_garments_and_zones() -> None:
    assert alert_line(ALERT, ZoneInfo("UTC")) == "22:13:22 door  customer wearing Dress/Blazer  (entrance)"
    assert alert_line(ALERT, ZoneInfo("America/Mexico_City")).startswith("16:13:22 door")
    assert alert_line(ALERT.model_copy(update={"zones": ()}), ZoneInfo("UTC")).endswith("Dress/Blazer")


def test_a_line_tells_who_goes_and_how_long_the_alert_had_waited() -> None:
    assert claim_line(CLAIM, ZoneInfo("UTC")) == "22:13:32 door  Ana goes, 10 s after the alert"


def test_a_claim_of_no_possible_time_is_refused() -> None:
    later = CLAIM.model_copy(update={"claimed_at_s": 1e18}).model_dump_json().encode()
    with pytest.raises(ValueError, match="after the year 2106"):
        read_claim_state(later)


@needs_mosquitto
def test_claims_that_win_arrive_and_those_of_before_do_not() -> None:
    claims: list[ClaimPayload] = []
    with Mosquitto() as broker:
        config = MqttConfig(port=broker.port)
        sink = MqttSink(config, site="store")
        subscribers: list[AlertSubscriber] = []
        try:
            sink.publish(claim_of(1))
            wait_until(lambda: sink.state == "connected" and not sink._under_way, "the first claim at the broker")
            subscriber = AlertSubscriber(config, site="store", on_alert=lambda _: None, on_claim=claims.append)
            subscribers.append(subscriber)
            subscriber.wait_subscribed(WAIT_S)
            sink.publish(replace(claim_of(1), payload=b""))
            sink.publish(replace(claim_of(2), payload=b"{}"))
            sink.publish(claim_of(3))
            wait_until(lambda: bool(claims), "the claim")
            assert subscriber.ignored == 1
        finally:
            for each in subscribers:
                each.close()
            sink.close(1.0)
    assert [claim.alert_id for claim in claims] == ["visit-3:suit"]


@needs_mosquitto
def test_every_alert_arrives_also_after_a_restart_and_what_is_none_is_left_out() -> None:
    alerts: list[AlertPayload] = []
    with Mosquitto() as broker:
        config = MqttConfig(port=broker.port, client_id="the-daemon")
        subscriber = AlertSubscriber(config, site="store", on_alert=alerts.append)
        sink = MqttSink(config, site="store")
        try:
            subscriber.wait_subscribed(WAIT_S)
            with capture_logs() as log:
                sink.publish(Message(topic="vestibule/store/alerts", at_s=0.0, payload=b'{"schema_version":9}'))
                sink.publish(make_message(1))
                wait_until(lambda: len(alerts) == 1, "the first alert")
            assert [entry["event"] for entry in log if "ignored" in entry] == ["not an alert or claim of this version"]
            broker.restart()
            wait_until(lambda: broker.log.count("-tail-") > 0, "the subscriber's return")
            number = 1

            def arrived() -> bool:  # connection and subscription are confirmed a little after the broker says so
                nonlocal number
                number += 1
                sink.publish(make_message(number))
                return len(alerts) > 1

            wait_until(arrived, "an alert after the restart")
        finally:
            subscriber.close()
            sink.close(1.0)
    assert alerts[0].visit_id == "visit-1"


@needs_mosquitto
def test_run_prints_until_it_is_stopped() -> None:
    out, stop = io.StringIO(), threading.Event()
    with Mosquitto() as broker:
        settings = Settings(mqtt=MqttConfig(port=broker.port), site=SiteConfig(id="store", time_zone="Asia/Tokyo"))
        codes: list[int] = []
        thread = threading.Thread(target=lambda: codes.append(run(settings, out=out, stop=stop)))
        thread.start()
        try:
            wait_until(lambda: "-tail-" in broker.log, "the subscriber")
            sink = MqttSink(settings.mqtt, site="store")

            def printed() -> bool:
                sink.publish(make_message())
                return bool(out.getvalue())

            wait_until(printed, "a line")
            sink.close()
        finally:
            stop.set()
            thread.join(WAIT_S)
    assert codes == [0]
    assert out.getvalue().splitlines()[0] == "07:13:22 door  customer wearing Dress/Blazer  (entrance)"


def test_run_tells_at_once_that_there_is_no_broker() -> None:
    with pytest.raises(SinkError, match="nothing listens there"):
        run(Settings(mqtt=MqttConfig(port=1)), out=io.StringIO())


@needs_mosquitto
def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from vestibule import log\n"
        "from vestibule.config import Settings\n"
        "from vestibule.mqtt_section import MqttConfig\n"
        "from vestibule.sections import LogConfig\n"
        "from vestibule.tail import run\n"
        "log.configure(LogConfig())\n"
        "sys.exit(run(Settings(mqtt=MqttConfig(port=int(sys.argv[1])))))\n"
    )
    with Mosquitto() as broker, (tmp_path / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(broker.port)],
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        sink = MqttSink(MqttConfig(port=broker.port), site="store")
        try:
            wait_until(lambda: "-tail-" in broker.log, "the subscriber")
            assert process.stdout is not None
            process.stdout.close()

            def ended() -> bool:
                sink.publish(make_message())
                return process.poll() is not None

            wait_until(ended, "the end of tail")
        finally:
            process.kill()
            process.wait(WAIT_S)
            sink.close()
    assert process.returncode == 0
    assert b"Traceback" not in (tmp_path / "stderr").read_bytes()
    assert b"BrokenPipe" not in (tmp_path / "stderr").read_bytes()
