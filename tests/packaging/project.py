"""Where the files of the project are, and what its package metadata and Dockerfile say."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def read_pyproject() -> dict[str, Any]:
    """Return pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def read_dockerfile() -> list[list[tuple[str, str]]]:
    """Return the Dockerfile's stages, each a list of instructions and their arguments."""
    text = (ROOT / "Dockerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "")
    stages: list[list[tuple[str, str]]] = []
    for line in filter(str.strip, text.splitlines()):
        name, _, arguments = line.partition(" ")
        if name == "FROM":
            stages.append([])
        stages[-1].append((name, arguments.strip()))
    return stages


def read_exec_form(arguments: str) -> list[str]:
    """Return the command of a CMD, ENTRYPOINT or HEALTHCHECK in exec form.

    Raises:
        ValueError: the command is not in exec form.
    """
    command: list[str] = json.loads(arguments[arguments.index("[") :])
    return command
