"""Where events go: an MQTT broker, a file of JSON lines, the ledger, the day's counters."""

from typing import Protocol

from vestibule.sinks.counters import CountersSink
from vestibule.sinks.jsonl import JsonlSink
from vestibule.sinks.ledger import LedgerSink
from vestibule.sinks.mqtt import MqttSink, check_broker
from vestibule.types import Message

__all__ = ["CountersSink", "JsonlSink", "LedgerSink", "MqttSink", "Sink", "check_broker"]


class Sink(Protocol):
    """Takes messages, in order, from one thread."""

    def publish(self, message: Message) -> None:
        """Take one message.

        Raises:
            SinkError: it cannot be kept.
        """

    def close(self) -> None:
        """Finish what is under way and let go of the broker or the file."""
