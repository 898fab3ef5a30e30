"""The scripts behind the Makefile, run with stand-ins for the programs that would change the machine."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
TOOLS = ("bash", "env", "cat", "cut", "sha256sum", "rm", "mkdir", "cp", "chmod", "dirname", "grep")


class Machine:
    """A folder that holds the scripts, and all the programs that they can find."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "programs"
        self.programs.mkdir()
        shutil.copytree(SCRIPTS, folder / "scripts")
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None
            (self.programs / tool).symlink_to(found)
        self.log = folder / "calls"
        self.log.touch()
        self.log.chmod(0o666)

    def add(self, name: str, body: str = "") -> None:
        """Add a program that notes how it was called; `body` is bash."""
        path = self.programs / name
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>"{self.log}"\n{body}\n', encoding="utf-8")
        path.chmod(0o755)

    def calls(self) -> list[str]:
        """How programs were called since this was last asked."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        self.log.write_text("", encoding="utf-8")
        return lines

    def run(
        self, script: str, *args: str, variables: Mapping[str, str] | None = None, user: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/bash", str(self.folder / "scripts" / script), *args],
            cwd=self.folder,
            env={"PATH": str(self.programs), **(variables or {})},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            user=user,
        )


@pytest.fixture
def machine() -> Iterator[Machine]:
    # Not pytest's own folder, which other users may not enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield Machine(folder)


class TestNeed:
    """The packages have names that no machine has, so the search on the real system paths finds none."""

    @pytest.fixture(autouse=True)
    def _debian(self, machine: Machine) -> None:
        machine.add("dpkg-query", '[[ ${!#} == there-* ]] && printf installed || { echo "no packages" >&2; exit 1; }')
        machine.add("apt-get")
        machine.add("sudo", '[[ $1 == -n ]] && shift; exec "$@"')

    def test_nothing_is_asked_of_apt_when_all_is_there(self, machine: Machine) -> None:
        machine.add("vestibule-tool")
        done = machine.run("need.sh", "vestibule-tool", "there-lib")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert not [call for call in machine.calls() if call.startswith(("apt-get", "sudo"))]

    def test_only_what_is_missing_is_installed_after_an_update(self, machine: Machine) -> None:
        done = machine.run("need.sh", "there-lib", "gone-lib", "gone-tool")
        assert done.returncode == 0, done.stderr
        update, install = [call for call in machine.calls() if call.startswith("apt-get")]
        assert update.endswith(" update")
        assert install.endswith(" install --yes --no-install-recommends gone-lib gone-tool")

    def test_a_removed_package_is_missing(self, machine: Machine) -> None:
        machine.add("dpkg-query", "printf config-files")
        machine.run("need.sh", "gone-lib")
        assert any("install" in call for call in machine.calls())

    def test_a_failure_of_apt_is_told(self, machine: Machine) -> None:
        machine.add("apt-get", 'echo "E: no network" >&2; exit 100')
        done = machine.run("need.sh", "gone-lib")
        assert done.returncode == 1
        assert "E: no network" in done.stderr
        assert "could not install gone-lib" in done.stderr

    @pytest.mark.parametrize("sudo", [None, 'echo "a password is required" >&2; exit 1'])
    def test_where_it_may_not_install_it_names_the_command(self, machine: Machine, sudo: str | None) -> None:
        if sudo is None:
            (machine.programs / "sudo").unlink()
        else:
            machine.add("sudo", sudo)
        user = pwd.getpwnam("nobody").pw_name if os.geteuid() == 0 else None
        done = machine.run("need.sh", "there-lib", "gone-lib", "gone-tool", user=user)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].strip() == (
            "sudo apt-get update && sudo apt-get install --no-install-recommends gone-lib gone-tool"
        )
        assert not [call for call in machine.calls() if call.startswith("apt-get")]

    def test_another_distribution_is_told_what_is_missing(self, machine: Machine) -> None:
        for program in ("apt-get", "dpkg-query"):
            (machine.programs / program).unlink()
        if shutil.which("apt-get", path="/usr/local/sbin:/usr/sbin:/sbin"):
            pytest.skip("apt-get lies on the paths that need.sh adds")
        done = machine.run("need.sh", "gone-lib")
        assert done.returncode == 1
        assert "missing: gone-lib" in done.stderr


def python(version: str, *, has_venv: bool = True) -> str:
    """A stand-in for a Python: answers the probe and `version_of`; `-m venv` copies it, pip only notes its call."""
    minor = int(version.split(".")[1])
    code = 1 if not 11 <= minor <= 13 else 0 if has_venv else 2
    return f"""
case "$*" in
    *ensurepip*) exit {code} ;;
    *version_info*) echo python{version} ;;
    "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
    "-m pip "*) [[ -z ${{BROKEN_NETWORK:-}} ]] ;;
esac
"""


class TestPython:
    def test_the_newest_in_range_is_taken(self, machine: Machine) -> None:
        machine.add("python3.11", python("3.11"))
        machine.add("python3.12", python("3.12"))
        machine.add("python3", python("3.14"))
        assert machine.run("python.sh").stdout.strip() == str(machine.programs / "python3.12")

    def test_one_that_does_not_run_is_passed_over(self, machine: Machine) -> None:
        machine.add("python3.13", "exit 127")
        machine.add("python3", python("3.11"))
        assert machine.run("python.sh").stdout.strip() == str(machine.programs / "python3")

    def test_one_without_venv_is_passed_over(self, machine: Machine) -> None:
        machine.add("python3.13", python("3.13", has_venv=False))
        machine.add("python3.11", python("3.11"))
        assert machine.run("python.sh").stdout.strip() == str(machine.programs / "python3.11")

    def test_where_only_venv_is_missing_its_package_is_named(self, machine: Machine) -> None:
        machine.add("python3", python("3.12", has_venv=False))
        done = machine.run("python.sh")
        assert (done.returncode, done.stdout) == (1, "")
        assert "sudo apt-get install python3.12-venv" in done.stderr

    def test_where_there_is_none_the_packages_are_named(self, machine: Machine) -> None:
        machine.add("python3", python("3.10"))
        done = machine.run("python.sh")
        assert (done.returncode, done.stdout) == (1, "")
        assert (
            "no Python 3.11, 3.12 or 3.13 found; install one: sudo apt-get install python3 python3-venv" in done.stderr
        )

    def test_the_one_asked_for_is_taken(self, machine: Machine) -> None:
        machine.add("python3.13", python("3.13"))
        machine.add("mine", python("3.11"))
        chosen = machine.run("python.sh", variables={"PYTHON": "mine"})
        assert chosen.stdout.strip() == str(machine.programs / "mine")

    @pytest.mark.parametrize("name", ["python3", "nowhere"])
    def test_no_other_is_taken_for_the_one_asked_for(self, machine: Machine, name: str) -> None:
        machine.add("python3.13", python("3.13"))
        machine.add("python3", python("3.14"))
        done = machine.run("python.sh", variables={"PYTHON": name})
        assert (done.returncode, done.stdout) == (1, "")
        assert f"PYTHON={name} is not a working Python 3.11, 3.12 or 3.13" in done.stderr


class TestVenv:
    @pytest.fixture(autouse=True)
    def _project(self, machine: Machine) -> None:
        machine.add("python3.12", python("3.12"))
        (machine.folder / "a.lock").write_text("six==1.0\n", encoding="utf-8")
        (machine.folder / "pyproject.toml").write_text("[project]\n", encoding="utf-8")

    def make(self, machine: Machine, **variables: str) -> list[str]:
        """Run it; return what was done to the environment: venv, lock or project."""
        done = machine.run("venv.sh", ".venv", "a.lock", variables=variables)
        assert done.returncode == (1 if "BROKEN_NETWORK" in variables else 0), done.stderr
        kinds = {"-m venv ": "venv", " --require-hashes ": "lock", " --editable .": "project"}
        return [kind for call in machine.calls() for mark, kind in kinds.items() if mark in call]

    def test_it_is_made_once(self, machine: Machine) -> None:
        assert self.make(machine) == ["venv", "lock", "project"]
        assert self.make(machine) == []

    def test_only_locked_files_with_their_hashes_are_installed(self, machine: Machine) -> None:
        machine.run("venv.sh", ".venv", "a.lock")
        lock, project = [call for call in machine.calls() if "-m pip" in call]
        assert "--require-hashes --only-binary :all: --no-compile --requirement a.lock" in lock
        assert "--no-index --no-deps --no-build-isolation --editable ." in project

    def test_an_interrupted_install_starts_anew(self, machine: Machine) -> None:
        assert self.make(machine, BROKEN_NETWORK="1") == ["venv", "lock"]
        left_over = machine.folder / ".venv" / "half-installed"
        left_over.touch()
        assert self.make(machine) == ["venv", "lock", "project"]
        assert not left_over.exists()

    def test_a_changed_lock_starts_anew(self, machine: Machine) -> None:
        self.make(machine)
        (machine.folder / "a.lock").write_text("six==2.0\n", encoding="utf-8")
        assert self.make(machine) == ["venv", "lock", "project"]

    def test_a_touched_lock_changes_nothing(self, machine: Machine) -> None:
        self.make(machine)
        os.utime(machine.folder / "a.lock", (2e9, 2e9))
        assert self.make(machine) == []

    def test_a_changed_project_is_installed_without_the_rest(self, machine: Machine) -> None:
        self.make(machine)
        (machine.folder / "pyproject.toml").write_text("[project]\nname = 'a'\n", encoding="utf-8")
        assert self.make(machine) == ["project"]

    def test_a_moved_checkout_starts_anew(self, machine: Machine) -> None:
        self.make(machine)
        record = machine.folder / ".venv" / "made-of"
        record.write_text("/elsewhere" + record.read_text(encoding="utf-8"), encoding="utf-8")
        assert self.make(machine) == ["venv", "lock", "project"]

    def test_a_newer_python_on_the_machine_changes_nothing(self, machine: Machine) -> None:
        self.make(machine)
        machine.add("python3.13", python("3.13"))
        assert self.make(machine) == []

    def test_another_python_asked_for_starts_anew(self, machine: Machine) -> None:
        self.make(machine)
        machine.add("python3.13", python("3.13"))
        assert self.make(machine, PYTHON="python3.13") == ["venv", "lock", "project"]
        assert self.make(machine, PYTHON="python3.13") == []

    def test_a_python_that_is_gone_starts_anew(self, machine: Machine) -> None:
        self.make(machine)
        (machine.folder / ".venv" / "bin" / "python").unlink()
        assert self.make(machine) == ["venv", "lock", "project"]
