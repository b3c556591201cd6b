"""Saved roles: what each member of a guild had when Moddy last looked, or when they left.

`saved_at` tells what a row is about. One that is older than the moment at which its member joined
tells of their stay before: those roles are still to be given back, and nothing replaces the row
until that is settled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects import postgresql, sqlite

from moddy.models import Snowflake
from moddy.store.tables import UtcDateTime, role_grants, saved_roles
from moddy.store.transactions import Connection

# Puts a row before the moment at which the member joined, whatever the two clocks say.
_BEFORE = timedelta(seconds=1)


class SavedRoles(Struct, frozen=True, kw_only=True):
    """A row of ``saved_roles``; see there for the meaning of each field."""

    guild_id: Snowflake
    user_id: Snowflake
    role_ids: tuple[Snowflake, ...]
    saved_at: datetime


async def find(
    connection: Connection, guild_id: Snowflake, user_id: Snowflake
) -> SavedRoles | None:
    """Return what is saved of one member."""
    found = (await connection.execute(sa.select(saved_roles).where(_is(guild_id, user_id)))).first()
    return _row(found) if found else None


async def find_all(connection: Connection, guild_id: Snowflake) -> Mapping[Snowflake, SavedRoles]:
    """Return what is saved of a guild's members, by their ids."""
    query = sa.select(saved_roles).where(saved_roles.c.guild_id == guild_id)
    rows = [_row(one) for one in await connection.execute(query)]
    return {row.user_id: row for row in rows}


async def find_granted(
    connection: Connection, guild_id: Snowflake, user_ids: Sequence[Snowflake]
) -> Mapping[Snowflake, frozenset[Snowflake]]:
    """Return the roles that Moddy itself gave these members, by their ids.

    Those come and go with the subscription, and are nobody else's to give back.
    """
    table = role_grants.c
    query = sa.select(table.discord_id, table.role_id).where(
        table.guild_id == guild_id, table.discord_id.in_(user_ids)
    )
    granted: dict[Snowflake, set[Snowflake]] = {}
    for user_id, role_id in await connection.execute(query):
        granted.setdefault(Snowflake(user_id), set()).add(Snowflake(role_id))
    return {user_id: frozenset(role_ids) for user_id, role_ids in granted.items()}


async def keep(connection: Connection, rows: Sequence[tuple[SavedRoles, datetime]]) -> None:
    """Save what members have; each row comes with the moment at which its member joined.

    An older row that is to be settled stays.
    """
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    query: postgresql.Insert | sqlite.Insert = insert(saved_roles)
    query = query.on_conflict_do_update(
        index_elements=[saved_roles.c.guild_id, saved_roles.c.discord_id],
        set_={"role_ids": query.excluded.role_ids, "saved_at": query.excluded.saved_at},
        where=saved_roles.c.saved_at >= sa.bindparam("joined_at", type_=UtcDateTime()),
    )
    values = [{**_values(row), "joined_at": joined_at} for row, joined_at in rows]
    await connection.execute(query, values)


async def settle(connection: Connection, row: SavedRoles) -> None:
    """Put `row` in the place of what was saved: the member has what was to be given back."""
    await connection.execute(
        sa.update(saved_roles).where(_is(row.guild_id, row.user_id)).values(_values(row))
    )


async def mark_returned(
    connection: Connection, guild_id: Snowflake, user_id: Snowflake, joined_at: datetime
) -> SavedRoles | None:
    """Return what is saved of a member who just joined, marked as still to be given back."""
    marked = joined_at - _BEFORE
    await connection.execute(
        sa.update(saved_roles)
        .where(_is(guild_id, user_id), saved_roles.c.saved_at > marked)
        .values(saved_at=marked)
    )
    return await find(connection, guild_id, user_id)


async def forget(connection: Connection, guild_id: Snowflake) -> None:
    """Remove everything saved of a guild."""
    await connection.execute(sa.delete(saved_roles).where(saved_roles.c.guild_id == guild_id))


async def remove_old(connection: Connection, before: datetime, *, limit: int) -> int:
    """Remove what was saved before that moment, the oldest first; returns how many."""
    table = saved_roles.c
    oldest = (
        sa.select(table.guild_id, table.discord_id)
        .where(table.saved_at < before)
        .order_by(table.saved_at)
        .limit(limit)
    )
    query = sa.delete(saved_roles).where(
        sa.tuple_(table.guild_id, table.discord_id).in_(oldest), table.saved_at < before
    )
    return (await connection.execute(query)).rowcount


def _is(guild_id: Snowflake, user_id: Snowflake) -> sa.ColumnElement[bool]:
    return sa.and_(saved_roles.c.guild_id == guild_id, saved_roles.c.discord_id == user_id)


def _values(row: SavedRoles) -> dict[str, object]:
    return {
        "guild_id": row.guild_id,
        "discord_id": row.user_id,
        "role_ids": msgspec.json.encode([str(role_id) for role_id in row.role_ids]),
        "saved_at": row.saved_at,
    }


def _row(row: sa.Row[tuple[object, ...]]) -> SavedRoles:
    found = row._mapping
    role_ids = msgspec.json.decode(found["role_ids"], type=list[str])
    return SavedRoles(
        guild_id=Snowflake(found["guild_id"]),
        user_id=Snowflake(found["discord_id"]),
        role_ids=tuple(map(Snowflake, role_ids)),
        saved_at=found["saved_at"],
    )
