"""Whom reconciliation is about, and what it remembers from one look to the next."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from moddy.models import Snowflake
from moddy.store.deliveries import DeliveryKind, DeliveryState
from moddy.store.tables import deliveries, memory, role_grants, role_orders, users
from moddy.store.transactions import Connection
from moddy.store.users import User

T = TypeVar("T", bound=Struct)

UNDER_WAY = (DeliveryState.PENDING.value, DeliveryState.WAITING.value)


async def find_next_member(
    connection: Connection, guild_id: Snowflake, *, after: Snowflake
) -> Snowflake | None:
    """Return the smallest id above `after` of a user who is to have a role, or was given one."""
    premium = sa.select(users.c.discord_id).where(users.c.premium)
    kept = [
        sa.select(table.c.discord_id).where(table.c.guild_id == guild_id)
        for table in (role_grants, role_orders)
    ]
    found = sa.union_all(premium, *kept).subquery()
    # Ids are kept as digits: a longer one is larger.
    length = sa.func.length(found.c.discord_id)
    larger = sa.or_(length > len(after), sa.and_(length == len(after), found.c.discord_id > after))
    query = (
        sa.select(found.c.discord_id).where(larger).order_by(length, found.c.discord_id).limit(1)
    )
    user_id = (await connection.execute(query)).scalar()
    return None if user_id is None else Snowflake(user_id)


async def find_users(
    connection: Connection, user_ids: Collection[Snowflake]
) -> dict[Snowflake, User]:
    """Return those of the users whom Moddy knows."""
    query = sa.select(users).where(users.c.discord_id.in_(user_ids))
    return _by_id(await connection.execute(query))


async def find_subscribers(
    connection: Connection, plans: Collection[str], *, after: str, limit: int
) -> list[Snowflake]:
    """Return users who are premium, or whose newest plan is one of these, by their ids' digits."""
    user_id = users.c.discord_id  # of digits alone, which every collation orders alike
    query = (
        sa.select(users.c.discord_id)
        .where(user_id > after, sa.or_(users.c.premium, users.c.plan.in_(plans)))
        .order_by(user_id)
        .limit(limit)
    )
    return [Snowflake(found) for found in (await connection.execute(query)).scalars()]


async def count_role_updates(connection: Connection, now: datetime) -> int:
    """Return how many role updates are due."""
    table = deliveries.c
    query = sa.select(sa.func.count()).where(
        table.state == DeliveryState.PENDING.value,
        table.due_at <= now,
        table.kind == DeliveryKind.ROLES.value,
    )
    count: int = await connection.scalar(query)
    return count


async def is_role_update_under_way(connection: Connection, user_id: Snowflake) -> bool:
    """Tell whether a role update of the user is still to be done."""
    query = _role_updates(user_id).where(deliveries.c.state.in_(UNDER_WAY))
    return (await connection.execute(query)).first() is not None


async def release_role_update(connection: Connection, user_id: Snowflake, now: datetime) -> bool:
    """Make a role update due that waits for the user to join; returns whether there is one."""
    table = deliveries.c
    waiting = _role_updates(user_id).where(table.state == DeliveryState.WAITING.value)
    result = await connection.execute(
        sa.update(deliveries)
        .where(table.sequence.in_(waiting))
        .values(state=DeliveryState.PENDING.value, due_at=now)
    )
    return result.rowcount > 0


async def was_refused(
    connection: Connection, user_id: Snowflake, *, error: str, since: datetime
) -> bool:
    """Tell whether a role update of the user ended since then with that error."""
    table = deliveries.c
    query = _role_updates(user_id).where(
        table.state == DeliveryState.REFUSED.value,
        table.last_error == error,
        table.finished_at >= since,
    )
    return (await connection.execute(query)).first() is not None


async def recall(
    connection: Connection, key: str, kind: type[T], *, lock: bool = False
) -> T | None:
    """Return what was remembered; with `lock` nobody else changes it until the end."""
    query = sa.select(memory.c.value).where(memory.c.key == key)
    if lock:
        query = query.with_for_update()
    value = (await connection.execute(query)).scalar()
    return None if value is None else msgspec.json.decode(value, type=kind)


async def remember(connection: Connection, key: str, value: Struct) -> None:
    """Remember `value` in place of what was there.

    The row stays the same one, for those who wait for it.
    """
    text = msgspec.json.encode(value).decode()
    insert = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    query = insert(memory).values(key=key, value=text)
    await connection.execute(
        query.on_conflict_do_update(index_elements=[memory.c.key], set_={"value": text})
    )


def _role_updates(user_id: Snowflake) -> sa.Select[tuple[int]]:
    return sa.select(deliveries.c.sequence).where(
        deliveries.c.kind == DeliveryKind.ROLES.value, deliveries.c.discord_id == user_id
    )


def _by_id(rows: sa.CursorResult[Any]) -> dict[Snowflake, User]:
    found = {}
    for row in rows.mappings():
        user_id = Snowflake(row["discord_id"])
        found[user_id] = User(**{**row, "discord_id": user_id})
    return found
