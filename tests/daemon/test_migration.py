import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule import config
from vestibule.cli import main
from vestibule.errors import ConfigError
from vestibule.migration import _name_the_version, migrate

OLD = "# Our shop\n\n[site]\nid = 'centro'  # the one in the centre\n"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "vestibule.toml"
    path.write_text(OLD, encoding="utf-8")
    path.chmod(0o640)
    return path


def test_an_old_file_is_rewritten_with_its_comments_and_kept(old: Path) -> None:
    before = config.load(old)
    assert before.config_version == 0
    assert "is of version 1 now" in migrate(old)
    assert old.read_text(encoding="utf-8") == OLD.replace("[site]", "config_version = 1\n[site]")
    assert old.with_name("vestibule.toml.v0").read_text(encoding="utf-8") == OLD
    assert old.stat().st_mode & 0o777 == 0o640
    after = config.load(old)
    assert after.model_copy(update={"config_version": 0}) == before


def test_a_file_of_this_version_is_left_alone(old: Path) -> None:
    migrate(old)
    text = old.read_bytes()
    assert "nothing to do" in migrate(old)
    assert old.read_bytes() == text


def test_a_broken_file_is_left_alone(old: Path) -> None:
    old.write_text("[sight]\nid = 'x'\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="sight: unknown key"):
        migrate(old)
    assert [path.name for path in old.parent.iterdir()] == ["vestibule.toml"]


def test_a_file_of_a_later_version_is_refused(old: Path) -> None:
    old.write_text("config_version = 7\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="config_version is 7, this Vestibule reads up to 1; install a newer one"):
        config.load(old)


@pytest.mark.parametrize("text", ["config_version = -1", "config_version = 'one'", "config_version = 0.5"])
def test_a_version_that_is_none_is_refused(old: Path, text: str) -> None:
    old.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="config_version"):
        config.load(old)


def test_check_says_that_a_file_is_old_and_migrates_it(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old.write_text(OLD + "[mqtt]\nport = 9\nconnect_timeout_s = 1\n", encoding="utf-8")
    main(["check", "--config", str(old)])
    assert "earlier version" in capsys.readouterr().out
    main(["check", "--config", str(old), "--migrate"])
    printed = capsys.readouterr().out
    assert "is of version 1 now" in printed
    assert "earlier version" not in printed


@given(
    st.lists(st.sampled_from(["# note", "", "   ", "\t# tab"]), max_size=5),
    st.sampled_from(["", "[site]\nid = 'x'\n", "[[cameras]]\nid = 'a'\nsource = '0'"]),
    st.booleans(),
)
def test_the_version_goes_before_every_table(comments: list[str], rest: str, newline: bool) -> None:
    text = "\n".join(comments) + ("\n" if newline or rest else "") + rest
    migrated = tomllib.loads(_name_the_version(text))
    assert migrated == {"config_version": 1, **tomllib.loads(text)}
