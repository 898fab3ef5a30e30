"""The configuration: frozen, checked once, read here and nowhere else (TOML, environment)."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from vestibule.alert_sections import AlertRule
from vestibule.detail_section import DetailConfig
from vestibule.errors import ConfigError
from vestibule.ledger_section import LedgerConfig
from vestibule.motion_section import MotionConfig
from vestibule.mqtt_section import MqttConfig
from vestibule.privacy_sections import InstallerConfig, SnapshotsConfig
from vestibule.redaction import mask_userinfo
from vestibule.sections import (
    BatchingConfig,
    CameraConfig,
    CaptureConfig,
    ClassifierConfig,
    CroppingConfig,
    DetectorConfig,
    JsonlConfig,
    LogConfig,
    MetricsConfig,
    SiteConfig,
    TrackingConfig,
    VisitsConfig,
)
from vestibule.stay_sections import StaysConfig
from vestibule.web_sections import WebConfig
from vestibule_models.labels import GarmentLabel

VERSION = 1
"""Of the configuration's form; a change that older files do not survive makes it one more, with a step in migration."""
_PREFIX = "VESTIBULE_"


class Settings(BaseSettings):
    """The whole configuration; `VESTIBULE_MQTT__HOST` and the like override the file."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
        hide_input_in_errors=True,  # a traceback must not show an address with a password
    )

    site: SiteConfig = SiteConfig()
    cameras: tuple[CameraConfig, ...] = ()
    capture: CaptureConfig = CaptureConfig()
    detail: DetailConfig = DetailConfig()
    motion: MotionConfig = MotionConfig()
    detector: DetectorConfig = DetectorConfig()
    tracking: TrackingConfig = TrackingConfig()
    cropping: CroppingConfig = CroppingConfig()
    batching: BatchingConfig = BatchingConfig()
    classifier: ClassifierConfig = ClassifierConfig()
    visits: VisitsConfig = VisitsConfig()
    stays: StaysConfig = StaysConfig()
    alerts: tuple[AlertRule, ...] = (AlertRule(name="dress-or-suit", any_of=(GarmentLabel.DRESS, GarmentLabel.BLAZER)),)
    mqtt: MqttConfig = MqttConfig()
    jsonl: JsonlConfig = JsonlConfig()
    ledger: LedgerConfig = LedgerConfig()
    log: LogConfig = LogConfig()
    metrics: MetricsConfig = MetricsConfig()
    snapshots: SnapshotsConfig = SnapshotsConfig()
    installer: InstallerConfig = InstallerConfig()
    web: WebConfig = WebConfig()
    config_version: int = Field(default=VERSION, ge=0, le=VERSION)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, which comes in as keyword arguments."""
        del settings_cls, dotenv_settings, file_secret_settings
        return (env_settings, init_settings)

    def secrets(self) -> tuple[SecretStr, ...]:
        """Read every password, so that none is ever logged.

        Raises:
            ConfigError: one cannot be read.
        """
        passwords = (self.mqtt.password(), self.installer.password(), *(camera.password() for camera in self.cameras))
        return tuple(secret for secret in passwords if secret is not None)

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        ids = [camera.id for camera in self.cameras]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"camera ids must differ, {twice} is used twice")
        rules = [rule.name for rule in self.alerts]
        if twice := sorted({name for name in rules if rules.count(name) > 1}):
            raise ValueError(f"alert names must differ, {twice} is used twice")
        for walk in self.stays.walks:
            if unknown := sorted({walk.from_camera, walk.to_camera}.difference(ids)):
                raise ValueError(f"stays.walks names cameras {unknown}; configured are {ids}")
        zones = {zone.name for camera in self.cameras for zone in camera.zones}
        for rule in self.alerts:
            if unknown := [name for name in rule.cameras if name not in ids]:
                raise ValueError(f"alert {rule.name!r} names cameras {unknown}; configured are {ids}")
            if unknown := [name for name in rule.zones if name not in zones]:
                raise ValueError(f"alert {rule.name!r} names zones {unknown}; configured are {sorted(zones)}")
        return self


def load(path: Path) -> Settings:
    """Read and check a configuration file, and the variables that override it.

    Raises:
        ConfigError: missing, unreadable, not TOML, or a key that is misspelt, missing or out of range.
    """
    values = _parse(path)
    _refuse_unknown_variables()
    version = values.setdefault("config_version", 0)  # the first files did not say
    if isinstance(version, int) and version > VERSION:
        raise ConfigError(
            f"configuration {path}: config_version is {version}, this Vestibule reads up to {VERSION}; "
            "install a newer one"
        )
    try:
        return Settings(**values)
    except ValidationError as error:
        raise ConfigError(f"configuration {path}: {explain(error)}") from error
    except SettingsError as error:
        section = re.search(r'field "(\w+)"', str(error))
        name = _PREFIX + (section[1].upper() if section else "...")
        raise ConfigError(f"variable {name}: not JSON; or set one value, as in VESTIBULE_MQTT__HOST=broker") from error


def _parse(path: Path) -> dict[str, Any]:
    """Read the tables of a file; their names are sections that there are."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        repr(values)  # fails here for a hexadecimal number too long to be shown in any error
    except OSError as error:
        raise ConfigError(f"configuration {path}: {error.strerror}; start from config.example.toml") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"configuration {path}: not UTF-8 text ({error.reason}); save it as UTF-8") from error
    except (ValueError, OverflowError) as error:  # TOML's own is a ValueError, as that of a number of 5000 digits is
        raise ConfigError(f"configuration {path}: not valid TOML: {_one_line(str(error))}") from error
    except RecursionError as error:
        raise ConfigError(f"configuration {path}: arrays or tables are nested too deep; check its brackets") from error
    # The settings library takes some keywords for itself: `_cli_parse_args` would have it read the command line.
    if unknown := [_one_line(name) for name in values if name not in Settings.model_fields]:
        raise ConfigError(
            f"configuration {path}: "
            + "; ".join(f"{name}: unknown key; check the spelling against config.example.toml" for name in unknown)
        )
    if spoilt := ", ".join(name for name, value in values.items() if _holds_nul(value)):
        raise ConfigError(f"configuration {path}: {spoilt}: a text holds the character NUL; remove every \\u0000")
    return values


def _refuse_unknown_variables() -> None:
    """Catch a misspelt section; the settings library catches a misspelt key only. Names without `__` are not ours."""
    for name in os.environ:
        section, nested, _ = name.upper().removeprefix(_PREFIX).partition("__")
        if name.upper().startswith(_PREFIX) and nested and section.lower() not in Settings.model_fields:
            known = ", ".join(Settings.model_fields)
            raise ConfigError(f"variable {name}: unknown section {section.lower()!r}; the sections are {known}")


def explain(error: ValidationError) -> str:
    """Say in one line what is wrong, with what was received; several faults are joined by semicolons."""
    return "; ".join(_explain_one(dict(fault)) for fault in error.errors(include_url=False))


def _explain_one(fault: dict[str, Any]) -> str:
    where = ".".join(_one_line(str(part)) for part in fault["loc"]) or "settings"
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown key; check the spelling against config.example.toml"
    received = fault.get("input")
    shown = "" if _holds_table(received) or "password" in where else f", got {received!r}"
    return mask_userinfo(_one_line(f"{where}: {fault['msg'].removeprefix('Value error, ')}{shown}"))


def _holds_table(value: object) -> bool:
    """Tell whether there are keys in it, behind which a password may stand."""
    return isinstance(value, (dict, BaseModel)) or (isinstance(value, list) and any(map(_holds_table, value)))


def _holds_nul(value: object) -> bool:
    """Tell whether a text has a NUL in it, which no file's name may hold and no setting has a use for."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (isinstance(value, str) and "\0" in value) or any(map(_holds_nul, inner))


def _one_line(text: str) -> str:
    """Spell line ends and other characters that cannot be seen as in Python."""
    return text if text.isprintable() else repr(text)[1:-1]
