"""What `make` offers, and what it says where it cannot work."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.packaging.project import ROOT

TARGETS = {
    "help",
    "venv",
    "sandbox",
    "run",
    "test",
    "test-quick",
    "lint",
    "lock",
    "clean",
    "bench",
    "pictures",
}


def run(*command: str | Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command at the project's root, apart from a `make` that may run these tests."""
    names = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHON", "VENV", "ARGS", "WORKERS"}
    environment = {name: value for name, value in os.environ.items() if name not in names}
    if path is not None:
        environment["PATH"] = path
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=30
    )


def test_help_is_the_default_and_lists_every_target() -> None:
    done = run("make")
    assert done.returncode == 0
    assert {line.split()[1] for line in done.stdout.splitlines()} == TARGETS


def test_each_python_has_an_environment_of_its_own() -> None:
    assert ".venv/bin/python -m pytest" in run("make", "-n", "test").stdout
    other = run("make", "-n", "test", "PYTHON=python3.12").stdout
    assert ".venv-python3.12/bin/python -m pytest" in other


def test_a_python_that_does_not_run_is_named(tmp_path: Path) -> None:
    python = tmp_path / "python-that-fails"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    done = run("sh", "tools/make-venv.sh", tmp_path / "venv", python, "requirements/dev.txt")
    assert done.returncode == 1
    assert f"Moddy needs Python 3.11 or newer; '{python}'" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_the_first_python_that_runs_and_is_new_enough_is_found(tmp_path: Path) -> None:
    for name, status in {"python3": 1, "python3.11": 1, "python3.12": 0, "python3.13": 0}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
    assert run("/bin/sh", "tools/find-python.sh", path=str(tmp_path)).stdout == "python3.12\n"
