import os
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Thread

import pytest
from fakes import Clock
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from structlog.testing import capture_logs

from vestibule.errors import SinkError
from vestibule.web.devices import Device, Devices, NamelessError
from vestibule.web.pairing import CODE_S, COOKIE_S, Pairing, Tries, clean_name
from vestibule.web.state import State

NOW_S = 1_700_000_000.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[Devices]:
    found = Devices(tmp_path / "devices.sqlite3")
    yield found
    found.close()


@pytest.fixture
def pairing(tmp_path: Path, devices: Devices, clock: Clock) -> Pairing:
    return Pairing(State(folder=tmp_path, key=SecretStr("k" * 64)), devices, clock)


def test_a_code_pairs_one_device_once(pairing: Pairing, devices: Devices) -> None:
    code = pairing.offer()
    assert len(code) == 8
    assert code.isdigit()
    device = pairing.redeem(f" {code[:4]} {code[4:]} ", "Ana")
    assert device is not None
    assert (device.name, device.paired_at_s) == ("Ana", NOW_S)
    assert devices.all() == [device]
    assert pairing.redeem(code, "Eve") is None


def test_of_two_who_type_the_same_code_at_once_one_is_paired(pairing: Pairing, devices: Devices) -> None:
    code, barrier = pairing.offer(), Barrier(8)
    paired: list[Device | None] = []

    def type_it(name: str) -> None:
        barrier.wait()
        paired.append(pairing.redeem(code, name))

    threads = [Thread(target=type_it, args=(f"phone {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(filter(None, paired))) == len(devices.all()) == 1


def test_a_code_expires(pairing: Pairing, clock: Clock) -> None:
    code = pairing.offer()
    clock.now_s += CODE_S
    assert pairing.redeem(code, "Ana") is None


def test_a_name_given_with_the_code_counts_and_without_any_the_code_stays_good(pairing: Pairing) -> None:
    named = pairing.redeem(pairing.offer("Till 2"), "Eve")
    assert named is not None
    assert named.name == "Till 2"
    code = pairing.offer()
    with pytest.raises(NamelessError):
        pairing.redeem(code, "")
    assert pairing.redeem(code, "Ana") is not None


def test_neither_code_nor_cookie_is_in_the_file(pairing: Pairing, tmp_path: Path) -> None:
    code = pairing.offer("Ana")
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"Ana" in kept
    assert code.encode() not in kept


def test_a_cookie_is_good_until_it_is_old_or_revoked(pairing: Pairing, devices: Devices) -> None:
    device = pairing.redeem(pairing.offer(), "Ana")
    assert device is not None
    cookie = pairing.cookie(device)
    assert pairing.device_of(cookie) == device
    assert devices.revoke(device.device_id)
    assert pairing.device_of(cookie) is None
    assert not devices.revoke(device.device_id)


def test_cookies_of_others_are_none(pairing: Pairing, devices: Devices, tmp_path: Path, clock: Clock) -> None:
    device = pairing.redeem(pairing.offer(), "Ana")
    assert device is not None
    forged = Pairing(State(folder=tmp_path, key=SecretStr("x" * 64)), devices, clock).cookie(device)
    good = pairing.cookie(device)
    body, stamp, signature = good.split(".")
    for cookie in (
        "",
        "nonsense",
        forged,
        device.device_id,
        f"{body}.{stamp}.{signature[:-1]}",
        f"{body}..{signature}",
    ):
        assert pairing.device_of(cookie) is None


def test_a_cookie_that_was_not_shown_for_half_a_year_is_none(pairing: Pairing, monkeypatch: pytest.MonkeyPatch) -> None:
    device = pairing.redeem(pairing.offer(), "Ana")
    assert device is not None
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: NOW_S)
    cookie = pairing.cookie(device)
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: NOW_S + COOKIE_S)
    assert pairing.device_of(cookie) == device
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: NOW_S + COOKIE_S + 1)
    assert pairing.device_of(cookie) is None


def test_a_second_process_sees_what_the_first_does(tmp_path: Path, devices: Devices) -> None:
    other = Devices(tmp_path / "devices.sqlite3")
    other.offer("digest", "Ana", NOW_S + 60)
    device = devices.redeem("digest", "", NOW_S)
    assert device is not None
    devices.seen(device.device_id, NOW_S + 5)
    assert [found.seen_at_s for found in other.all()] == [NOW_S + 5]
    other.revoke(device.device_id)
    assert devices.get(device.device_id) is None
    other.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="changing owners needs root")
def test_what_root_does_leaves_the_file_to_the_service_s_user(tmp_path: Path) -> None:
    Devices(tmp_path / "devices.sqlite3").close()
    os.chown(tmp_path / "devices.sqlite3", 12_345, 12_345)
    devices = Devices(tmp_path / "devices.sqlite3")
    devices.offer("digest", "Ana", NOW_S + 60)
    owners = {path.name: path.stat().st_uid for path in tmp_path.iterdir()}
    devices.close()
    assert owners == dict.fromkeys(["devices.sqlite3", "devices.sqlite3-wal", "devices.sqlite3-shm"], 12_345)


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "devices.sqlite3").write_text("Dear customer, " * 100, encoding="ascii")
    with pytest.raises(SinkError, match=r"devices\.sqlite3: file is not a database"):
        Devices(tmp_path / "devices.sqlite3")


# ---- tries


def test_an_address_has_five_tries_in_five_minutes(clock: Clock) -> None:
    tries = Tries(clock)
    assert [tries.wait_s("192.0.2.1") for _ in range(6)] == [0, 0, 0, 0, 0, 300]
    assert tries.wait_s("192.0.2.2") == 0
    clock.now_s += 299.5
    assert tries.wait_s("192.0.2.1") == 1
    clock.now_s += 0.5
    assert tries.wait_s("192.0.2.1") == 0


def test_who_floods_the_page_does_not_flood_the_log(clock: Clock) -> None:
    tries = Tries(clock)
    with capture_logs() as log:
        for number in range(1000):
            clock.now_s += 0.5
            tries.wait_s(f"192.0.2.{number % 7}")
    assert [entry["event"] for entry in log] == ["pairing: too many tries"] * 2


def test_all_addresses_together_have_thirty(clock: Clock) -> None:
    tries = Tries(clock)
    assert sum(tries.wait_s(f"192.0.2.{number}") == 0 for number in range(200)) == 30
    clock.now_s += 300
    assert tries.wait_s("192.0.2.1") == 0


# ---- names


@pytest.mark.parametrize(
    ("given", "name"),
    [(" Ana  María ", "Ana María"), ("x" * 40, "x" * 40), ("x" * 41, None), ("", None), ("a\u202eb", None), (5, None)],
)
def test_a_name_is_what_the_others_can_read(given: object, name: str | None) -> None:
    assert clean_name(given) == name


@given(text=st.text())
def test_every_clean_name_can_be_published(text: str) -> None:
    name = clean_name(text)
    assert name is None or (0 < len(name) <= 40 and name.isprintable() and name.strip() == name)
