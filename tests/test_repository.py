"""What must hold of the repository as a whole: its locks, its targets, what it says."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PYTHONS = ("3.11", "3.12", "3.13")


def locked(name: str) -> dict[str, Requirement]:
    """What a lock pins, by name; each with at least one hash."""
    text = re.sub(r"#.*", "", (ROOT / "requirements" / name).read_text(encoding="utf-8")).replace("\\\n", " ")
    found: dict[str, Requirement] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        pin, *hashes = re.split(r"\s+--hash=", line)
        assert hashes, f"{pin} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", item) for item in hashes)
        requirement = Requirement(pin)
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), f"{pin} is not pinned"
        found[canonicalize_name(requirement.name)] = requirement
    return found


def asked_for(lock: str) -> list[Requirement]:
    groups = PROJECT["dependency-groups"]
    asked = [*PROJECT["project"]["dependencies"], *groups["build"]]
    if lock == "dev.lock":
        asked += [*PROJECT["project"]["optional-dependencies"]["tensorflow"], *groups["dev"]]
    if lock == "server.lock":
        asked += groups["server"]
    return [Requirement(item) for item in asked]


@pytest.mark.parametrize("lock", ["base.lock", "dev.lock", "server.lock"])
@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_has_what_the_project_asks_for_on_every_python(lock: str, python: str) -> None:
    pins = locked(lock)
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    for requirement in asked_for(lock):
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement} is not locked; run `make lock`"
        version = str(pin.specifier).removeprefix("==")
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}; run `make lock`"
        assert pin.marker is None or pin.marker.evaluate(environment)


def test_the_demo_runs_what_the_tests_test() -> None:
    base, dev = locked("base.lock"), locked("dev.lock")
    assert {name: str(pin) for name, pin in base.items()}.items() <= {
        name: str(pin) for name, pin in dev.items()
    }.items()


def test_the_demo_does_without_tensorflow_and_tools() -> None:
    base = locked("base.lock")
    assert not base.keys() & {"tensorflow", "keras", "pytest", "ruff", "mypy"}
    assert {"tensorflow", "pytest", "ruff", "mypy"} <= locked("dev.lock").keys()


@pytest.mark.parametrize("lock", ["base.lock", "dev.lock"])
def test_the_lock_comes_from_no_particular_index(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    assert not re.search(r"://|index-url|find-links| @ |^-e|file:", text, flags=re.MULTILINE)


def test_every_target_is_documented() -> None:
    listed = run("make", "--no-print-directory", "help").splitlines()
    targets = {line.split()[0] for line in listed}
    assert {"demo", "test", "check", "bench", "lock", "clean", "help"} <= targets
    assert all(len(line.split()) > 1 for line in listed)
    development = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    assert {target for target in targets - {"help"} if f"`make {target}`" not in development} == set()


def test_scripts_are_programs_that_parse() -> None:
    scripts = [ROOT / ".ci" / "run", *(ROOT / "scripts").glob("*.sh")]
    assert len(scripts) >= 4
    for script in scripts:
        assert os.access(script, os.X_OK), f"{script} is not executable"
        assert script.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n")
        run("bash", "-n", str(script))


def test_the_check_of_changes_is_the_two_commands_in_order() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("make ")] == ["make check", "make test"]


def test_the_entry_points_exist() -> None:
    for target in PROJECT["project"]["scripts"].values():
        module, _, name = target.partition(":")
        path = Path(*module.split("."))
        candidates = [ROOT / root / path.with_suffix(".py") for root in ("daemon", "models")]
        (source,) = [candidate for candidate in candidates if candidate.exists()]
        assert f"def {name}(" in source.read_text(encoding="utf-8")


def run(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout
