"""Prometheus's own tool, which checks rules and metrics; Debian's package `prometheus` has it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def run_promtool(*arguments: str, directory: Path | None = None, text: bytes = b"") -> str:
    """Run it, and return what it wrote; the test is skipped where it is missing.

    Raises:
        AssertionError: it found something.
    """
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool not found")
    done = subprocess.run(
        [promtool, *arguments],
        cwd=directory,
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=60,
    )
    written = done.stdout.decode()
    assert done.returncode == 0, written
    return written
