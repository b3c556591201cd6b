"""The image's build stage, done without Docker."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.packaging.project import ROOT, read_dockerfile

BUILD, _ = read_dockerfile()


def build(source: Path, tools: Path, venv: Path) -> None:
    """Do what the build stage does, with `venv` in the place of /venv."""
    subprocess.run([sys.executable, "-m", "venv", tools], check=True, timeout=60)
    environment = os.environ | {"PATH": f"{tools / 'bin'}:{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    for name, arguments in BUILD:
        if name == "COPY":
            *origins, target = arguments.split()
            for origin in origins:
                copy(ROOT / origin, source / target)
        elif name == "RUN":
            run(arguments.replace("/venv", str(venv)), source, environment)


def copy(origin: Path, directory: Path) -> None:
    """Copy as COPY does: a directory's content, or a file, into a directory."""
    if origin.is_dir():
        shutil.copytree(origin, directory, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copy(origin, directory)


def run(command: str, directory: Path, environment: dict[str, str]) -> str:
    """Run a shell command and return its output; fail with what it said."""
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
