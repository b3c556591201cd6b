"""What counts as slow beside the tests that say so: `make test-quick` leaves it out.

The quick part is for a look between two edits, and for the newer Pythons in CI: whatever needs
a server, a browser or processes of its own is tried on one Python only, but for the table of the
wire contract.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SLOW_FOLDERS = ("crashes", "packaging", "pictures", "process", "sandbox")
QUICK_MODULES = (
    "test_contract_tables.py",
    "test_backend.py",
    "test_every_layout.py",
    "test_world.py",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes a database server, a browser, a process or a build."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        heavy = folder in SLOW_FOLDERS and item.path.name not in QUICK_MODULES
        if heavy or "postgresql" in item.name:
            item.add_marker(pytest.mark.slow)
