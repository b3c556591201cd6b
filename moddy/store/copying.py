"""Copying a whole store into an empty one, such as from SQLite to PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from moddy.errors import StoreNotEmpty, StoreUnavailable
from moddy.store.database import Database
from moddy.store.migrate import migrate
from moddy.store.tables import metadata

BATCH = 1000


async def copy_store(source: Database, target: Database) -> dict[str, int]:
    """Copy every row of `source` into `target`, and return how many there are of each table.

    Both are brought to the newest schema before. Nothing else can write to `source` meanwhile;
    `target` gets everything in one transaction, or nothing.

    Raises:
        StoreNotEmpty: `target` has rows already.
        StoreUnavailable: one of the two cannot be used, or not the same rows arrived.
    """
    for database in (source, target):
        await migrate(database)
    async with _whole(source) as reading, _whole(target) as writing:
        if any((await _count(writing)).values()):
            raise StoreNotEmpty("the store to copy into has rows already; make a new one")
        expected = await _count(reading)
        for table in metadata.sorted_tables:
            await _copy_table(reading, writing, table)
        copied = await _count(writing)
        if copied != expected:
            raise StoreUnavailable("not all rows arrived; nothing was copied")
        await _continue_numbers(writing)
    return copied


@asynccontextmanager
async def _whole(database: Database) -> AsyncIterator[AsyncConnection]:
    """Open one transaction during which nobody else writes."""
    try:
        async with database.connect_patiently() as connection:
            await connection.execution_options(moddy_write=True)
            async with connection.begin():
                if not database.is_sqlite:
                    names = ", ".join(metadata.tables)
                    await connection.execute(sa.text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))
                yield connection
    except (DBAPIError, OSError, TimeoutError) as error:
        raise StoreUnavailable(type(error).__name__) from error


async def _copy_table(reading: AsyncConnection, writing: AsyncConnection, table: sa.Table) -> None:
    order = table.primary_key.columns
    rows = await reading.stream(sa.select(table).order_by(*order))
    async for batch in rows.mappings().partitions(BATCH):
        await writing.execute(sa.insert(table), [dict(row) for row in batch])


async def _count(connection: AsyncConnection) -> dict[str, int]:
    counts = {}
    for name, table in metadata.tables.items():
        counts[name] = await connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
    return counts


async def _continue_numbers(connection: AsyncConnection) -> None:
    """Have PostgreSQL number new rows after the copied ones; SQLite does so by itself."""
    if connection.dialect.name == "sqlite":
        return
    for table in metadata.tables.values():
        for column in table.primary_key.columns:
            if column.autoincrement is not True:
                continue
            sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
            last = sa.select(sa.func.max(column)).scalar_subquery()
            await connection.execute(
                sa.select(sa.func.setval(sequence, sa.func.coalesce(last, 1), last.is_not(None)))
            )
