"""Guild modules: each guild's settings of each module."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects import postgresql, sqlite

from moddy.models import Snowflake
from moddy.store.tables import guild_modules
from moddy.store.transactions import Connection


class ModuleRow(Struct, frozen=True, kw_only=True):
    """A row of ``guild_modules``; see there for the meaning of each field."""

    guild_id: Snowflake
    module: str
    enabled: bool
    settings: bytes
    updated_by: Snowflake
    updated_at: datetime


async def find(connection: Connection, guild_id: Snowflake) -> list[ModuleRow]:
    """Return what a guild has of modules; one never touched has no row."""
    query = sa.select(guild_modules).where(guild_modules.c.guild_id == guild_id)
    return [_row(one) for one in await connection.execute(query)]


async def find_enabled(connection: Connection, modules: Collection[str]) -> list[Snowflake]:
    """Return the guilds in which any of these modules is on."""
    table = guild_modules.c
    query = (
        sa.select(table.guild_id)
        .where(table.enabled, table.module.in_(modules))
        .distinct()
        .order_by(table.guild_id)
    )
    return [Snowflake(found) for found in (await connection.execute(query)).scalars()]


async def lock(connection: Connection, row: ModuleRow) -> ModuleRow:
    """Return the module's row, making it as `row` if need be.

    No other transaction changes it until the end.
    """
    query = _insert(connection, row)
    # Setting the id to itself takes the lock and gives the row back in the same statement.
    locked = query.on_conflict_do_update(
        index_elements=[guild_modules.c.guild_id, guild_modules.c.module],
        set_={"guild_id": query.excluded.guild_id},
    ).returning(*guild_modules.c)
    return _row((await connection.execute(locked)).one())


async def save(connection: Connection, row: ModuleRow) -> None:
    """Put `row` in the place of the existing one."""
    table = guild_modules.c
    await connection.execute(
        sa.update(guild_modules)
        .where(table.guild_id == row.guild_id, table.module == row.module)
        .values(_values(row))
    )


def _insert(connection: Connection, row: ModuleRow) -> postgresql.Insert | sqlite.Insert:
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    query: postgresql.Insert | sqlite.Insert = insert(guild_modules)
    return query.values(_values(row))


def _values(row: ModuleRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__struct_fields__}


def _row(row: sa.Row[tuple[object, ...]]) -> ModuleRow:
    values = dict(row._mapping)
    for name in ("guild_id", "updated_by"):
        values[name] = Snowflake(values[name])
    return ModuleRow(**values)
