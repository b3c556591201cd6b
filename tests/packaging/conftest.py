"""The image's virtual environment, built once."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tests.packaging.image import build


@pytest.fixture(scope="session")
def image_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image has at /venv, built by its steps; all workers of pytest-xdist share it."""
    directory = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        directory = directory.parent
    venv = directory / "image" / "venv"
    built = venv.with_name("built")
    venv.parent.mkdir(exist_ok=True)
    with venv.with_name("lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            build(venv.with_name("source"), venv.with_name("tools"), venv)
            built.touch()
    return venv
