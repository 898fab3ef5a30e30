from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployed_broker import PASSWORDS, deployed
from mqtt_client import make_alert, make_message, needs_mosquitto, wait_saved, wait_until
from staff_page import alert_of, box, message_of
from structlog.testing import capture_logs

from vestibule.broker import Mosquitto
from vestibule.claim_payloads import ClaimSetPayload
from vestibule.mqtt_section import MqttConfig
from vestibule.sinks import MqttSink
from vestibule.web.board import Board
from vestibule.web.board_file import BoardFile
from vestibule.web.feed import Feed

pytestmark = needs_mosquitto
CLAIM = ClaimSetPayload(schema_version=1, by="Ana", claim_id="0123abcd-press")


@contextmanager
def feeding(
    config: MqttConfig, folder: Path, sites: tuple[str, ...] = (), client_id: str = "vestibule-web-test"
) -> Iterator[tuple[Feed, Board]]:
    file = BoardFile(folder / "alerts.sqlite3", "now")
    board = Board(file, retention_s=1e9, clock=lambda: make_alert().raised_at_s + 1e8)
    feed = Feed(config, client_id=client_id, sites=sites, session_s=3600, board=board)
    feed.start()
    try:
        wait_until(lambda: feed.connected, "the feed's connection")
        yield feed, board
    finally:
        feed.close()
        file.close()


def kinds(board: Board) -> list[tuple[str, str]]:
    return sorted((item.kind, item.site) for item in board.since(0))


def wait_for_box(board: Board, site: str = "store") -> None:
    """Its `available` has arrived, so the subscriptions hold."""
    wait_until(lambda: ("site", site) in kinds(board), f"{site} on the board")


def test_it_reads_every_store_and_claims_at_the_right_one(tmp_path: Path) -> None:
    with (
        Mosquitto() as broker,
        box(broker.port, "north") as north,
        box(broker.port, "south") as south,
        feeding(MqttConfig(port=broker.port), tmp_path) as (feed, board),
    ):
        for each in (north, south):
            wait_for_box(board, each.site)
            each.raise_alert(alert_of(1))
        wait_until(lambda: len(board.since(0)) == 4, "both alerts")
        assert feed.claim("south", "visit-1-suit", CLAIM) == "sent"
        wait_until(lambda: ("claim", "south") in kinds(board), "the claim")
        assert ("claim", "north") not in kinds(board)
        assert [(message.topic, message.retain) for message in south.asked] == [
            ("vestibule/south/alerts/visit-1-suit/claim/set", False)
        ]
        assert north.asked == []
        south.client.publish("vestibule/south/alerts/visit-1-suit/claim/state", b"", qos=1, retain=True)
        south.raise_alert(alert_of(2))
        wait_until(lambda: board.knows("south", "visit-2-suit"), "the next alert")
        assert ("claim", "south") in kinds(board)  # the visit has ended; who went is still shown
        assert feed.ignored == 0


def test_named_stores_only(tmp_path: Path) -> None:
    with (
        Mosquitto() as broker,
        box(broker.port, "north") as north,
        box(broker.port, "south") as south,
        feeding(MqttConfig(port=broker.port), tmp_path, sites=("south",)) as (_, board),
    ):
        wait_for_box(board, "south")
        north.raise_alert(alert_of(1))
        south.raise_alert(alert_of(2))
        wait_until(lambda: board.knows("south", "visit-2-suit"), "the alert")
        assert {site for _, site in kinds(board)} == {"south"}


def test_what_is_no_message_of_ours_is_counted_and_told_once(tmp_path: Path) -> None:
    with (
        Mosquitto() as broker,
        box(broker.port) as store,
        feeding(MqttConfig(port=broker.port), tmp_path) as (feed, board),
        capture_logs() as log,
    ):
        wait_for_box(board)
        odd = [
            ("alerts", b'{"schema_version":9}'),
            ("alerts", b"\xff"),
            ("alerts", b"[" * 5000),
            ("alerts/visit-1-suit/claim/state", b'{"schema_version":1}'),
            ("alerts", message_of(alert_of(9), "elsewhere").payload),
        ]
        for topic, payload in odd:
            store.client.publish(f"vestibule/store/{topic}", payload, qos=1)
        store.raise_alert(alert_of(3))
        wait_until(lambda: board.knows("store", "visit-3-suit"), "the good alert")
        assert feed.ignored == len(odd)
        assert [entry["event"] for entry in log].count("not a message of this version") == 1


def test_alerts_of_its_absence_arrive_also_over_a_restart_of_the_broker(tmp_path: Path) -> None:
    place = tmp_path / "broker"
    place.mkdir()
    keep = f"persistence true\npersistence_location {place}/\nautosave_interval 1\nautosave_on_changes true"
    with Mosquitto(extra=keep) as broker, box(broker.port) as store:
        config = MqttConfig(port=broker.port)
        with feeding(config, tmp_path) as (_, board):
            wait_for_box(board)
            wait_saved(place, "vestibule/+/alerts")
        store.raise_alert(alert_of(1))
        broker.restart()
        wait_until(store.client.is_connected, "the box's return")
        store.raise_alert(alert_of(2))
        with feeding(config, tmp_path) as (_, board):
            wait_until(lambda: board.knows("store", "visit-2-suit"), "the second alert")
            assert board.knows("store", "visit-1-suit")


def test_a_claim_while_the_broker_is_away_is_refused_at_once_and_never_sent_later(tmp_path: Path) -> None:
    with (
        Mosquitto() as broker,
        box(broker.port) as store,
        feeding(MqttConfig(port=broker.port), tmp_path) as (feed, board),
    ):
        wait_for_box(board)
        store.raise_alert(alert_of(1))
        broker.stop()
        wait_until(lambda: not feed.connected, "the loss")
        assert feed.claim("store", "visit-1-suit", CLAIM) == "disconnected"
        broker.restart()
        wait_until(lambda: feed.connected and store.client.is_connected(), "the return")
        assert feed.claim("store", "visit-1-suit", CLAIM) == "sent"
        wait_until(lambda: ("claim", "store") in kinds(board), "the claim")
        assert len(store.asked) == 1


def test_the_broker_that_is_deployed_lets_staff_do_all_of_it_and_claims_only(tmp_path: Path) -> None:
    with deployed(tmp_path) as broker:
        password = tmp_path / "staff.password"
        password.write_text(PASSWORDS["staff"], encoding="utf-8")
        config = MqttConfig(
            port=broker.port, tls=True, ca_file=broker.ca_file, username="staff", password_file=password
        )
        daemon = tmp_path / "daemon.password"
        daemon.write_text(PASSWORDS["vestibule"], encoding="utf-8")
        with feeding(config, tmp_path) as (feed, board):
            publish_as_daemon(config.model_copy(update={"username": "vestibule", "password_file": daemon}))
            wait_until(lambda: kinds(board) == [("alert", "store"), ("site", "store")], "what the daemon says")
            assert feed.claim("store", "visit-1:suit", CLAIM) == "sent"
            with capture_logs() as log:
                assert feed.claim("store", "a/b/c", CLAIM) == "denied"
            assert [entry["event"] for entry in log] == ["claim refused by the broker"]


def publish_as_daemon(config: MqttConfig) -> None:
    sink = MqttSink(config, site="store")
    sink.publish(make_message())
    sink.close(10.0)
