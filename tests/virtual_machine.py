"""A virtual machine that runs a Python script of the tests on this system's own files, with drivers that we lack here.

QEMU boots a Debian kernel, unpacked into a folder that `VESTIBULE_KERNEL` names:

    apt-get download linux-image-6.1.0-56-amd64 && dpkg -x linux-image-*.deb FOLDER && depmod -b FOLDER VERSION

The root file system of this machine is mounted read-only in it (9p), with an empty /tmp.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
_PROGRAMS = ("qemu-system-x86_64", "busybox", "cpio", "modprobe")
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_INIT = """#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
for module in {modules}; do /bin/busybox insmod /modules/$module; done
/bin/busybox mount -t 9p -o trans=virtio,ro,cache=loose,msize=524288 root /root
/bin/busybox mount -t tmpfs tmp /root/tmp
/bin/busybox mkdir /root/tmp/modules
/bin/busybox cp /modules/*.ko /root/tmp/modules/
/bin/busybox mount --move /dev /root/dev
/bin/busybox mount -t tmpfs shm /root/dev/shm 2>/dev/null
/bin/busybox mount -t proc proc /root/proc
/bin/busybox mount -t sysfs sys /root/sys
/bin/busybox ip link set lo up
/bin/busybox chroot /root /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp PYTHONDONTWRITEBYTECODE=1 \\
    PYTHONPATH={tests} {python} {script}
echo "ended with $?"
/bin/busybox poweroff -f
"""


def run_in_machine(script: Path, *modules: str, timeout_s: float) -> str:
    """Run a script in it with these kernel modules and return what it prints; skips the test where that cannot be done.

    The modules lie in /tmp/modules too, for `insmod`.
    """
    folder = os.environ.get("VESTIBULE_KERNEL")
    if not folder:
        pytest.skip("set VESTIBULE_KERNEL to the folder of an unpacked kernel, see tests/virtual_machine.py")
    if missing := [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]:
        pytest.skip(f"{', '.join(missing)} not installed; apt-get install qemu-system-x86 busybox-static cpio kmod")
    kernel = next((Path(folder) / "boot").glob("vmlinuz-*"))
    with tempfile.TemporaryDirectory() as work:
        archive = _initial_files(Path(work), Path(folder), kernel.name.removeprefix("vmlinuz-"), modules, script)
        command = [
            # Emulated: a virtual machine inside of another one may hang.
            *(
                "qemu-system-x86_64",
                "-accel",
                "tcg",
                "-cpu",
                "max",
                "-m",
                "2048",
                "-smp",
                "2",
                "-nodefaults",
                "-no-reboot",
                "-nographic",
            ),
            *("-serial", "stdio", "-kernel", str(kernel), "-initrd", str(archive)),
            *("-append", "console=ttyS0 quiet panic=-1"),
            *("-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"),
        ]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            env={**os.environ, "PATH": _PATH},
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _initial_files(work: Path, folder: Path, version: str, modules: tuple[str, ...], script: Path) -> Path:
    root = work / "root"
    for name in ("bin", "dev", "proc", "root", "modules"):
        (root / name).mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox", path=_PATH)), root / "bin" / "busybox")
    needed: dict[str, Path] = {}
    for module in ("virtio_pci", "9pnet_virtio", "9p", *modules):
        command = ["modprobe", "--dirname", str(folder), "--set-version", version, "--show-depends", module]
        listed = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True, env={**os.environ, "PATH": _PATH}
        ).stdout
        for line in listed.splitlines():
            if line.startswith("insmod "):
                path = Path(line.split()[1])
                needed.setdefault(path.name, path)
    for path in needed.values():
        shutil.copy(path, root / "modules")
    init = _INIT.format(modules=" ".join(needed), tests=TESTS, python=sys.executable, script=script)
    (root / "init").write_text(init, encoding="utf-8")
    (root / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    archive = work / "initrd"
    with archive.open("wb") as out:
        subprocess.run(
            ["cpio", "--create", "--format=newc", "--quiet"],
            cwd=root,
            input=names.encode(),
            stdout=out,
            timeout=60,
            check=True,
        )
    return archive
