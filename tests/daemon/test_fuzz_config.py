"""Configurations that nobody would write: settings, or one line that names the file and repeats no secret."""

import copy
import os
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from vestibule import config
from vestibule.config import Settings
from vestibule.errors import ConfigError

SECRET = "hunter2-of-the-fuzz"  # noqa: S105 - nobody's
EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
VALID: dict[str, Any] = {
    **tomllib.loads(EXAMPLE.read_text(encoding="utf-8")),
    "cameras": [
        {
            "id": "door",
            "source": "rtsp://192.0.2.1/a",
            "username": "anna",
            "password_file": "/nosuch",
            "entrance": {"line": [[0.1, 0.6], [0.9, 0.6]], "inside": [0.5, 0.9]},
            "zones": [{"name": "till", "kind": "staff", "polygon": [[0, 0], [1, 0], [1, 1]]}],
        }
    ],
}
FEW = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

_names = st.sampled_from([*Settings.model_fields, "host", "password", "source", "_cli_parse_args", "_env_file", "self"])
_keys = _names | st.text(max_size=8)
_scalars = (
    st.none().map(lambda _: SECRET)
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["rtsp://anna:hunter2-of-the-fuzz@192.0.2.1/a", "../..", "\0", "a\nb", "#/+", ""])
    | st.dates()
    | st.times()
    | st.datetimes()
)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3), max_leaves=8
)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("VESTIBULE_") or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)


def settings_or_one_line(path: Path) -> Settings | str:
    try:
        loaded = config.load(path)
    except ConfigError as error:
        said = str(error)
    else:
        with suppress(ConfigError):
            loaded.secrets()
        return loaded
    assert str(path) in said
    assert len(said.splitlines()) == 1, said
    return said


def loaded_as(values: dict[str, Any], path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings | str:
    """Load these values as if they had stood in the file."""
    path.touch()
    with monkeypatch.context() as patched:
        patched.setattr(config.tomllib, "loads", lambda _text: copy.deepcopy(values))  # type: ignore[attr-defined]
        return settings_or_one_line(path)


def spots(values: object, spot: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where something stands in a configuration, tables and arrays included."""
    inner = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    return [spot, *(deeper for key, value in inner for deeper in spots(value, (*spot, key)))]


@given(values=st.dictionaries(_keys, _values, max_size=4))
@example(values={"_cli_parse_args": True})
@example(values={"_secrets_dir": "/nosuch"})
@example(values={"mqtt": [{"password": SECRET}]})
@example(values={"a\nb": 1})
@example(values={"mqtt": {"username": "anna", "password_file": "\0"}})
@example(values={"jsonl": {"path": "\0"}})
@FEW
def test_tables_of_anything(values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded_as(values, tmp_path / "vestibule.toml", monkeypatch)


@given(data=st.data())
@FEW
def test_a_good_configuration_with_one_thing_changed(
    data: st.DataObject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = copy.deepcopy(VALID)
    *way, last = data.draw(st.sampled_from(spots(VALID)[1:]))
    inner: Any = values
    for step in way:
        inner = inner[step]
    change: Callable[[], None] = data.draw(
        st.sampled_from([lambda: inner.__delitem__(last), lambda: inner.__setitem__(last, data.draw(_values))])
    )
    change()
    said = loaded_as(values, tmp_path / "vestibule.toml", monkeypatch)
    if isinstance(said, str):  # the fault is in the part that was changed, and the line leads there
        assert any(str(step) in said for step in way or [last]), said


@given(data=st.data())
@FEW
def test_a_password_written_into_the_file_is_not_repeated(
    data: st.DataObject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a table can stand, and in the address of a camera."""
    values = copy.deepcopy(VALID)
    if data.draw(st.booleans()):
        address = data.draw(st.sampled_from(["rtsp://anna:{}@192.0.2.1/a", "http://:{}@host", "rtsp://a@b:{}@h:554/"]))
        written = address.format(SECRET)
        values["cameras"][0]["source"] = data.draw(st.sampled_from([written, [written]]))
    else:
        *way, last = data.draw(st.sampled_from(spots(VALID)[1:]))
        inner: Any = values
        for step in way:
            inner = inner[step]
        table = {"username": "anna", data.draw(st.sampled_from(["password", "password_file"])): SECRET}
        inner[last] = data.draw(st.sampled_from([table, [table], [[table]]]))
    said = loaded_as(values, tmp_path / "vestibule.toml", monkeypatch)
    if isinstance(said, str):
        assert SECRET not in said


@given(content=st.binary(max_size=200) | st.text(alphabet="[]{}=.\"'\\#\n abc019-_:TZ", max_size=60).map(str.encode))
@example(content=b"a = " + b"9" * 5000)
@example(content=b"a = " + b"[" * 5000)
@example(content=b"a = 0001-01-01T00:00:00+23:59")
@example(content=b"config_version = 99" + b"9" * 300)
@example(content=b"config_version = 0x" + b"f" * 5000)
@example(content=b"site = 0x" + b"f" * 5000)
@example(content=b"a = " + b"{b=" * 5000)
@example(content=b"\xff\xfe")
@FEW
def test_files_of_anything(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "vestibule.toml"
    path.write_bytes(content)
    settings_or_one_line(path)


@given(data=st.data())
@FEW
def test_the_example_with_bytes_changed(data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(EXAMPLE.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(content) - 1))
        content[begin : begin + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=5))
    path = tmp_path / "vestibule.toml"
    path.write_bytes(content)
    settings_or_one_line(path)
