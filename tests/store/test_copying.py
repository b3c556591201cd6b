"""Copying a store from one database into another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from moddy.errors import StoreNotEmpty, StoreUnavailable
from moddy.store.copying import BATCH, copy_store
from moddy.store.database import Database, open_database
from moddy.store.migrate import migrate
from moddy.store.tables import deliveries, metadata, staff_audit
from moddy.store.transactions import Connection

NOW = datetime(2025, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
Pair = tuple[Database, Database]


@pytest.fixture(params=["to postgresql", "to sqlite"])
async def pair(
    request: pytest.FixtureRequest, tmp_path: Path, postgresql_url: str
) -> AsyncIterator[Pair]:
    """A store to copy from and an empty one of the other kind."""
    urls = [f"sqlite:///{tmp_path / 'moddy.db'}", postgresql_url]
    if request.param == "to sqlite":
        urls.reverse()
    async with AsyncExitStack() as stack:
        source, target = [await stack.enter_async_context(open_database(url)) for url in urls]
        await migrate(source)
        yield source, target


def value(column: sa.Column[Any], number: int) -> object:
    """Return a value for a column, another one for each number."""
    if column.nullable and number % 2:
        return None
    kind = column.type.python_type if not isinstance(column.type, sa.types.TypeDecorator) else None
    if kind is None:
        return NOW + timedelta(seconds=number)
    values: dict[type, object] = {
        str: f"é{number}",
        bytes: bytes([0, 255, number % 256]) + str(number).encode(),
        bool: bool(number % 3),
        int: 2**40 + number if isinstance(column.type, sa.BigInteger) else number % 30_000,
    }
    return values[kind]


async def fill(database: Database, rows: int) -> None:
    async def work(connection: Connection) -> None:
        for table in metadata.sorted_tables:
            count = rows if table is deliveries else 3
            columns = [one for one in table.columns if one.name != "sequence"]
            await connection.execute(
                sa.insert(table),
                [{one.name: value(one, number) for one in columns} for number in range(count)],
            )

    await database.transaction(work)


async def content(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    async def work(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
        found = {}
        for name, table in metadata.tables.items():
            rows = await connection.execute(sa.select(table).order_by(*table.primary_key.columns))
            found[name] = [tuple(row) for row in rows]
        return found

    return await database.read(work)


async def test_every_row_arrives_and_numbers_go_on(pair: Pair) -> None:
    source, target = pair
    await fill(source, 2 * BATCH + 1)
    counts = await copy_store(source, target)
    assert counts["deliveries"] == 2 * BATCH + 1
    assert {count for name, count in counts.items() if name != "deliveries"} == {3}
    assert await content(target) == await content(source)
    entry = {one.name: value(one, 8) for one in staff_audit.columns if one.name != "sequence"}

    async def add(connection: Connection) -> None:
        await connection.execute(sa.insert(staff_audit).values(entry))

    await target.transaction(add)
    assert [row[0] for row in (await content(target))["staff_audit"]] == [1, 2, 3, 4]


async def test_an_empty_store_is_copied_too(pair: Pair) -> None:
    source, target = pair
    assert set((await copy_store(source, target)).values()) == {0}
    await fill(target, 1)


async def test_a_store_with_rows_is_not_copied_into(pair: Pair) -> None:
    source, target = pair
    await migrate(target)
    await fill(target, 1)
    before = await content(target)
    with pytest.raises(StoreNotEmpty):
        await copy_store(source, target)
    assert await content(target) == before


async def test_all_or_nothing(pair: Pair) -> None:
    source, target = pair
    await fill(source, 5)
    await migrate(target)

    async def spoil(connection: Connection) -> None:
        # Sorted last or not: some table is filled before this one cannot be.
        await connection.execute(sa.text("ALTER TABLE users RENAME COLUMN locale TO language"))

    await target.transaction(spoil)
    with pytest.raises(StoreUnavailable):
        await copy_store(source, target)
    async with target.engine.connect() as connection:
        found = await connection.scalar(sa.select(sa.func.count()).select_from(deliveries))
    assert found == 0
