"""A real V4L2 device: the kernel's virtual camera, in a machine of its own. Only where a kernel is at hand."""

import json

import pytest
from virtual_machine import TESTS, run_in_machine


@pytest.mark.slow  # a machine boots
def test_a_usb_camera_that_is_pulled_out_and_put_back() -> None:
    printed = run_in_machine(TESTS / "usb_in_machine.py", "vivid", timeout_s=280)
    lines = [line.partition("found: ")[2] for line in printed.splitlines() if "found: " in line]
    assert len(lines) == 1, printed[-4000:]
    found = json.loads(lines[0])
    print(found)  # noqa: T201 - for docs/reliability.md
    first, away, again = found["states"]
    assert (first["state"], first["connects"]) == ("online", 1)
    assert away["state"] == "offline"
    assert "check that it is plugged in" in away["reason"] or "no such device" in away["reason"]
    assert again["state"] == "online"
    assert again["connects"] >= 2
    assert found["counts"]["thinned"] > 0  # grabbed, not decoded
    assert {tuple(size)[2] for size in found["sizes"]} == {3}
