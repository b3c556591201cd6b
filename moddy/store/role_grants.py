"""The roles that Moddy gave, and the backend's word on the premium role where it stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from moddy.models import Snowflake
from moddy.store.prepared import Prepared
from moddy.store.tables import role_grants, role_orders
from moddy.store.transactions import Connection

_END_ORDERS = Prepared(
    sa.delete(role_orders).where(role_orders.c.discord_id == sa.bindparam("user_id"))
)


class Claims(Struct, frozen=True, kw_only=True):
    """What is kept of a user's roles in a guild.

    `granted` are the roles that Moddy gave them; `orders` tells of a role whether the backend had
    it given or taken, where that stands against the PREMIUM attribute.
    """

    granted: frozenset[Snowflake] = frozenset()
    orders: Mapping[Snowflake, bool] = {}


NO_CLAIMS = Claims()


async def find(connection: Connection, guild_id: Snowflake, user_id: Snowflake) -> Claims:
    """Return what is kept of one user."""
    return (await find_many(connection, guild_id, [user_id])).get(user_id, NO_CLAIMS)


async def find_many(
    connection: Connection, guild_id: Snowflake, user_ids: Collection[Snowflake]
) -> dict[Snowflake, Claims]:
    """Return what is kept of each of these users; one of whom there is nothing is left out."""
    granted: dict[Snowflake, set[Snowflake]] = {}
    query = sa.select(role_grants.c.discord_id, role_grants.c.role_id).where(
        role_grants.c.guild_id == guild_id, role_grants.c.discord_id.in_(user_ids)
    )
    for user_id, role_id in await connection.execute(query):
        granted.setdefault(Snowflake(user_id), set()).add(Snowflake(role_id))
    orders: dict[Snowflake, dict[Snowflake, bool]] = {}
    query_orders = sa.select(
        role_orders.c.discord_id, role_orders.c.role_id, role_orders.c.is_given
    ).where(role_orders.c.guild_id == guild_id, role_orders.c.discord_id.in_(user_ids))
    for user_id, role_id, is_given in await connection.execute(query_orders):
        orders.setdefault(Snowflake(user_id), {})[Snowflake(role_id)] = is_given
    return {
        user_id: Claims(granted=frozenset(granted.get(user_id, ())), orders=orders.get(user_id, {}))
        for user_id in granted.keys() | orders.keys()
    }


async def add(
    connection: Connection,
    guild_id: Snowflake,
    user_id: Snowflake,
    role_ids: Collection[Snowflake],
    *,
    now: datetime,
) -> None:
    """Note that Moddy gives these roles; one that is noted keeps its moment."""
    insert = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    for role_id in role_ids:
        query = insert(role_grants).values(
            guild_id=guild_id, discord_id=user_id, role_id=role_id, granted_at=now
        )
        await connection.execute(query.on_conflict_do_nothing())


async def remove(
    connection: Connection,
    guild_id: Snowflake,
    user_id: Snowflake,
    role_ids: Collection[Snowflake],
    *,
    before: datetime | None = None,
) -> None:
    """Forget that Moddy gave these roles; only what was noted before that moment, if told."""
    table = role_grants.c
    query = sa.delete(role_grants).where(
        table.guild_id == guild_id, table.discord_id == user_id, table.role_id.in_(role_ids)
    )
    if before is not None:
        query = query.where(table.granted_at < before)
    await connection.execute(query)


async def set_order(
    connection: Connection,
    guild_id: Snowflake,
    user_id: Snowflake,
    role_id: Snowflake,
    *,
    is_given: bool | None,
    now: datetime,
) -> None:
    """Keep the backend's word on a role in place of an earlier one; None: there is none."""
    table = role_orders.c
    await connection.execute(
        sa.delete(role_orders).where(
            table.guild_id == guild_id, table.discord_id == user_id, table.role_id == role_id
        )
    )
    if is_given is not None:
        await connection.execute(
            sa.insert(role_orders).values(
                guild_id=guild_id,
                discord_id=user_id,
                role_id=role_id,
                is_given=is_given,
                ordered_at=now,
            )
        )


async def end_orders(connection: Connection, user_id: Snowflake) -> None:
    """Let PREMIUM alone decide on a user's roles again."""
    await connection.fetch(_END_ORDERS, {"user_id": user_id})
