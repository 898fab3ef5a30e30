"""Where events go: an MQTT broker, a file of JSON lines."""

import os
from typing import Protocol, assert_never

from vestibule.errors import ConfigError
from vestibule.sections import JsonlConfig, MqttConfig
from vestibule.sinks.jsonl import JsonlSink
from vestibule.sinks.mqtt import MqttSink, check_broker
from vestibule.types import Message

__all__ = ["JsonlSink", "MqttSink", "Sink", "build_sink", "build_sinks", "check_broker"]


class Sink(Protocol):
    """Takes messages, in order, from one thread."""

    def publish(self, message: Message) -> None:
        """Take one message.

        Raises:
            SinkError: it cannot be kept.
        """

    def close(self) -> None:
        """Finish what is under way and let go of the broker or the file."""


def build_sink(config: MqttConfig | JsonlConfig, *, site: str, replay: bool = False, start_s: float = 0.0) -> Sink:
    """Open the sink that a section of the configuration describes.

    Args:
        config: which.
        site: the store's id.
        replay: recorded video: every event counts, files start afresh, and nobody is told that the store is online.
        start_s: Unix seconds that a replay's `at_s` counts from.

    Raises:
        SinkError: a file cannot be written or a certificate not be used.
        ConfigError: a password file cannot be read, or `jsonl` names no file.
    """
    match config:
        case MqttConfig() if replay:
            # An id of its own: the daemon of this store may be connected, and would be thrown out.
            client_id = f"vestibule-{site}-replay-{os.getpid()}"
            return MqttSink(config, site=site, announce=False, client_id=client_id, lossless=True)
        case MqttConfig():
            return MqttSink(config, site=site)
        case JsonlConfig():
            if config.path is None:
                raise ConfigError("jsonl.path: names no file; set it or leave the sink out")
            return JsonlSink(config.path, start_s=start_s if replay else 0.0, append=not replay)
        case _:
            assert_never(config)


def build_sinks(
    *configs: MqttConfig | JsonlConfig, site: str, replay: bool = False, start_s: float = 0.0
) -> tuple[Sink, ...]:
    """Open several sinks (`build_sink`), leaving out a `jsonl` without a path; none stays open if one fails."""
    sinks: list[Sink] = []
    try:
        for config in configs:
            if isinstance(config, JsonlConfig) and config.path is None:
                continue
            sinks.append(build_sink(config, site=site, replay=replay, start_s=start_s))
    except BaseException:
        for sink in sinks:
            sink.close()
        raise
    return tuple(sinks)
