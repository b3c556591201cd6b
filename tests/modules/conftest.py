"""A club, and a store for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from moddy.store.database import Database
from tests.migrated import migrated_sqlite_file, sqlite_database
from tests.modules.club import Club

__all__ = ["club", "database", "migrated_sqlite_file", "sqlite_database"]


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    return sqlite_database


@pytest.fixture
async def club(database: Database) -> AsyncIterator[Club]:
    club = Club(database)
    async with club.connect():
        yield club
