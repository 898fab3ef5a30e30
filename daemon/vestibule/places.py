"""Where things are in a camera's picture, written into the configuration's file; the rest of it stays as it is."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Comment, InlineTable, Table, Whitespace

from vestibule import config
from vestibule.config_file import rewrite
from vestibule.errors import ConfigError
from vestibule.privacy_sections import MaskConfig
from vestibule.section_types import Section
from vestibule.sections import CameraConfig, EntranceConfig, ZoneConfig

_DIGITS = 4
"""Of a fraction; a tenth of a pixel of any camera."""
_DEFAULTS = {
    "hysteresis": EntranceConfig.model_fields["hysteresis"].default,
    "kind": ZoneConfig.model_fields["kind"].default,
}
"""What need not be written."""
_BY_HAND = "edit the file by hand"


class Places(Section):
    """What is drawn on a camera's picture."""

    entrance: EntranceConfig | None = None
    zones: tuple[ZoneConfig, ...] = ()
    masks: tuple[MaskConfig, ...] = ()

    @classmethod
    def of(cls, camera: CameraConfig) -> Self:
        """Return a camera's."""
        return cls(entrance=camera.entrance, zones=camera.zones, masks=camera.masks)

    def same_as(self, other: "Places") -> bool:
        """Tell whether two mean the same; in which order zones and masks are written means nothing."""
        return (
            self.entrance == other.entrance
            and set(self.zones) == set(other.zones)
            and set(self.masks) == set(other.masks)
        )


def file_version(path: Path) -> str:
    """Return what is another once the file is another.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise ConfigError(f"configuration {path}: cannot be read ({error.strerror})") from error


def write_places(path: Path, camera_id: str, places: Places) -> None:
    """Write one camera's places into the file; the old one stays as `FILE.bak`.

    Raises:
        ConfigError: the file cannot be written, has no such camera, or would not load any more.
    """
    before = config.load(path)
    wanted = _rounded(places)

    def approve(after: config.Settings) -> None:
        expected = [(c.id, wanted if c.id == camera_id else Places.of(c)) for c in before.cameras]
        found = [(c.id, Places.of(c)) for c in after.cameras]
        same = len(expected) == len(found) and all(
            name == other and one.same_as(two) for (name, one), (other, two) in zip(expected, found, strict=True)
        )
        if not same or camera_id not in dict(found) or _rest(before) != _rest(after):
            raise ConfigError(f"configuration {path}: is written in a way that cannot be changed here; {_BY_HAND}")

    rewrite(path, edited(path.read_text(encoding="utf-8"), camera_id, wanted), _backup(path), approve)


def edited(text: str, camera_id: str, places: Places) -> str:
    """Return the text of a configuration with one camera's places in it, and everything else as it was.

    Raises:
        ConfigError: there is no such camera in it, or it cannot be edited.
    """
    try:
        document = tomlkit.parse(text)
        cameras = document.get("cameras", [])
        camera = next((one for one in cameras if one.get("id") == camera_id), None)
        if camera is None:
            raise ConfigError(f"camera {camera_id}: is not in the file; {_BY_HAND}")
        end = _take_end(camera) if isinstance(camera, Table) else []
        values = places.model_dump(mode="json")
        _set_entrance(camera, values["entrance"])
        _set_list(camera, "zones", values["zones"], lambda table, value: bool(table.get("name") == value["name"]))
        _set_list(camera, "masks", values["masks"], lambda table, value: bool(table["polygon"] == value["polygon"]))
        if isinstance(camera, Table):
            _last(camera).extend((None, item) for item in end)
        return document.as_string()
    except (TOMLKitError, TypeError, AttributeError, KeyError) as error:
        raise ConfigError(f"camera {camera_id}: the file cannot be edited here ({error}); {_BY_HAND}") from error


def snippet(places: Places) -> str:
    """Return the places as TOML, for somebody to paste behind the camera's other settings."""
    values = _rounded(places).model_dump(mode="json")
    camera = {key: value for key, value in values.items() if value}
    return tomlkit.dumps({"cameras": [camera]}).removeprefix("[[cameras]]\n").strip() + "\n" if camera else ""


def _backup(path: Path) -> Path:
    resolved = path.resolve()
    return resolved.with_name(f"{resolved.name}.bak")


def _rest(settings: config.Settings) -> dict[str, Any]:
    """Return all that no place is."""
    values = settings.model_dump()
    for camera in values["cameras"]:
        for key in Places.model_fields:
            del camera[key]
    return values


def _rounded(places: Places) -> Places:
    def rounded(value: Any) -> Any:  # noqa: ANN401 - what JSON holds
        if isinstance(value, dict):
            return {key: rounded(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [rounded(inner) for inner in value]
        return round(value, _DIGITS) if isinstance(value, float) else value

    return Places.model_validate(rounded(places.model_dump(mode="json")))


def _set_entrance(camera: Any, entrance: dict[str, Any] | None) -> None:  # noqa: ANN401 - any kind of tomlkit's tables
    if entrance is None:
        camera.pop("entrance", None)
    elif "entrance" in camera:
        _update(camera["entrance"], entrance)
    else:
        camera["entrance"] = _table(entrance, camera)


def _set_list(
    camera: Any,  # noqa: ANN401 - any kind of tomlkit's tables
    key: str,
    wanted: Sequence[dict[str, Any]],
    same: Callable[[Any, dict[str, Any]], bool],
) -> None:
    """Make the tables under `key` the wanted ones: those that are the same keep their place and comments."""
    if not wanted:
        camera.pop(key, None)
        return
    there = camera.get(key)
    if there is None and isinstance(camera, Table):
        camera[key] = tomlkit.aot()
        there = camera[key]
    if not isinstance(there, AoT):
        camera[key] = list(wanted)
        return
    tables = list(there)
    pairs = [(t, next((w for w in wanted if same(t, w)), None)) for t in tables]
    left = [value for value in wanted if not any(value is given for _, given in pairs)]
    for index in reversed(range(len(pairs))):
        if pairs[index][1] is None and len(left) < sum(given is None for _, given in pairs[: index + 1]):
            del there[index]
            del pairs[index]
    for table, value in pairs:
        _update(table, left.pop(0) if value is None else value)
    for value in left:
        there.append(_table(value, camera))


def _update(table: Any, values: dict[str, Any]) -> None:  # noqa: ANN401 - any kind of tomlkit's tables
    for key, value in values.items():
        if table[key] != value if key in table else value != _DEFAULTS.get(key):
            table[key] = value


def _table(values: dict[str, Any], parent: Any) -> Table | InlineTable:  # noqa: ANN401 - any kind of tomlkit's tables
    table = tomlkit.table() if isinstance(parent, Table) else tomlkit.inline_table()
    _update(table, values)
    return table


def _last(table: Table) -> list[Any]:
    """Return the list of lines of the table's last table, or of the table itself where it holds none."""
    body: list[Any] = table.value.body
    while True:
        last = next((item for _, item in reversed(body) if not isinstance(item, Whitespace | Comment)), None)
        if isinstance(last, AoT) and len(last):
            last = last[-1]
        if not isinstance(last, Table):
            return body
        body = last.value.body


def _take_end(camera: Table) -> list[Any]:
    """Take out the comments and empty lines behind the last setting: they belong to what follows the camera."""
    body, end = _last(camera), []
    while body and isinstance(body[-1][1], Whitespace | Comment):
        end.append(body.pop()[1])
    return end[::-1]
