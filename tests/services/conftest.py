"""The services over a migrated database, on SQLite and on PostgreSQL."""

import pytest

from moddy.store.database import Database
from tests.migrated import (
    database,
    migrated_postgresql_url,
    migrated_sqlite_file,
    migrated_url,
)
from tests.services.refund_stage import RefundStage
from tests.services.stage import Stage
from tests.services.watch import Watch

__all__ = [
    "database",
    "migrated_postgresql_url",
    "migrated_sqlite_file",
    "migrated_url",
    "office",
    "stage",
    "watch",
]


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(database)


@pytest.fixture
def watch(database: Database) -> Watch:
    return Watch(database)


@pytest.fixture
async def office(database: Database) -> RefundStage:
    stage = RefundStage(database)
    await stage.open_office()
    return stage
