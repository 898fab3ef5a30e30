from pathlib import Path

import pytest
from pydantic import ValidationError

from vestibule.web_sections import WebConfig


def test_the_loopback_needs_no_encryption() -> None:
    for host in ("127.0.0.1", "::1", "127.8.8.8"):
        assert not WebConfig.model_validate({"host": host}).secure


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "fe80::1"])  # noqa: S104 - refused
def test_beyond_the_loopback_something_must_encrypt(host: str) -> None:
    with pytest.raises(ValidationError, match=r"beyond the loopback and nothing encrypts; set cert_file"):
        WebConfig.model_validate({"host": host})
    assert WebConfig.model_validate({"host": host, "cert_file": "a.crt", "key_file": "a.key"}).secure
    assert WebConfig.model_validate({"host": host, "trusted_proxies": ["192.0.2.2"]}).secure


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"key_file": Path("a.key")}, "set cert_file too"),
        ({"public_url": "staff.lan"}, "public_url"),
        ({"public_url": "https://staff.lan/page"}, "public_url"),
        ({"retention_h": 0}, "retention_h"),
        ({"sites": ["+"]}, "sites"),
        ({"trusted_proxies": ["proxy.lan"]}, "trusted_proxies"),
    ],
)
def test_what_is_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        WebConfig.model_validate(values)
