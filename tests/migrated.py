"""Databases that are migrated already: made once for each process, emptied for each test."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from moddy.store.database import Database, open_database
from moddy.store.migrate import migrate
from moddy.store.tables import metadata
from moddy.store.transactions import Connection
from tests.postgres_server import Server


@pytest.fixture(scope="session")
def migrated_sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file to copy."""
    path = tmp_path_factory.mktemp("migrated") / "moddy.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgresql_url(postgresql_server: Server) -> Iterator[str]:
    """A database on PostgreSQL that this process's tests have one after the other."""
    name = f"migrated_{uuid.uuid4().hex}"
    postgresql_server.execute(f"CREATE DATABASE {name}")
    url = postgresql_server.url(name)
    _migrate(url)
    yield url
    postgresql_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a migrated database; a test that takes it runs on both kinds."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("migrated_postgresql_url")
        return url
    path = tmp_path / "moddy.db"
    shutil.copy(request.getfixturevalue("migrated_sqlite_file"), path)
    return f"sqlite:///{path}"


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """An empty, migrated database, on SQLite and on PostgreSQL."""
    async with open_database(migrated_url) as opened:
        if not opened.is_sqlite:
            await opened.transaction(empty)
        yield opened


@pytest.fixture
async def sqlite_database(migrated_sqlite_file: Path, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty, migrated database on SQLite, for tests of what does not touch SQL itself."""
    path = tmp_path / "moddy.db"
    shutil.copy(migrated_sqlite_file, path)
    async with open_database(f"sqlite:///{path}") as opened:
        yield opened


async def empty(connection: Connection) -> None:
    """Remove every row from PostgreSQL, also of the trail that no ordinary user can empty."""
    tables = ", ".join(metadata.tables)
    await connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
    await connection.execute(sa.text(f"TRUNCATE {tables} RESTART IDENTITY"))


def _migrate(url: str) -> None:
    """Migrate on another thread: this one may have a loop of its own."""

    async def run() -> None:
        async with open_database(url) as opened:
            await migrate(opened)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, run()).result()
