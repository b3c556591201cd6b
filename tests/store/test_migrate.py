"""Migrations: whole or not at all, one process at a time."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from moddy.errors import SchemaTooNew, StoreUnavailable
from moddy.store import migrate as migrations
from moddy.store import premium_audit, users
from moddy.store.database import Database, open_database
from moddy.store.migrate import HEAD, migrate
from moddy.store.tables import metadata
from moddy.store.transactions import Connection
from tests.store.rows import ADA

ROOT = Path(__file__).parents[2]
MIGRATE = """
import asyncio, sys
from moddy.store.database import open_database
from moddy.store.migrate import migrate

async def main():
    async with open_database(sys.argv[1]) as database:
        print(await migrate(database))

asyncio.run(main())
"""
DIE_IN_UPGRADE = """
import asyncio, os, signal, sys
from moddy.store import migrate
from moddy.store.database import open_database

async def main():
    async with (
        open_database(sys.argv[1]) as database,
        database.connect_patiently() as connection,
        connection.begin(),
    ):
        await connection.run_sync(migrate._upgrade, None)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.fixture
async def fresh(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        yield opened


def script_config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    location = Path(migrations.__file__).parent / "migrations"
    config.set_main_option("script_location", str(location))
    config.attributes["connection"] = connection
    return config


async def table_names(database: Database) -> set[str]:
    return set(
        await database.read(lambda c: c.run_sync(lambda sync: sa.inspect(sync).get_table_names()))
    )


async def execute(database: Database, *statements: str) -> None:
    async def work(connection: Connection) -> None:
        for statement in statements:
            await connection.execute(sa.text(statement))

    await database.transaction(work)


def test_head_is_the_newest_revision() -> None:
    assert ScriptDirectory.from_config(script_config()).get_heads() == [HEAD]


async def test_fresh_and_again(fresh: Database) -> None:
    assert await migrate(fresh) == HEAD
    assert await table_names(fresh) == {*metadata.tables, "alembic_version"}
    await fresh.transaction(lambda c: users.save_locale(c, ADA, "fr"))
    assert await migrate(fresh) == HEAD
    assert (await fresh.read(lambda c: users.find(c, ADA))).locale == "fr"


async def test_tables_are_what_the_migrations_make(fresh: Database) -> None:
    await migrate(fresh)

    def compare(connection: sa.Connection) -> object:
        options = {"compare_type": True, "compare_server_default": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert await fresh.read(lambda c: c.run_sync(compare)) == []


async def test_indexes_are_as_partial_as_the_tables_say(migrated_url: str) -> None:
    """What Alembic does not compare."""

    def look(connection: sa.Connection) -> dict[str | None, str]:
        found = sa.inspect(connection).get_indexes("deliveries")
        options = {index["name"]: index.get("dialect_options", {}) for index in found}
        wheres = {name: option.get(f"{kind}_where") for name, option in options.items()}
        return {name: str(where).strip("()") for name, where in wheres.items() if where is not None}

    async with open_database(migrated_url) as database:
        kind = "sqlite" if database.is_sqlite else "postgresql"
        found = await database.read(lambda c: c.run_sync(look))
    wheres = {
        index.name: index.dialect_options[kind]["where"]
        for index in metadata.tables["deliveries"].indexes
    }
    assert found == {name: str(where) for name, where in wheres.items() if where is not None}
    assert len(found) == 3


async def test_downgrade_and_up_again(fresh: Database) -> None:
    await migrate(fresh)
    await fresh.transaction(
        lambda c: c.run_sync(lambda sync: command.downgrade(script_config(sync), "base"))
    )
    assert await table_names(fresh) == {"alembic_version"}
    assert await migrate(fresh) == HEAD
    assert await fresh.read(lambda c: premium_audit.find(c, ADA)) == []


async def test_newer_schema_is_left_alone(fresh: Database) -> None:
    await migrate(fresh)
    await execute(fresh, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew, match=r"revision 9999.* knows " + HEAD):
        await migrate(fresh)
    assert await table_names(fresh) == {*metadata.tables, "alembic_version"}


async def test_failed_upgrade_leaves_nothing_behind(fresh: Database) -> None:
    """The last table is in the way; those before it were made already."""
    await execute(fresh, "CREATE TABLE memory (other INTEGER)")
    with pytest.raises(StoreUnavailable):
        await migrate(fresh)
    assert await table_names(fresh) == {"memory"}
    await execute(fresh, "DROP TABLE memory")
    assert await migrate(fresh) == HEAD


async def test_process_killed_before_the_commit_leaves_nothing_behind(
    fresh: Database, database_url: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", DIE_IN_UPGRADE, database_url), cwd=ROOT
    )
    assert await process.wait() == -signal.SIGKILL
    assert await table_names(fresh) == set()
    assert await migrate(fresh) == HEAD


async def test_several_at_once_on_one_engine_and_on_several(database_url: str) -> None:
    async with open_database(database_url) as one, open_database(database_url) as other:
        assert await asyncio.gather(*(migrate(d) for d in (one, other, one, other))) == [HEAD] * 4
        assert await table_names(one) == {*metadata.tables, "alembic_version"}


async def test_three_processes_at_once(database_url: str) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", MIGRATE, database_url),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    outputs = [await process.communicate() for process in processes]
    assert [out.decode().strip() for out, _ in outputs] == [HEAD] * 3, outputs


@pytest.mark.slow
async def test_waits_for_an_upgrade_that_takes_longer_than_a_transaction_may(
    database_url: str,
) -> None:
    """Another process's upgrade may take minutes; ours must still be waiting then."""
    started = asyncio.Event()

    async def upgrade_slowly() -> None:
        async with (
            open_database(database_url) as other,
            other.connect_patiently() as connection,
            connection.begin(),
        ):
            if not other.is_sqlite:
                lock = sa.func.pg_advisory_xact_lock(migrations._ADVISORY_LOCK)
                await connection.execute(sa.select(lock))
            started.set()
            await asyncio.sleep(5.5)

    async with open_database(database_url) as database, asyncio.TaskGroup() as group:
        group.create_task(upgrade_slowly())
        await started.wait()
        assert await migrate(database) == HEAD


async def test_nowhere_to_write(tmp_path: Path) -> None:
    directory = tmp_path / "moddy.db"
    directory.mkdir()
    async with open_database(f"sqlite:///{directory}") as database:
        with pytest.raises(StoreUnavailable):
            await migrate(database)


async def test_directory_is_made(tmp_path: Path) -> None:
    path = tmp_path / "data" / "here" / "moddy.db"
    async with open_database(f"sqlite:///{path}") as database:
        await migrate(database)
    assert path.is_file()


async def test_nobody_listens() -> None:
    async with open_database("postgresql://moddy@127.0.0.1:1/moddy") as database:
        with pytest.raises(StoreUnavailable):
            await migrate(database)
