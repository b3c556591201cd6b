"""Bringing the schema up to date: one process at a time, whole or not at all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from moddy.errors import SchemaTooNew, StoreUnavailable
from moddy.store.database import PATIENCE, Database

# The newest revision under `migrations/versions`.
HEAD = "0009"
# Any fixed number does; it names Moddy's migration among PostgreSQL's advisory locks.
_ADVISORY_LOCK = 0x4D6F646479


async def migrate(database: Database) -> str:
    """Upgrade the schema to the newest revision and return that revision.

    Raises:
        SchemaTooNew: the database has a revision that this version does not know.
        StoreUnavailable: the database did not answer.
    """
    if database.is_sqlite:
        # A file that cannot be opened shall fail here: aiosqlite's thread may meet the end of the
        # loop, and then writes a traceback.
        await database.connect()
    try:
        async with asyncio.timeout(PATIENCE), database.connect_patiently() as connection:
            # On SQLite BEGIN IMMEDIATE, which every transaction here starts with, is the lock;
            # a second process waits for it as long as an upgrade may take.
            async with connection.begin():
                if not database.is_sqlite:
                    query = sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)
                    await connection.execute(sa.select(query))
                current = await _revision(connection)
                if current != HEAD:
                    await connection.run_sync(_upgrade, current)
                    database.checkpoint("migration")
            return HEAD
    except (DBAPIError, OSError, TimeoutError) as error:
        raise StoreUnavailable(type(error).__name__) from error


async def _revision(connection: AsyncConnection) -> str | None:
    """Return the schema's revision, None for an empty database."""
    if not await connection.run_sync(lambda sync: sa.inspect(sync).has_table("alembic_version")):
        return None
    query = sa.text("SELECT version_num FROM alembic_version")
    return (await connection.execute(query)).scalar()


def _upgrade(connection: sa.Connection, current: str | None) -> None:
    # Alembic takes longer to import than most starts have left to do here.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    location = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", location.replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise SchemaTooNew(
            f"the database has schema revision {current}, this version of Moddy knows "
            f"{HEAD} and older: start the newer Moddy again, or restore a backup"
        )
    command.upgrade(config, HEAD)
