from pathlib import Path

import pytest
from pydantic import ValidationError

from vestibule.errors import ConfigError
from vestibule.privacy_sections import InstallerConfig, SnapshotsConfig


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "2001:db8::1", "10.0.0.1"])  # noqa: S104 - refused
def test_the_installer_s_page_is_refused_anywhere_but_on_the_loopback(host: str) -> None:
    with pytest.raises(ValidationError, match=r"is not of the loopback.*use 127\.0\.0\.1, and from elsewhere `ssh -L"):
        InstallerConfig.model_validate({"host": host})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1"])
def test_any_address_of_the_loopback_will_do(host: str) -> None:
    assert str(InstallerConfig.model_validate({"host": host}).host) == host


def test_a_page_without_a_password_is_refused() -> None:
    with pytest.raises(ValidationError, match="the page is enabled and has no password; set password_file"):
        InstallerConfig(enabled=True)


def test_the_password_is_read_only_where_the_page_is_on_and_must_be_long(tmp_path: Path) -> None:
    path = tmp_path / "password"
    assert InstallerConfig(password_file=path).password() is None
    page = InstallerConfig(enabled=True, password_file=path)
    with pytest.raises(ConfigError, match="cannot be read"):
        page.password()
    path.write_text("elevenchars\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="is too short; make it 12 characters or more") as refused:
        page.password()
    assert "elevenchars" not in str(refused.value)
    path.write_text("twelve chars\n", encoding="utf-8")
    secret = page.password()
    assert secret is not None
    assert secret.get_secret_value() == "twelve chars"
    assert "twelve" not in repr(secret)


@pytest.mark.parametrize("given", [{"mode": "on"}, {"keep_s": 0}, {"keep_s": 31 * 86_400}, {"max_mb": 0}])
def test_snapshots_are_kept_for_a_month_at_most(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SnapshotsConfig.model_validate(given)


def test_by_default_there_are_no_pictures_and_no_page() -> None:
    assert SnapshotsConfig().mode == "off"
    assert not InstallerConfig().enabled
