"""`vestibule demo`: the shipped clip, a broker of its own, and the alerts as a subscriber sees them."""

import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vestibule import config
from vestibule.broker import HOST, Mosquitto
from vestibule.claim_payloads import ClaimPayload
from vestibule.claims import ClaimInbox
from vestibule.demo.page import Lingering, staff_page
from vestibule.errors import SinkError
from vestibule.payloads import AlertPayload
from vestibule.replay import ReplayOptions, Summary, drain, replay, replay_publisher
from vestibule.report import ReportOptions, report
from vestibule.tail import AlertSubscriber
from vestibule.types import Message

HERE = Path(__file__).parent
BEGAN_AT: Final = datetime(2026, 11, 2, 16, 0, tzinfo=UTC)
"""When the clip is taken to begin, where it is not played at its own pace."""
_LEDGER = "ledger.sqlite3"
_CONNECT_S = 6.0
_ARRIVE_S = 5.0


class _Stopwatch:
    """A sink that notes when each message was published, to time its way through the broker."""

    def __init__(self) -> None:
        self.published_s: dict[bytes, float] = {}

    def publish(self, message: Message) -> None:
        self.published_s[message.payload] = time.monotonic()

    def close(self) -> None:
        """Nothing to let go of."""


def demo(clip: Path | None, folder: Path, console: Console | None = None) -> int:
    """Replay a clip against a mosquitto child process; print alerts as they arrive, then a summary.

    On a terminal the staff page is served, the clip runs at its own pace, and afterwards claims count until Ctrl-C.

    Args:
        clip: the user's footage, with the default configuration; the shipped clip with its own if absent.
        folder: where the annotated video, the ledger and its report go; made if absent.
        console: where to print.

    Raises:
        VestibuleError: mosquitto is not installed, the clip is no video, ...
    """
    console = console or Console(highlight=False)
    settings = config.Settings()
    if clip is None:  # rendered people, none of whom can be singled out: a report of a minute shows every number
        settings = config.load(HERE / "demo.toml")
        settings = settings.model_copy(update={"ledger": settings.ledger.model_copy(update={"min_cell": 1})})
    clip = clip or HERE / "demo.mp4"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{_LEDGER}*"):
            left.unlink()  # what an earlier demo counted
    except OSError as error:
        raise SinkError(f"--out {folder}: {error.strerror}; name a folder that can be written") from error
    video = folder / f"{clip.stem}-annotated.mp4"
    with Mosquitto() as broker:
        local = settings.mqtt.model_copy(update={"host": HOST, "port": broker.port})
        settings = settings.model_copy(update={"mqtt": local})
        with staff_page(settings, console) if console.is_terminal else nullcontext():
            console.print(f"broker on {HOST}:{broker.port}; replaying {clip.name}")
            console.print("what a subscriber gets, as the staff's phones would:")
            summary, latencies_s = _play(settings, clip, video, console)
    page = folder / "report.html"
    options = ReportOptions(ledger=folder / _LEDGER, form="html", out=page)
    report(None, options, today=datetime.now(UTC).date(), stream=sys.stdout)
    console.print(_table(summary, latencies_s, live=console.is_terminal))
    console.print(f"annotated video: {video}", soft_wrap=True)
    console.print(f"report for a manager: {page}, out of {folder / _LEDGER}", soft_wrap=True)
    return 0


def _play(settings: config.Settings, clip: Path, video: Path, console: Console) -> tuple[Summary, list[float]]:
    stopwatch, received_s = _Stopwatch(), list[tuple[float, AlertPayload]]()
    live = console.is_terminal
    # On the page alerts have an age; elsewhere one and the same moment gives the same events on every run.
    start_s = time.time() if live else BEGAN_AT.timestamp()

    def show(alert: AlertPayload) -> None:
        received_s.append((time.monotonic(), alert))
        console.print(f"  [bold]ALERT[/] {alert.raised_at_s - start_s:5.1f} s  {alert.camera}: {alert.summary}")

    def show_claim(claim: ClaimPayload) -> None:
        waited_s = claim.claimed_at_s - claim.raised_at_s
        console.print(
            f"  [bold]CLAIM[/] {claim.claimed_at_s - start_s:5.1f} s  {escape(claim.by)}, after {waited_s:.1f} s"
        )

    subscriber = AlertSubscriber(settings.mqtt, site=settings.site.id, on_alert=show, on_claim=show_claim)
    try:
        subscriber.wait_subscribed(_CONNECT_S)
        claims = ClaimInbox()
        mqtt = replay_publisher(settings, claims)
        try:
            options = ReplayOptions(
                files=(clip,), annotate=video, ledger=video.with_name(_LEDGER), realtime=live, start_s=start_s
            )
            summary = replay(
                settings,
                options,
                sinks=(stopwatch, mqtt),
                console=console,
                claims=claims,
                linger=Lingering(console) if live else None,
            )
            drain(mqtt)
            deadline_s = time.monotonic() + _ARRIVE_S
            while len(received_s) < len(summary.alerts) and time.monotonic() < deadline_s:
                time.sleep(0.01)
        finally:
            mqtt.close()
    finally:
        subscriber.close()
    if len(received_s) < len(summary.alerts):
        raise SinkError(f"the subscriber got {len(received_s)} of {len(summary.alerts)} alerts; see the broker's log")
    sent_s = {
        AlertPayload.model_validate_json(raw).alert_id: at
        for raw, at in stopwatch.published_s.items()
        if b'"rule"' in raw
    }
    return summary, [at - sent_s[alert.alert_id] for at, alert in received_s]


def _table(summary: Summary, latencies_s: list[float], *, live: bool) -> Table:
    table = Table(title="What happened", show_header=False)
    after_s = [alert["raised_at_s"] - alert["first_seen_at_s"] for alert in summary.alerts]
    garments = ", ".join(f"{label} {count}" for label, count in summary.garments.most_common()) or "none recognised"
    table.add_row("visits", f"{summary.visits}, {summary.entered} entered")
    table.add_row("garments", garments)
    table.add_row("alerts", str(len(summary.alerts)))
    speed = summary.frames / max(summary.wall_s, 1e-9)
    pace = "" if live else f" in {summary.wall_s:.1f} s: {speed:.0f} frames/s, annotating included"
    table.add_row("frames", f"{summary.frames}{pace}")
    if after_s:
        table.add_row(
            "first sight to alert", f"median {median(after_s):.1f} s, longest {max(after_s):.1f} s of the clip"
        )
        table.add_row(
            "decided to received",
            f"median {1000 * median(latencies_s):.1f} ms, longest {1000 * max(latencies_s):.1f} ms",
        )
    return table
