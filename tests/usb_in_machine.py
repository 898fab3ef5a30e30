"""Run in the virtual machine: captures of a V4L2 camera of the kernel's own, which is pulled out and put back."""
# ruff: noqa: T201 - it prints what the test looks at

import ctypes
import fcntl
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from vestibule.capture import Captures
from vestibule.health import Health
from vestibule.sections import CameraConfig, CaptureConfig
from vestibule.sources import open_source
from vestibule.types import Frame

DEVICE = Path("/dev/video0")
BUSYBOX = "/usr/bin/busybox"
_QUERYCTRL, _S_CTRL, _NEXT = 0xC044_5624, 0xC008_561C, 0x8000_0000
"""VIDIOC_QUERYCTRL, VIDIOC_S_CTRL and V4L2_CTRL_FLAG_NEXT_CTRL of linux/videodev2.h."""


class _Query(ctypes.Structure):
    _fields_ = (
        ("id", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("name", ctypes.c_char * 32),
        ("rest", ctypes.c_uint32 * 7),
    )


def press(name: bytes) -> None:
    """Press a button among the camera's controls."""
    with DEVICE.open("rb", buffering=0) as device:
        query = _Query(id=_NEXT)
        while True:
            fcntl.ioctl(device, _QUERYCTRL, query)
            if query.name == name:
                break
            query.id |= _NEXT
        fcntl.ioctl(device, _S_CTRL, (ctypes.c_uint32 * 2)(query.id, 1))


def start(name: str, loop: Callable[[], None]) -> threading.Thread:
    """Start a capture thread."""
    thread = threading.Thread(target=loop, name=name, daemon=True)
    thread.start()
    return thread


def main() -> None:
    """Watch it, pull it out, put it back, and print what was seen of it."""
    health = Health(["usb"], time.time)
    config = CaptureConfig(retry_initial_s=0.5, retry_max_s=1.0)
    sizes: set[tuple[int, ...]] = set()

    def deliver(frame: Frame) -> bool:
        sizes.add(frame.image.shape)
        return False

    def wait(state: str, frames: int) -> dict[str, object]:
        deadline_s, seen = time.monotonic() + 100, health.counts.get("frames_captured", 0)
        while time.monotonic() < deadline_s:
            captures.tend()
            camera = health.cameras()[0]
            if camera.state == state and camera.frames.get("captured", 0) >= seen + frames:
                return {"state": camera.state, "reason": camera.reason, "connects": camera.connects}
            time.sleep(0.1)
        raise SystemExit(f"waited for {state}: {health.cameras()}")

    captures = Captures(
        cameras=[CameraConfig(id="usb", source="0")],
        config=config,
        open_camera=lambda camera, count: open_source(camera, config, time.time, count),
        deliver=deliver,
        health=health,
        start_thread=start,
    )
    found = [wait("online", 30)]
    press(b"Disconnect")
    found.append(wait("offline", 0))
    subprocess.run([BUSYBOX, "rmmod", "vivid"], check=True, timeout=60)
    subprocess.run([BUSYBOX, "insmod", "/tmp/modules/vivid.ko"], check=True, timeout=60)  # noqa: S108
    found.append(wait("online", 30))
    captures.stop(5.0)
    counts = health.cameras()[0].frames
    print("found:", json.dumps({"states": found, "counts": counts, "sizes": [*sizes], "kernel": os.uname().release}))


if __name__ == "__main__":
    main()
