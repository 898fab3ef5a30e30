"""`[mqtt]` in the configuration: the broker, and what waits for it."""

import os
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from vestibule.credentials import read_secret
from vestibule.section_types import Seconds, Section, TopicPrefix, in_state_directory


class MqttConfig(Section):
    """The broker, and what waits for it.

    Attributes:
        password_file: file with the password; a bare name is looked up in `$CREDENTIALS_DIRECTORY`. Without it the
            variable `VESTIBULE_MQTT_PASSWORD` counts.
        prefix: topics are `<prefix>/<site>/...`.
        client_id: `vestibule-<site>` if absent.
        ca_file: certificate authority, with `tls`; the system's if absent.
        cert_file: our own certificate, for a broker that asks for one; PEM, with `tls`.
        key_file: its unencrypted key; in `cert_file` if absent.
        max_inflight: events under way at once that the broker has not acknowledged.
        alert_ttl_s: an alert that could not be delivered for so long is not sent any more.
        outbox_file: what waits for the broker, on disk; if absent `outbox.sqlite3` in systemd's state directory, or
            in memory where there is none.
        outbox_max_events: events that may wait.
        home_assistant: announce the daemon to Home Assistant.
        home_assistant_prefix: of Home Assistant's discovery topics.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=1883, ge=1, le=65_535)
    username: str | None = None
    password_file: Path | None = None
    prefix: TopicPrefix = "vestibule"
    client_id: str | None = None
    keepalive_s: int = Field(default=15, ge=5, le=3600)
    connect_timeout_s: Seconds = 5.0
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    max_inflight: int = Field(default=20, ge=1, le=1000)
    alert_ttl_s: Seconds = 120.0
    outbox_file: Path | None = None
    outbox_max_events: int = Field(default=20_000, ge=100, le=1_000_000)
    home_assistant: bool = False
    home_assistant_prefix: TopicPrefix = "homeassistant"

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> Self:
        if self.password_file is not None and not self.username:
            raise ValueError("password_file is set and nobody's name is; set username too")
        for name in ("ca_file", "cert_file"):
            if getattr(self, name) is not None and not self.tls:
                raise ValueError(f"{name} is set and tls is not; set tls = true, or remove {name}")
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file is set and cert_file is not; set cert_file too")
        return self

    def password(self) -> SecretStr | None:
        """Read the broker's password.

        Raises:
            ConfigError: the file cannot be read.
        """
        if self.password_file is not None:
            return read_secret(self.password_file)
        given = os.environ.get("VESTIBULE_MQTT_PASSWORD")
        return SecretStr(given) if given and self.username else None

    def outbox_path(self) -> Path | None:
        """Where the outbox lies; None in memory."""
        return self.outbox_file or in_state_directory("outbox.sqlite3")
