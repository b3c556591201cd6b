"""What `tests.skips` makes of skipped tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPS = """
import pytest

def test_passes(): pass

@pytest.mark.parametrize("number", [1, 2])
def test_skips(number): pytest.skip("PostgreSQL not found")
"""
SKIPS_THE_FILE = """
import pytest

pytest.importorskip("a_module_that_does_not_exist")
"""
PASSES = "def test_passes(): pass"


def run_pytest(directory: Path, *arguments: str, ci: bool) -> subprocess.CompletedProcess[str]:
    """Run pytest on the files of `directory` as CI does, or as on anyone's machine."""
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment["PYTHONPATH"] = str(ROOT)
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # saves seconds
    if ci:
        environment["CI"] = "true"
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.skips", *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.slow
@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "--numprocesses=1"]])
def test_skips_pass_locally_and_fail_on_ci(tmp_path: Path, workers: list[str]) -> None:
    (tmp_path / "test_it.py").write_text(SKIPS)
    local = run_pytest(tmp_path, *workers, ci=False)
    assert local.returncode == 0
    assert "skipped: PostgreSQL not found (2)" in local.stdout
    on_ci = run_pytest(tmp_path, *workers, ci=True)
    assert on_ci.returncode == 1
    assert "on CI a skipped test is a failure" in on_ci.stdout


@pytest.mark.slow
def test_a_file_that_skips_itself_fails_on_ci(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(SKIPS_THE_FILE)
    (tmp_path / "test_other.py").write_text(PASSES)
    assert run_pytest(tmp_path, ci=True).returncode == 1


@pytest.mark.slow
def test_without_skips_ci_passes(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(PASSES)
    done = run_pytest(tmp_path, ci=True)
    assert done.returncode == 0
    assert "skipped" not in done.stdout
