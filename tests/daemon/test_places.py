"""Places written into a configuration: only they change; comments, order and all else stay."""

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule import config
from vestibule.errors import ConfigError
from vestibule.places import Places, edited, file_version, snippet, write_places
from vestibule.privacy_sections import MaskConfig
from vestibule.sections import EntranceConfig, ZoneConfig

MASK = MaskConfig(polygon=((0.1, 0.2), (0.3, 0.4), (0.3, 0.9)))
LINE = EntranceConfig(line=((0.2, 0.2), (0.3, 0.4)), inside=(0.5, 0.9))
COUNTER = ZoneConfig(name="counter", kind="staff", polygon=((0.7, 0.3), (1.0, 0.3), (1.0, 0.7)))
STREET = ZoneConfig(name="street", kind="ignore", polygon=((0.0, 0.0), (0.2, 0.0), (0.2, 0.2)))
EVERYTHING = Places(entrance=LINE, zones=(COUNTER, STREET), masks=(MASK,))
FILE = """\
# top
config_version = 1
[[cameras]] # first
id = "a"   # the a
source = "x"
[cameras.entrance]
# drawn by Ana
line = [[0.1,0.2],[0.3,0.4]] # on the mat
inside=[0.5,0.1]
hysteresis = 0.05

# second camera
[[cameras]]
id = "b"
source = "y"
[[cameras.zones]]
# they sit here
name = "counter"
kind = "staff" # yes
polygon = [[0.7, 0.3], [1.0, 0.3], [1.0, 0.6]]
[[cameras.zones]]
name = "attic"
polygon = [[0.7, 0.3], [1.0, 0.3], [1.0, 0.6]]

# how they are read
[capture]
analysed_fps = 8.0
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "vestibule.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def read(path: Path, camera_id: str) -> Places:
    (camera,) = (one for one in config.load(path).cameras if one.id == camera_id)
    return Places.of(camera)


def comments(text: str) -> list[str]:
    return [line.partition("#")[2] for line in text.splitlines() if "#" in line]


def test_what_was_written_is_read_again_and_the_old_file_stays_beside_it(path: Path) -> None:
    for camera_id in ("a", "b"):
        write_places(path, camera_id, EVERYTHING)
        assert read(path, camera_id).same_as(EVERYTHING.model_copy(update={"entrance": read(path, camera_id).entrance}))
    assert read(path, "a").entrance == LINE
    assert read(path, "b").entrance == LINE
    assert comments(path.read_text(encoding="utf-8")) == comments(FILE)
    write_places(path, "a", Places())
    assert read(path, "a") == Places()
    assert read(path, "b").same_as(EVERYTHING)
    assert config.load(path.with_name("vestibule.toml.bak")).cameras[0].masks == (MASK,)


def test_comments_stay_with_what_they_are_about(path: Path) -> None:
    write_places(path, "a", Places(entrance=LINE, masks=(MASK,)))
    write_places(path, "b", Places(zones=(COUNTER,)))
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[lines.index("# second camera") + 1] == "[[cameras]]"
    assert lines[lines.index("# how they are read") + 1] == "[capture]"
    assert lines[lines.index("# they sit here") + 1 :][:2] == ['name = "counter"', 'kind = "staff" # yes']
    assert "line = [[0.2, 0.2], [0.3, 0.4]] # on the mat" in lines
    assert "attic" not in "".join(lines)


def test_nothing_changes_where_nothing_is_to_change(path: Path) -> None:
    for camera_id in ("a", "b"):
        assert edited(FILE, camera_id, read(path, camera_id)) == FILE


def test_a_renamed_zone_keeps_its_comment(path: Path) -> None:
    attic = ZoneConfig(name="attic", polygon=COUNTER.polygon)
    write_places(path, "b", Places(zones=(COUNTER.model_copy(update={"name": "till"}), attic)))
    assert '# they sit here\nname = "till"' in path.read_text(encoding="utf-8")


def test_cameras_written_in_one_line_are_edited_too(path: Path) -> None:
    path.write_text('cameras = [{id = "a", source = "x"}, {id = "b", source = "y"}] # all\n[mqtt]\nport = 1\n')
    write_places(path, "b", EVERYTHING)
    write_places(path, "b", EVERYTHING.model_copy(update={"zones": (STREET,)}))
    assert read(path, "b").zones == (STREET,)
    assert read(path, "a") == Places()
    assert "# all" in path.read_text(encoding="utf-8")


def test_a_camera_of_the_environment_is_no_camera_of_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_CAMERAS", '[{"id": "env", "source": "z"}]')
    with pytest.raises(ConfigError, match="camera env: is not in the file; edit the file by hand"):
        write_places(path, "env", EVERYTHING)
    with pytest.raises(ConfigError, match="is written in a way that cannot be changed here"):
        write_places(path, "a", EVERYTHING)  # the environment's would win
    assert path.read_text(encoding="utf-8") == FILE
    assert not path.with_name("vestibule.toml.new").exists()


def test_a_zone_that_a_rule_names_cannot_go(path: Path) -> None:
    path.write_text(FILE + "[[alerts]]\nname = 'r'\nany_of = ['Dress']\nzones = ['attic']\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"vestibule\.toml: .*alert 'r' names zones \['attic'\]"):
        write_places(path, "b", Places())
    assert read(path, "b").zones


def test_mode_and_link_stay(path: Path, tmp_path: Path) -> None:
    path.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    write_places(link, "a", EVERYTHING)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert read(path, "a").same_as(EVERYTHING)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only_is_one_line(path: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match=r"cannot be rewritten \(Permission denied\); check permissions"):
        write_places(path, "a", EVERYTHING)


def test_the_version_is_another_once_the_file_is(path: Path) -> None:
    before = file_version(path)
    assert file_version(path) == before
    path.write_text(FILE + "#\n", encoding="utf-8")
    assert file_version(path) != before
    with pytest.raises(ConfigError, match="cannot be read"):
        file_version(path.with_name("none"))


def test_the_snippet_is_what_a_camera_can_hold(path: Path) -> None:
    path.write_text(f"[[cameras]]\nid = 'a'\nsource = 'x'\n{snippet(EVERYTHING)}[capture]\n", encoding="utf-8")
    assert read(path, "a").same_as(EVERYTHING)
    assert snippet(Places()) == ""


FRACTIONS = st.floats(0, 1).map(lambda value: round(value, 4))
POINTS = st.tuples(FRACTIONS, FRACTIONS)
ZONES = st.lists(
    st.builds(
        ZoneConfig,
        name=st.sampled_from(["counter", "attic", "door", "z-1"]),
        kind=st.sampled_from(["area", "staff", "ignore"]),
        polygon=st.lists(POINTS, min_size=3, max_size=5).map(tuple),
    ),
    max_size=4,
    unique_by=lambda zone: zone.name,
).map(tuple)


@given(st.lists(st.tuples(st.sampled_from("ab"), ZONES), min_size=1, max_size=4))
def test_whatever_is_written_one_after_the_other_is_read_again(steps: list[tuple[str, tuple[ZoneConfig, ...]]]) -> None:
    text, last = FILE, {}
    for camera_id, zones in steps:
        last[camera_id] = Places(zones=zones, masks=(MASK,))
        text = edited(text, camera_id, last[camera_id])
    settings = config.Settings.model_validate(tomllib.loads(text))
    for camera in settings.cameras:
        assert camera.id not in last or Places.of(camera).same_as(last[camera.id])
    assert comments(text)[-1] == " how they are read"
    assert settings.capture.analysed_fps == 8.0
