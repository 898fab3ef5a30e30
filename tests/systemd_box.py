"""A machine with a real systemd in which the service runs as it is delivered: systemd-nspawn on this system's own /usr.

Its root is a folder with an /etc of its own; /usr, the Python that runs the tests, its packages and this project are
bound into it, read-only. So it boots in seconds, downloads nothing and leaves nothing behind. Its network is its own.
"""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mqtt_client import wait_until

ROOT = Path(__file__).parents[1]
USER_ID = 990
_OPT = "/opt/vestibule"
_NEEDED = ("systemd-nspawn", "nsenter", "/usr/lib/systemd/systemd")
_FILES = {
    "etc/os-release": "ID=test\n",
    "etc/machine-id": f"{1:032x}\n",
    "etc/passwd": f"root:x:0:0::/root:/bin/sh\nvestibule:x:{USER_ID}:{USER_ID}::/var/lib/vestibule:/usr/sbin/nologin\n",
    "etc/group": f"root:x:0:\nvestibule:x:{USER_ID}:\nvideo:x:44:\nrender:x:105:\nsystemd-journal:x:106:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\n",
    "opt/vestibule/current/bin/vestibule": f"""#!/bin/sh
export LD_LIBRARY_PATH={_OPT}/python/lib PYTHONPATH={_OPT}/source/daemon:{_OPT}/source/models:{_OPT}/packages
exec {_OPT}/python/bin/python{sys.version_info.major}.{sys.version_info.minor} -m vestibule "$@"
""",
}
_LINKS = {
    **{name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")},
    "etc/systemd/system/default.target": "/usr/lib/systemd/system/multi-user.target",
    "etc/systemd/system/multi-user.target.wants/vestibule.service": "/etc/systemd/system/vestibule.service",
    # What other packages of this system want at a boot is none of ours, and slow.
    **{
        f"etc/systemd/system/{name}": "/dev/null"
        for name in (
            *("dbus.service", "dbus.socket", "getty.target", "console-getty.service", "ldconfig.service"),
            *("systemd-udevd.service", "systemd-udev-trigger.service", "systemd-logind.service"),
            *("systemd-hwdb-update.service", "systemd-journal-catalog-update.service", "systemd-sysusers.service"),
            *("systemd-firstboot.service", "systemd-networkd.service", "systemd-resolved.service"),
        )
    },
}


class Box:
    """The machine, booted.

    Attributes:
        folder: its root, seen from outside.
    """

    def __init__(self, folder: Path, pid: int) -> None:
        self.folder, self._pid = folder, pid

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in it as root and return what it prints."""
        done = subprocess.run(
            ["nsenter", "--target", str(self._pid), "--all", "--root", "--wd", *command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def show(self, name: str) -> str:
        """Return one of the service's properties, as systemd has it."""
        return self.run("systemctl", "show", "--property", name, "--value", "vestibule", check=False)

    def wait(self, name: str, value: str) -> None:
        """Wait until a property of the service has a value."""
        wait_until(lambda: self.show(name) == value, f"{name} {value}\n{self.journal()}")

    def journal(self, *match: str) -> str:
        """What the service has logged."""
        return self.run("journalctl", "--unit", "vestibule", "--no-pager", "--output", "cat", *match, check=False)


@contextmanager
def booted(folder: Path, files: dict[str, str]) -> Iterator[Box]:
    """Boot a machine with the service enabled; skips the test, with the reason, where that is not possible.

    Args:
        folder: an empty folder for its root.
        files: what it holds besides, by path.
    """
    if os.geteuid() != 0:
        pytest.skip("booting a systemd needs root")
    if missing := [name for name in _NEEDED if shutil.which(name) is None]:
        pytest.skip(f"{', '.join(missing)} not installed; apt-get install systemd systemd-container util-linux")
    _furnish(folder, files)
    places = {
        "/usr": "/usr",
        sys.base_prefix: f"{_OPT}/python",
        sysconfig.get_path("purelib"): f"{_OPT}/packages",
        str(ROOT / "daemon"): f"{_OPT}/source/daemon",
        str(ROOT / "models"): f"{_OPT}/source/models",
    }
    binds = [f"--bind-ro={outside}:{inside}" for outside, inside in places.items()]
    how = ("--boot", "--register=no", "--keep-unit", "--private-network", "--quiet")
    with (folder.parent / "console").open("wb") as console:
        process = subprocess.Popen(
            ["systemd-nspawn", f"--directory={folder}", *how, *binds],
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _up(folder, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


def _furnish(folder: Path, files: dict[str, str]) -> None:
    for name in ("usr", "var/log/journal", "tmp", "run", "proc", "sys", "dev", "root", "etc/vestibule/secrets"):
        (folder / name).mkdir(parents=True)
    for name, text in {**_FILES, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for name, target in _LINKS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(target)
    (folder / "opt/vestibule/current/bin/vestibule").chmod(0o755)
    (folder / "etc/vestibule/secrets").chmod(0o700)
    folder.chmod(0o755)
    shutil.copy2(ROOT / "systemd" / "vestibule.service", folder / "etc/systemd/system")


def _up(folder: Path, process: "subprocess.Popen[bytes]") -> Box:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")

    def answers() -> bool:
        if process.poll() is not None:
            console = (folder.parent / "console").read_text(encoding="utf-8", errors="replace")
            pytest.skip(f"systemd-nspawn does not run here: {console.strip().splitlines()[-1:]}")
        pids = children.read_text(encoding="ascii").split()
        return bool(pids) and Box(folder, int(pids[0])).show("LoadState") == "loaded"

    wait_until(answers, "systemd")
    return Box(folder, int(children.read_text(encoding="ascii").split()[0]))
