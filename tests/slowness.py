"""What counts as slow beside the tests that say so: `make test-quick` leaves it out.

The quick part is for a look between two edits, and for the newer Pythons in CI: whatever needs
a server, a browser or processes of its own is tried on one Python only, but for the table of the
wire contract.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")
TESTS = Path(__file__).parent
SLOW_FOLDERS = ("crashes", "packaging", "pictures", "process", "sandbox")
# Of processes that start, of deadlines, of Discord.
WAITING_FOLDERS = ("crashes", "process")
QUICK_MODULES = (
    "test_contract_tables.py",
    "test_backend.py",
    "test_every_layout.py",
    "test_world.py",
)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark what takes a database server, a browser, a process or a build; spread what waits."""
    for item in items:
        heavy = folder(item) in SLOW_FOLDERS and item.path.name not in QUICK_MODULES
        if heavy or "postgresql" in item.name:
            item.add_marker(pytest.mark.slow)
    yield
    items[:] = spread(
        [item for item in items if folder(item) in WAITING_FOLDERS],
        [item for item in items if folder(item) not in WAITING_FOLDERS],
    )


def folder(item: pytest.Item) -> str:
    """Return the folder of tests/ that a test is in."""
    return item.path.relative_to(TESTS).parts[0]


def spread(few: Sequence[T], many: Sequence[T]) -> list[T]:
    """Return `many` with `few` among them at equal distances, and some of `many` at the end.

    So tests that wait leave the processor to others, and nobody waits for them at the end.
    """
    distance = max(1, len(many) * 3 // 4 // max(1, len(few)))
    result: list[T] = []
    for number, one in enumerate(few):
        result += [one, *many[number * distance : (number + 1) * distance]]
    return result + list(many[len(few) * distance :])
