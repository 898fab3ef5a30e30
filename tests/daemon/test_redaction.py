import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from vestibule.redaction import Redactor, has_password, mask_userinfo


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("rtsp://viewer:hunter2@cam:554/a?b=c", "rtsp://***@cam:554/a?b=c"),
        ("rtsp://viewer@cam/a", "rtsp://***@cam/a"),
        ("rtsp://viewer:p@ss@cam/a", "rtsp://***@cam/a"),
        ("rtsp://viewer:p/w@cam/a", "rtsp://***@cam/a"),
        ("rtsp://viewer:p?w#x@cam/a", "rtsp://***@cam/a"),
        ("rtsp://:hunter2@[2001:db8::1]/a", "rtsp://***@[2001:db8::1]/a"),
        ("two: a://b:c@d, e://f:g@h.", "two: a://***@d, e://***@h."),
        ("[Errno 111] refused: 'rtsp://v:w@cam/a'", "[Errno 111] refused: 'rtsp://***@cam/a'"),
    ],
)
def test_logins_in_addresses_are_masked(text: str, masked: str) -> None:
    assert mask_userinfo(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://cam:554/live@1",
        "rtsp://cam/live@1",
        "rtsp://[2001:db8::1]:554/a@b",
        "staff@example.org",
        "a:b@c",
        "x://",
    ],
)
def test_what_is_no_login_stays(text: str) -> None:
    assert mask_userinfo(text) == text


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("rtsp://v:w@cam/a", True),
        ("rtsp://v:@cam/a", True),
        ("rtsp://v:1234@cam/a", True),
        ("rtsp://v:w/x@cam/a", True),
        ("rtsp://v@cam/a", False),
        ("rtsp://cam:554/a@b", False),
        ("/video/a:b@c.mp4", False),
    ],
)
def test_an_address_with_a_password_is_known(address: str, expected: bool) -> None:
    assert has_password(address) is expected


@given(
    secret=st.text(alphabet=st.characters(exclude_characters="*"), min_size=1, max_size=20),
    before=st.text(max_size=20),
    after=st.text(max_size=20),
)
def test_a_secret_never_survives(secret: str, before: str, after: str) -> None:
    assert secret not in Redactor([SecretStr(secret)]).text(before + secret + after)


@pytest.mark.parametrize("secret", ["p@ss/w?rd", 'quo"te', "quo'te", "back\\slash", "péché", "50% off"])
def test_a_secret_is_masked_however_it_is_spelt(secret: str) -> None:
    redactor = Redactor([SecretStr(secret)])
    for spelt in (secret, quote(secret, safe=""), json.dumps(secret), repr(secret)):
        assert redactor.text(f"<{spelt}>").replace('"', "").replace("'", "") == "<***>"


def test_of_two_secrets_the_longer_goes_first() -> None:
    assert Redactor([SecretStr("abc"), SecretStr("abcdef")]).text("abcdef abc") == "*** ***"


def test_an_empty_secret_masks_nothing() -> None:
    assert Redactor([SecretStr("")]).text("as it was") == "as it was"


def test_values_are_masked_at_any_depth_and_keep_their_shape() -> None:
    class Strange:
        def __repr__(self) -> str:
            return "Strange(hunter2)"

    value = {
        "list": ["x hunter2", {"tuple": ("hunter2", 1, 2.5, None, True)}],
        "hunter2": Strange(),
        "error": ValueError("hunter2"),
        "path": Path("/run/hunter2"),
    }
    assert Redactor([SecretStr("hunter2")]).value(value) == {
        "list": ["x ***", {"tuple": ["***", 1, 2.5, None, True]}],
        "***": "Strange(***)",
        "error": "ValueError('***')",
        "path": "/run/***",
    }
