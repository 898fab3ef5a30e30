"""Where the daemon's events go, and where claims come from: opens what the configuration names."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from vestibule.claims import ClaimInbox
from vestibule.config import Settings
from vestibule.outbox import Outbox
from vestibule.sinks import CountersSink, JsonlSink, LedgerSink, MqttSink, Sink

log = structlog.get_logger()

_DRAIN_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What is open; kept over a reload that does not concern it.

    Attributes:
        mqtt: the broker.
        jsonl: the events file.
        ledger: what reports are made of.
        counters: today's customers, told over `mqtt`.
        claims: what staff say that they go to, as it came over `mqtt`.
    """

    mqtt: MqttSink
    jsonl: JsonlSink | None
    ledger: LedgerSink | None
    counters: CountersSink
    claims: ClaimInbox

    @property
    def files(self) -> dict[str, JsonlSink | LedgerSink]:
        """The files that are written beside the outbox, by the section that names them."""
        named = {"jsonl": self.jsonl, "ledger": self.ledger}
        return {name: file for name, file in named.items() if file is not None}

    @property
    def all(self) -> list[Sink]:
        """Everything that messages go to, in this order."""
        return [self.mqtt, *self.files.values(), self.counters]

    def close(self) -> None:
        """Deliver what can be delivered in a second, write what waits, and let go."""
        self.mqtt.close(_DRAIN_S)
        for file in self.files.values():
            file.close()

    def tend(self, now_s: float, problems: Iterable[str] = ()) -> None:
        """See to what time brings: days that begin, disks that take something again; tell what is wrong.

        Args:
            now_s: Unix seconds, UTC.
            problems: what is wrong elsewhere, one line each with its remedy.
        """
        if self.jsonl is not None:
            self.jsonl.tend()
        if self.ledger is not None:
            self.ledger.tend(now_s)
        self.counters.tend(now_s)
        self.tell_health(problems)

    def tell_health(self, problems: Iterable[str] = ()) -> None:
        """Have the broker told what is wrong with the files, and `problems`."""
        own = [file.problem for file in self.files.values() if file.problem is not None]
        self.mqtt.tend([*own, *problems])


def open_outputs(
    settings: Settings, *, clock: Callable[[], float], acknowledged: Callable[[float], None] = lambda _waited_s: None
) -> Outputs:
    """Open everything that the configuration names.

    Args:
        settings: the configuration; what of it counts, see `output_sections`.
        clock: Unix seconds, UTC.
        acknowledged: told of each event that the broker took how many seconds it had waited.

    Raises:
        ConfigError: the broker's password cannot be read.
        SinkError: a file cannot be opened, or another process uses the outbox.
    """
    claims = ClaimInbox()
    mqtt = _mqtt(settings, claims, acknowledged)
    path = settings.jsonl.path
    jsonl = None if path is None else JsonlSink(path, append=True, patient=True)
    ledger = _ledger(settings)
    counters = _counters(settings, mqtt, ledger, clock)
    outputs = Outputs(mqtt=mqtt, jsonl=jsonl, ledger=ledger, counters=counters, claims=claims)
    outputs.tell_health()  # a file that fails already
    return outputs


def output_sections(settings: Settings) -> tuple[object, ...]:
    """Return what the outputs are made of; where that stays the same, they may stay open."""
    return settings.mqtt, settings.jsonl, settings.ledger, settings.site


def _mqtt(settings: Settings, claims: ClaimInbox, acknowledged: Callable[[float], None]) -> MqttSink:
    path = settings.mqtt.outbox_path()
    if path is None:
        log.warning("events that wait for the broker are lost if this process ends; set mqtt.outbox_file")
    outbox = Outbox(path, max_events=settings.mqtt.outbox_max_events, acknowledged=acknowledged)
    return MqttSink(settings.mqtt, site=settings.site.id, outbox=outbox, claims=claims.put)


def _ledger(settings: Settings) -> LedgerSink | None:
    path = settings.ledger.file()
    if path is None:
        return None
    return LedgerSink(
        path,
        site=settings.site,
        prefix=settings.mqtt.prefix,
        min_cell=settings.ledger.min_cell,
        retention_days=settings.ledger.retention_days,
        patient=True,
    )


def _counters(
    settings: Settings, mqtt: MqttSink, ledger: LedgerSink | None, clock: Callable[[], float]
) -> CountersSink:
    return CountersSink(
        site=settings.site.id,
        prefix=settings.mqtt.prefix,
        zone=settings.site.zone_info,
        cameras=[camera.id for camera in settings.cameras],
        told=settings.ledger.counters,
        min_cell=settings.ledger.min_cell,
        known=(lambda _since_s: ()) if ledger is None else ledger.visits_since,
        gone=() if ledger is None else ledger.cameras(),
        tell=mqtt.tell,
        clock=clock,
    )
