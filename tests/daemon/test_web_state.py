import os
import stat
from pathlib import Path

import pytest

from vestibule.errors import ConfigError
from vestibule.web.state import make_state, open_state


def test_the_first_start_makes_a_key_that_only_the_service_reads(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "web"
    made = make_state(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "key").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["key"]
    assert make_state(folder) == made == open_state(folder)
    assert made.key.get_secret_value() not in repr(made)
    assert made.key.get_secret_value() not in made.client_id


def test_every_folder_has_a_key_and_a_name_at_the_broker_of_its_own(tmp_path: Path) -> None:
    first, second = make_state(tmp_path / "a"), make_state(tmp_path / "b")
    assert first.key != second.key
    assert first.client_id != second.client_id


def test_a_start_that_was_cut_short_leaves_no_half_key(tmp_path: Path) -> None:
    (tmp_path / f"key.new-{os.getpid()}").write_text("abc", encoding="ascii")
    assert len(make_state(tmp_path).key.get_secret_value()) == 64


def test_pairing_before_the_first_start_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="start `vestibule web` with this configuration first"):
        open_state(tmp_path)


@pytest.mark.parametrize("text", ["", "abc", "z" * 64, "0" * 63])
def test_a_key_that_is_none_is_not_used(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text, encoding="ascii")
    with pytest.raises(ConfigError, match="no key of ours; remove it"):
        make_state(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"web\.state_dir .*file/web: Not a directory; name a folder"):
        make_state(tmp_path / "file" / "web")
