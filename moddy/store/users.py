"""Users: what Moddy knows of a Discord user."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TypeVar

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from moddy.models import Snowflake
from moddy.store.tables import users

Insert = TypeVar("Insert", postgresql.Insert, sqlite.Insert)


def _lock(insert: Insert) -> sa.Executable:
    insert = insert.values(discord_id=sa.bindparam("user_id"), premium=False)
    # Setting the id to itself takes the lock and gives the row back in the same statement.
    return insert.on_conflict_do_update(
        index_elements=[users.c.discord_id], set_={"discord_id": insert.excluded.discord_id}
    ).returning(*users.c)


# Made once: to put a statement together takes several times as long as to run it.
_IS_USER = users.c.discord_id == sa.bindparam("user_id")
_FIND = sa.select(users).where(_IS_USER)
_UPDATE = sa.update(users).where(_IS_USER)
_LOCK = {"sqlite": _lock(sqlite.insert(users)), "postgresql": _lock(postgresql.insert(users))}


class User(Struct, frozen=True, kw_only=True):
    """A row of ``users``; see there for the meaning of each field."""

    discord_id: Snowflake
    locale: str | None = None
    premium: bool = False
    premium_until: datetime | None = None
    grace_until: datetime | None = None
    last_event_created: datetime | None = None
    plan: str | None = None


async def find(connection: AsyncConnection, user_id: Snowflake) -> User:
    """Return the user; one never heard of has no locale and no premium."""
    row = (await connection.execute(_FIND, {"user_id": user_id})).first()
    return _user(row) if row else User(discord_id=user_id)


async def find_many(connection: AsyncConnection, user_ids: Collection[Snowflake]) -> list[User]:
    """Return those of these users that were ever heard of."""
    query = sa.select(users).where(users.c.discord_id.in_(user_ids))
    return [_user(row) for row in await connection.execute(query)]


async def lock(connection: AsyncConnection, user_id: Snowflake) -> User:
    """Return the user, making the row if need be; no other transaction changes it until the end.

    Two requests for one user thus commit one after the other on PostgreSQL as well.
    """
    if connection.dialect.name == "sqlite":
        # Whoever writes has the whole file: looking is enough, and writes nothing to the disk.
        row = (await connection.execute(_FIND, {"user_id": user_id})).first()
        if row is not None:
            return _user(row)
    query = _LOCK[connection.dialect.name]
    return _user((await connection.execute(query, {"user_id": user_id})).one())


async def save_premium(
    connection: AsyncConnection,
    user_id: Snowflake,
    *,
    premium: bool,
    until: datetime | None,
    grace_until: datetime | None = None,
) -> None:
    """Set the PREMIUM attribute of an existing user."""
    await _update(
        connection, user_id, premium=premium, premium_until=until, grace_until=grace_until
    )


async def save_event(
    connection: AsyncConnection, user: User, *, created: datetime | None, plan: str | None
) -> None:
    """Remember when a user's newest accepted event was created, and the plan it told of."""
    # PostgreSQL takes no U+0000 in text.
    plan = (plan or "").replace("\0", "") or user.plan
    created = created or user.last_event_created
    if (created, plan) != (user.last_event_created, user.plan):
        await _update(connection, user.discord_id, last_event_created=created, plan=plan)


async def save_locale(connection: AsyncConnection, user_id: Snowflake, locale: str) -> None:
    """Remember the user's last seen Discord locale."""
    await lock(connection, user_id)
    await _update(connection, user_id, locale=locale)


async def find_ended(connection: AsyncConnection, now: datetime, *, limit: int) -> list[Snowflake]:
    """Return users whose premium ended at or before `now` and is still marked as on."""
    ended = sa.or_(users.c.premium_until <= now, users.c.grace_until <= now)
    query = (
        sa.select(users.c.discord_id)
        .where(users.c.premium, ended)
        .order_by(sa.func.coalesce(users.c.premium_until, users.c.grace_until))
        .limit(limit)
    )
    return [Snowflake(found) for found in (await connection.execute(query)).scalars()]


async def _update(connection: AsyncConnection, user_id: Snowflake, **values: object) -> None:
    await connection.execute(_UPDATE, {"user_id": user_id, **values})


def _user(row: sa.Row[tuple[object, ...]]) -> User:
    values = dict(row._mapping)
    values["discord_id"] = Snowflake(values["discord_id"])
    return User(**values)
