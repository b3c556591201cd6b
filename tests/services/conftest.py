"""The services over a migrated database, on SQLite and on PostgreSQL."""

import pytest

from moddy.store.database import Database
from tests.migrated import (
    database,
    migrated_postgresql_url,
    migrated_sqlite_file,
    migrated_url,
)
from tests.services.stage import Stage

__all__ = [
    "database",
    "migrated_postgresql_url",
    "migrated_sqlite_file",
    "migrated_url",
    "stage",
]


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(database)
