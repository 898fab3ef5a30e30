import os
import re
import tomllib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from vestibule.config import Settings, load
from vestibule.credentials import read_secret
from vestibule.errors import ConfigError
from vestibule_models.labels import GarmentGroup, GarmentLabel

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
CAMERA = "[[cameras]]\nid = 'door'\nsource = 'rtsp://192.0.2.1/a'\n"

Load = Callable[[str], Settings]


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have overrides set."""
    for name in list(os.environ):
        if name.startswith("VESTIBULE_") or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    def load_from(text: str) -> Settings:
        path = tmp_path / "vestibule.toml"
        path.write_text(text, encoding="utf-8")
        return load(path)

    return load_from


def refused(load_text: Load, text: str) -> str:
    """The message that refuses a configuration; one line."""
    with pytest.raises(ConfigError) as caught:
        load_text(text)
    message = str(caught.value)
    assert "\n" not in message
    return message


class TestExample:
    def test_it_loads_and_is_the_defaults(self) -> None:
        assert load(EXAMPLE) == Settings()

    def test_an_empty_file_is_the_defaults(self, load_text: Load) -> None:
        assert load_text("config_version = 1") == Settings()

    def test_every_setting_is_in_it_and_nothing_else(self) -> None:
        assert key_paths(tomllib.loads(uncommented())) == field_paths(Settings)

    def test_settings_with_a_default_are_not_commented_out(self) -> None:
        shown = key_paths(tomllib.loads(EXAMPLE.read_text(encoding="utf-8")))
        defaults = key_paths(Settings().model_dump(exclude_none=True))
        assert shown >= {path for path in defaults if path not in {"cameras", "jsonl", "stays.walks"}}

    def test_its_commented_examples_are_valid(self, load_text: Load) -> None:
        text = uncommented().replace("\ntls = false", "\ntls = true")
        head, classifier = text.split("\n[classifier]\n")
        classifier = classifier.replace('runtime = "auto"', 'runtime = "kserve"')
        settings = load_text(f"{head}\n[classifier]\n{classifier}")
        assert [zone.kind for zone in settings.cameras[0].zones] == ["staff", "area"]
        assert settings.cameras[0].entrance is not None
        assert settings.alerts[1].hours[0].closes == "20:30"


def uncommented() -> str:
    return re.sub(r"^#(?=[^\s#-])", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def key_paths(values: dict[str, Any], prefix: str = "") -> set[str]:
    """Dotted names of all keys; those of the tables in an array together."""
    paths = set()
    for key, value in values.items():
        path = f"{prefix}{key}"
        paths.add(path)
        for item in value if isinstance(value, list | tuple) else [value]:
            if isinstance(item, dict):
                paths |= key_paths(item, f"{path}.")
    return paths


def field_paths(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Dotted names of all fields of a model and of the models in it."""
    paths = set()
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        paths.add(path)
        for inner in models_in(field.annotation):
            paths |= field_paths(inner, f"{path}.")
    return paths


def models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in {tuple, Union, types.UnionType}:
        return [model for inner in get_args(annotation) for model in models_in(inner)]
    return []


class TestFile:
    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"none\.toml: No such file or directory; start from config\.example"):
            load(tmp_path / "none.toml")

    def test_a_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="Is a directory"):
            load(tmp_path)

    def test_a_file_that_is_not_toml_is_refused_with_the_place(self, load_text: Load) -> None:
        assert "not valid TOML" in (message := refused(load_text, "[site]\nid = store\n"))
        assert "line 2" in message

    def test_a_file_that_is_not_utf8_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "latin.toml"
        path.write_bytes('[site]\nid = "caf\xe9"\n'.encode("latin-1"))
        with pytest.raises(ConfigError, match="not UTF-8 text"):
            load(path)

    def test_settings_cannot_be_changed(self) -> None:
        settings = Settings()
        with pytest.raises(ValidationError, match="frozen"):
            settings.mqtt.port = 1
        with pytest.raises(ValidationError, match="frozen"):
            settings.alerts = ()


class TestValues:
    @pytest.mark.parametrize(
        ("text", "where"),
        [
            ("sight = 1", "sight"),
            ("[mqtt]\nhots = 'a'", "mqtt.hots"),
            (f"{CAMERA}adress = 'x'", "cameras.0.adress"),
            (f"{CAMERA}[cameras.entrance]\nline=[[0,0],[1,0]]\ninside=[0.5,1]\nside='in'", "cameras.0.entrance.side"),
            (f"{CAMERA}[[cameras.zones]]\nname='a'\npolygon=[[0,0],[1,0],[1,1]]\ntype='x'", "cameras.0.zones.0.type"),
            ("[[alerts]]\nname='a'\nany_of=['Dress']\nsure=1", "alerts.0.sure"),
            (
                "[[alerts]]\nname='a'\nany_of=['Dress']\nhours=[{opens='09:00', closes='18:00', day='mon'}]",
                "alerts.0.hours.0.day",
            ),
        ],
    )
    def test_a_misspelt_key_is_refused_at_every_level(self, load_text: Load, text: str, where: str) -> None:
        assert refused(load_text, text).endswith(
            f"{where}: unknown key; check the spelling against config.example.toml"
        )

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (
                "[[alerts]]\nname='a'\nany_of=['Toga']",
                "alerts.0.any_of.0: unknown garment; garments are Blazer,",
            ),
            ("[[alerts]]\nname='a'\nall_of=['outerwear']", "groups are Light top, Knitwear, Outerwear, One-piece"),
            ("[[alerts]]\nname='a'\nall_of=['outerwear']", "got 'outerwear'"),
            ("[[alerts]]\nname='a'\nall_of=[[]]", "alerts.0.all_of.0: unknown garment"),
            ("[[alerts]]\nname='a'\nany_of=['Toga']", "got 'Toga'"),
            ("[[alerts]]\nname='a'", "alert 'a' names no garment; set any_of or all_of"),
            ("[[alerts]]\nany_of=['Dress']", "alerts.0.name: Field required"),
            ("[[alerts]]\nname='a b'\nany_of=['Dress']", "alerts.0.name: String should match pattern"),
            ("[[alerts]]\nname='a'\nany_of=['Dress']\nconfidence='sure'", "'likely' or 'certain', got 'sure'"),
            ("[[alerts]]\nname='a'\nany_of=['Dress']\nhours=[{opens='9:00',closes='18:00'}]", "got '9:00'"),
            ("[[alerts]]\nname='a'\nany_of=['Dress']\nhours=[{opens='09:00',closes='24:00'}]", "got '24:00'"),
            ("[[alerts]]\nname='a'\nany_of=['Dress']\nhours=[{opens='09:00',closes='18:00',days=[]}]", "hours.0.days"),
            ("[[alerts]]\nname='a'\nany_of=['Dress']\ncameras=['back']", "names cameras ['back']; configured are []"),
            (f"{CAMERA}[[alerts]]\nname='a'\nany_of=['Dress']\nzones=['z']", "names zones ['z']; configured are []"),
            ("[[alerts]]\nname='a'\nany_of=['Dress']\n" * 2, "alert names must differ, ['a'] is used twice"),
            (CAMERA * 2, "camera ids must differ, ['door'] is used twice"),
            ("[[cameras]]\nid='a'\nsource=''", "cameras.0.source: String should have at least 1 character"),
            (
                "[[cameras]]\nid='a'\nsource='0'\ndetect_source='rtsp://192.0.2.1/b'",
                "source and detect_source must be rtsp:// or rtsps://",
            ),
            (f"{CAMERA}detect_source='http://192.0.2.1/b'", "source and detect_source must be rtsp:// or rtsps://"),
            (f"{CAMERA}detect_source='rtsp://192.0.2.1/a'", "are the same; name the sub-stream's address, or leave it"),
            (f"{CAMERA}detect_source=''", "cameras.0.detect_source: String should have at least 1 character"),
            ("[detail]\nmax_skew_s=0", "detail.max_skew_s: Input should be greater than 0, got 0"),
            ("[[cameras]]\nid='a/b'\nsource='0'", "cameras.0.id: String should match pattern"),
            (f"{CAMERA}[[cameras.zones]]\nname='z'\npolygon=[[0,0],[1,1]]", "cameras.0.zones.0.polygon"),
            (f"{CAMERA}[[cameras.zones]]\nname='z'\npolygon=[[0,0],[640,0],[1,1]]", "got 640"),
            (f"{CAMERA}password_file='secret'", "set username too"),
            ("[mqtt]\npassword_file='secret'", "mqtt: password_file is set and nobody's name is; set username too"),
            ("[mqtt]\nca_file='ca.pem'", "mqtt: ca_file is set and tls is not"),
            ("[mqtt]\ncert_file='us.pem'", "mqtt: cert_file is set and tls is not"),
            ("[mqtt]\ntls=true\nkey_file='us.key'", "mqtt: key_file is set and cert_file is not"),
            ("[mqtt]\nport=0", "mqtt.port: Input should be greater than or equal to 1, got 0"),
            ("[mqtt]\nprefix='a/#'", "mqtt.prefix: String should match pattern"),
            ("[capture]\nanalysed_fps=nan", "capture.analysed_fps: "),
            ("[capture]\nread_timeout_s=0", "capture.read_timeout_s: Input should be greater than 0, got 0"),
            ("[capture]\nretry_initial_s=90", "retry_initial_s, 90, is above retry_max_s, 8"),
            ("[cropping]\nmin_sharpness=inf", "cropping.min_sharpness: Input should be a finite number, got inf"),
            ("[site]\ntime_zone='Mars/Olympus'", "use an IANA name such as America/Mexico_City, got 'Mars/Olympus'"),
            ("[log]\nlevel='loud'", "log.level: Input should be 'debug', 'info', 'warning' or 'error', got 'loud'"),
            ("mqtt = 3", "mqtt: Input should be a valid dictionary"),
            ("alerts = 'all'", "alerts: Input should be a valid tuple, got 'all'"),
        ],
    )
    def test_a_bad_value_is_refused_with_its_place(self, load_text: Load, text: str, said: str) -> None:
        assert said in refused(load_text, text)

    def test_all_faults_are_told_at_once(self, load_text: Load) -> None:
        message = refused(load_text, "[mqtt]\nport=99999\nhots='a'\n[site]\nid=''")
        assert message.count("; ") >= 2
        assert all(part in message for part in ("mqtt.port", "mqtt.hots", "site.id"))

    @pytest.mark.parametrize(
        ("line", "inside"),
        [
            ("[[0.5, 0.5], [0.5, 0.5]]", "[0.5, 0.9]"),
            ("[[0.1, 0.5], [0.9, 0.5]]", "[0.5, 0.5]"),
            ("[[0.1, 0.1], [0.5, 0.5]]", "[0.9, 0.9]"),
        ],
        ids=["no length", "inside on the line", "inside on its extension"],
    )
    def test_a_line_without_sides_is_refused(self, load_text: Load, line: str, inside: str) -> None:
        text = f"{CAMERA}[cameras.entrance]\nline={line}\ninside={inside}"
        assert "cameras.0.entrance: the line has no length or `inside` lies on it" in refused(load_text, text)

    def test_a_camera_may_have_two_streams(self, load_text: Load) -> None:
        (camera,) = load_text(f"{CAMERA}detect_source='rtsps://192.0.2.1/b'").cameras
        assert (camera.source, camera.detect_source) == ("rtsp://192.0.2.1/a", "rtsps://192.0.2.1/b")

    @pytest.mark.parametrize(("source", "expected"), [("0", "0"), ("'/dev/video2'", "/dev/video2"), ("2", "2")])
    def test_a_usb_camera_may_be_a_number(self, load_text: Load, source: str, expected: str) -> None:
        assert load_text(f"[[cameras]]\nid='a'\nsource={source}").cameras[0].source == expected

    def test_a_rule_may_name_a_garment_or_a_group(self, load_text: Load) -> None:
        (rule,) = load_text("[[alerts]]\nname='a'\nany_of=['Outerwear', 'Top']\nall_of=['Light top']").alerts
        assert rule.any_of == (GarmentGroup.OUTERWEAR, GarmentLabel.TOP)
        assert rule.all_of == (GarmentGroup.LIGHT_TOP,)

    def test_a_rule_may_name_a_camera_and_a_zone(self, load_text: Load) -> None:
        zone = "[[cameras.zones]]\nname='z'\npolygon=[[0,0],[1,0],[1,1]]\n"
        rule = "[[alerts]]\nname='a'\nany_of=['Dress']\ncameras=['door']\nzones=['z']\n"
        assert load_text(CAMERA + zone + rule).alerts[0].zones == ("z",)


class TestEnvironment:
    def test_it_wins_over_the_file_and_leaves_the_rest(self, load_text: Load, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VESTIBULE_MQTT__HOST", "broker.lan")
        mqtt = load_text("[mqtt]\nhost='other.lan'\nport=1884").mqtt
        assert (mqtt.host, mqtt.port, mqtt.keepalive_s) == ("broker.lan", 1884, 15)

    def test_whole_sections_may_be_json(self, load_text: Load, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VESTIBULE_CAMERAS", '[{"id": "door", "source": "0"}]')
        assert load_text("").cameras[0].source == "0"

    def test_other_variables_have_no_influence(self, load_text: Load, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("VESTIBULE_DATA", "VESTIBULE_PRETRAINED", "MQTT", "MQTT__HOST", "SITE", "LOG", "CAMERAS"):
            monkeypatch.setenv(name, "/elsewhere")
        assert load_text("config_version = 1") == Settings()
        assert Settings() == Settings.model_construct()

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            ("VESTIBULE_MQTT__PORT", "many", "mqtt.port: Input should be a valid integer"),
            ("VESTIBULE_MQTT__HOTS", "a", "mqtt.hots: unknown key"),
            (
                "VESTIBULE_MQQT__HOST",
                "a",
                "VESTIBULE_MQQT__HOST: unknown section 'mqqt'; the sections are site,",
            ),
            ("VESTIBULE_MQTT", "broker.lan", "variable VESTIBULE_MQTT: not JSON; or set one value, as in"),
            ("VESTIBULE_CAMERAS", "[{", "variable VESTIBULE_CAMERAS: not JSON"),
        ],
    )
    def test_a_bad_variable_is_refused(
        self, load_text: Load, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
    ) -> None:
        monkeypatch.setenv(name, value)
        assert said in refused(load_text, "")


class TestSecrets:
    @pytest.mark.parametrize(
        "address",
        [
            "rtsp://viewer:hunter2@192.0.2.1/a",
            "rtsp://viewer:hunter2/x@192.0.2.1/a",
            "rtsp://viewer:hunter2#x@192.0.2.1/a",
            "rtsp://viewer:at@hunter2@192.0.2.1/a",
            "rtsp://:hunter2@[2001:db8::1]:554/a",
        ],
    )
    def test_a_password_in_an_address_is_refused_and_not_repeated(self, load_text: Load, address: str) -> None:
        for camera in (f"[[cameras]]\nid='a'\nsource='{address}'", f"{CAMERA}detect_source='{address}'"):
            with pytest.raises(ConfigError) as caught:
                load_text(camera)
            assert "use `username` and `password_file`" in str(caught.value)
            assert "hunter2" not in str(caught.value)
            assert "hunter2" not in str(caught.value.__cause__)

    @pytest.mark.parametrize(
        "address", ["rtsp://192.0.2.1:554/a@1", "rtsp://[2001:db8::1]:554/a", "rtsp://viewer@cam/a"]
    )
    def test_an_address_without_a_password_is_taken(self, load_text: Load, address: str) -> None:
        assert load_text(f"[[cameras]]\nid='a'\nsource='{address}'").cameras[0].source == address

    @pytest.mark.parametrize("key", ["password = 'hunter2'", "password_file = ['hunter2']"])
    def test_a_password_that_is_written_down_is_not_repeated(self, load_text: Load, key: str) -> None:
        message = refused(load_text, f"[mqtt]\n{key}")
        assert "mqtt.password" in message
        assert "hunter2" not in message

    def test_it_is_read_from_its_file_and_hides(self, load_text: Load, tmp_path: Path) -> None:
        secret = tmp_path / "broker.password"
        secret.write_text("hunter2\nsecond line\n", encoding="utf-8")
        settings = load_text(
            f"[mqtt]\nusername='v'\npassword_file='{secret}'\n{CAMERA}username='v'\npassword_file='{secret}'"
        )
        for password in (settings.mqtt.password(), settings.cameras[0].password()):
            assert password is not None
            assert password.get_secret_value() == "hunter2"
            assert "hunter2" not in f"{password} {password!r}"
        assert "hunter2" not in f"{settings} {settings!r} {settings.model_dump_json()}"

    def test_the_broker_s_may_come_from_the_environment(
        self, load_text: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("VESTIBULE_MQTT_PASSWORD", "from the environment")
        given = load_text("[mqtt]\nusername='v'").mqtt.password()
        assert given is not None
        assert given.get_secret_value() == "from the environment"
        assert load_text("").mqtt.password() is None
        (tmp_path / "file").write_text("from the file", encoding="utf-8")
        named = load_text(f"[mqtt]\nusername='v'\npassword_file='{tmp_path / 'file'}'").mqtt.password()
        assert named is not None
        assert named.get_secret_value() == "from the file"

    def test_there_is_none_without_a_file(self, load_text: Load) -> None:
        settings = load_text(CAMERA)
        assert settings.mqtt.password() is None
        assert settings.cameras[0].password() is None

    def test_a_bare_name_is_one_of_the_services_credentials(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "mqtt").write_text("hunter2", encoding="utf-8")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        assert read_secret(Path("mqtt")).get_secret_value() == "hunter2"
        with pytest.raises(ConfigError, match="cannot be read"):
            read_secret(Path("./sub/mqtt"))

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"password_file .*gone: cannot be read .*name a readable text file"):
            read_secret(tmp_path / "gone")

    @pytest.mark.parametrize("content", ["", "\n", "\nhunter2\n"])
    def test_an_empty_file_is_refused(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "empty"
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ConfigError, match="its first line must be the password"):
            read_secret(path)

    def test_a_file_that_is_not_text_is_refused_and_not_repeated(self, tmp_path: Path) -> None:
        path = tmp_path / "binary"
        path.write_bytes(b"hunter2\xff\xfe")
        with pytest.raises(ConfigError, match="cannot be read") as caught:
            read_secret(path)
        assert "hunter2" not in str(caught.value)


def test_the_outbox_lies_in_systemd_s_state_directory_unless_named(
    load_text: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert load_text("").mqtt.outbox_path() is load_text("").ledger.file() is None
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/vestibule:/var/lib/other")
    assert load_text("").mqtt.outbox_path() == Path("/var/lib/vestibule/outbox.sqlite3")
    assert load_text("[mqtt]\noutbox_file='/data/outbox'").mqtt.outbox_path() == Path("/data/outbox")
    assert load_text("").ledger.file() == Path("/var/lib/vestibule/ledger.sqlite3")
    assert load_text("[ledger]\npath='/data/ledger'").ledger.file() == Path("/data/ledger")
