"""A club, and a store for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from moddy.store.database import Database, open_database
from moddy.store.migrate import migrate
from tests.modules.club import Club


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite:///{tmp_path / 'moddy.db'}") as opened:
        await migrate(opened)
        yield opened


@pytest.fixture
async def club(database: Database) -> AsyncIterator[Club]:
    club = Club(database)
    async with club.connect():
        yield club
