"""The files that make a service of the daemon: systemd's units, the install script, the container."""

import os
import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

from vestibule.web_sections import WebConfig

ROOT = Path(__file__).parents[1]
UNITS = ROOT / "systemd"
INSTALL = ROOT / "deploy" / "install.sh"
CONTAINER = ROOT / "deploy" / "container"
MOST_EXPOSED = 15
"""Tenths of systemd's exposure level, 0 to 10."""
STAND_IN_PYTHON = """#!/bin/bash
# In place of Python: makes a folder of a virtual environment, and notes what pip is asked for.
echo "$*" >>"{log}"
if [[ $1 == -c ]]; then exit 0; fi
if [[ "$1 $2" == "-m venv" ]]; then
    mkdir -p "$3/bin"
    cp "$0" "$3/bin/python"
fi
if [[ "$*" == *"--requirement"* && -e "{fails}" ]]; then exit 1; fi
exit 0
"""

needs_systemd_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def settings(unit: str) -> list[str]:
    lines = (UNITS / unit).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@needs_systemd_analyze
@pytest.mark.parametrize("unit", ["vestibule.service", "vestibule@.service", "vestibule-web.service"])
def test_the_units_are_locked_down(unit: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(UNITS / unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-400:] + done.stderr


@needs_systemd_analyze
@pytest.mark.parametrize(
    ("unit", "copy"),
    [
        ("vestibule.service",) * 2,
        ("vestibule@.service", "vestibule@shop.service"),
        ("vestibule-web.service",) * 2,
    ],
)
def test_systemd_understands_every_line(unit: str, copy: str, tmp_path: Path) -> None:
    text = (UNITS / unit).read_text(encoding="utf-8")
    (tmp_path / copy).write_text(
        re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE), encoding="utf-8"
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", "--man=no", str(tmp_path / copy)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_for_several_stores_differs_in_its_folders_only() -> None:
    several = [line.replace("/%i", "").replace(" at %i", "") for line in settings("vestibule@.service")]
    assert several == settings("vestibule.service")
    assert len([line for line in settings("vestibule@.service") if "%i" in line]) == 5


@pytest.mark.parametrize("unit", ["vestibule.service", "vestibule@.service"])
def test_a_crash_leaves_no_pictures_on_the_disk(unit: str) -> None:
    assert "LimitCORE=0" in settings(unit)


def test_systemd_waits_longer_than_the_daemon_takes() -> None:
    given = dict(line.split("=", 1) for line in settings("vestibule.service") if "=" in line)
    assert float(given["TimeoutStopSec"]) > 5
    assert float(given["WatchdogSec"]) >= 2 * 30  # a worker counts as stuck after 30 s


def test_the_staff_page_has_a_user_and_secrets_of_its_own_and_keeps_its_state_where_its_configuration_says() -> None:
    given = settings("vestibule-web.service")
    assert "DynamicUser=yes" in given
    assert not [line for line in given if line.startswith(("User=", "SupplementaryGroups=", "DeviceAllow="))]
    loaded = [line.split("=", 1)[1] for line in given if line.startswith("LoadCredential=")]
    assert loaded == ["web.toml:/etc/vestibule/web.toml", "secret:/etc/vestibule/web-secrets"]
    assert f"StateDirectory={WebConfig().state_dir.relative_to('/var/lib')}" in given


# install.sh


class Machine:
    """A folder in place of the root of the file system."""

    def __init__(self, folder: Path) -> None:
        self.root, self.log, self.fails = folder / "root", folder / "calls", folder / "fails"
        self.root.mkdir()
        self.log.touch()
        self.python = folder / "python"
        self.python.write_text(STAND_IN_PYTHON.format(log=self.log, fails=self.fails), encoding="utf-8")
        self.python.chmod(0o755)
        self.source = folder / "source"
        self.source.mkdir()
        for name in ("pyproject.toml", "README.md", "LICENSE", "config.example.toml"):
            shutil.copy2(ROOT / name, self.source / name)
        for name in ("deploy", "systemd", "scripts", "requirements", "docs"):
            shutil.copytree(ROOT / name, self.source / name)
        for name in ("daemon/vestibule/__init__.py", "models/vestibule_models/__init__.py"):
            (self.source / name).parent.mkdir(parents=True)
            shutil.copy2(ROOT / name, self.source / name)

    def install(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/bash", str(self.source / "deploy" / "install.sh"), *arguments],
            env={**os.environ, "DESTDIR": str(self.root), "PYTHON": str(self.python)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def installed(self, *arguments: str) -> str:
        done = self.install(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def path(self, name: str) -> Path:
        return self.root / name

    def files(self) -> dict[str, str]:
        """Every file and link with what it holds."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            if path.is_symlink():
                found[str(path.relative_to(self.root))] = f"-> {path.readlink()}"
            elif path.is_file():
                found[str(path.relative_to(self.root))] = path.read_text(encoding="utf-8")
        return found


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_installs_program_configuration_and_units(machine: Machine) -> None:
    machine.installed()
    assert machine.path("opt/vestibule/current/complete").exists()
    for unit in ("vestibule.service", "vestibule@.service", "vestibule-web.service"):
        assert machine.path(f"etc/systemd/system/{unit}").exists()
    assert machine.path("opt/vestibule/current/share/staff-page.md").exists()
    assert machine.path("usr/local/bin/vestibule").readlink() == Path("/opt/vestibule/current/bin/vestibule")
    assert tomllib.loads(machine.path("etc/vestibule/vestibule.toml").read_text(encoding="utf-8"))
    assert stat.S_IMODE(machine.path("etc/vestibule/secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE(machine.path("etc/vestibule/web-secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE(machine.path("etc/vestibule/vestibule.toml").stat().st_mode) == 0o640
    asked = machine.log.read_text(encoding="utf-8")
    assert "--require-hashes --only-binary :all: --requirement" in asked


def test_a_second_run_changes_nothing(machine: Machine) -> None:
    machine.installed()
    before, calls = machine.files(), machine.log.read_text(encoding="utf-8")
    machine.installed()
    assert machine.files() == before
    assert "-m pip" not in machine.log.read_text(encoding="utf-8").removeprefix(calls)


def test_an_upgrade_keeps_configuration_secrets_state_and_the_release_before(machine: Machine) -> None:
    machine.installed()
    first = machine.path("opt/vestibule/current").readlink()
    kept = {
        "etc/vestibule/vestibule.toml": "# ours",
        "etc/vestibule/secrets/door": "x",
        "var/lib/vestibule/outbox": "y",
    }
    for name, text in kept.items():
        machine.path(name).parent.mkdir(parents=True, exist_ok=True)
        machine.path(name).write_text(text, encoding="utf-8")
    for number in range(2):
        (machine.source / "daemon/vestibule/new.py").write_text(f"NUMBER = {number}\n", encoding="utf-8")
        before = machine.path("opt/vestibule/current").readlink()
        said = machine.installed()
        now = machine.path("opt/vestibule/current").readlink()
        assert f"installed {now.name}, {before.name} is kept" in said
        releases = {path.name for path in machine.path("opt/vestibule/releases").iterdir()}
        assert releases == {before.name, now.name}
    assert first.name not in releases
    assert {name: machine.path(name).read_text(encoding="utf-8") for name in kept} == kept


def test_an_install_that_fails_leaves_what_runs_and_is_made_good_by_the_next(machine: Machine) -> None:
    machine.installed()
    before = machine.path("opt/vestibule/current").readlink()
    (machine.source / "daemon/vestibule/new.py").touch()
    machine.fails.touch()
    assert machine.install().returncode != 0
    assert machine.path("opt/vestibule/current").readlink() == before
    machine.fails.unlink()
    machine.installed()
    assert machine.path("opt/vestibule/current").readlink() != before


def test_uninstall_keeps_configuration_and_state_and_purge_does_not(machine: Machine) -> None:
    machine.installed()
    (machine.path("var/lib/vestibule")).mkdir(parents=True)
    (machine.path("var/lib/vestibule/outbox")).touch()
    (machine.path("var/lib/private/vestibule-web")).mkdir(parents=True)
    (machine.path("var/lib/private/vestibule-web/key")).touch()
    machine.installed("--uninstall")
    kept = {"etc/vestibule/vestibule.toml", "var/lib/vestibule/outbox", "var/lib/private/vestibule-web/key"}
    assert set(machine.files()) == kept
    machine.installed("--uninstall")
    machine.installed("--uninstall", "--purge")
    assert machine.files() == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--remove"], "unknown argument --remove"), (["--purge"], "--purge goes with --uninstall")],
)
def test_wrong_arguments_are_said(machine: Machine, arguments: list[str], said: str) -> None:
    done = machine.install(*arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert machine.files() == {}


# The container


def test_the_container_is_made_from_the_lock_and_runs_as_nobody_special() -> None:
    text = (CONTAINER / "Containerfile").read_text(encoding="utf-8")
    assert "--require-hashes --only-binary :all: --requirement /tmp/base.lock" in text
    users = re.findall(r"^USER (\d+):(\d+)$", text, flags=re.MULTILINE)
    assert users
    assert int(users[-1][0]) > 0
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, flags=re.MULTILINE)
    assert all((ROOT / name).exists() for names in copied for name in names.split())


def test_compose_mounts_what_is_there_or_is_asked_for() -> None:
    text = (CONTAINER / "compose.yaml").read_text(encoding="utf-8")
    mounted = set(re.findall(r"^\s+- \./([\w.]+):", text, flags=re.MULTILINE))
    assert mounted == {"vestibule.toml", "secrets", "broker.conf"}
    assert (CONTAINER / "broker.conf").exists()
    assert all(f" {name}" in text.split("services:")[0] for name in ("vestibule.toml", "secrets"))
