"""Users: what Moddy knows of a Discord user."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from moddy.models import Snowflake
from moddy.store.tables import users


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
    row = (await connection.execute(sa.select(users).where(users.c.discord_id == user_id))).first()
    return _user(row) if row else User(discord_id=user_id)


async def lock(connection: AsyncConnection, user_id: Snowflake) -> User:
    """Return the user, making the row if need be; no other transaction changes it until the end.

    Two requests for one user thus commit one after the other on PostgreSQL as well.
    """
    insert = _insert(connection, user_id)
    # Setting the id to itself takes the lock and gives the row back in the same statement.
    query = insert.on_conflict_do_update(
        index_elements=[users.c.discord_id], set_={"discord_id": insert.excluded.discord_id}
    ).returning(*users.c)
    return _user((await connection.execute(query)).one())


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
    created, plan = created or user.last_event_created, plan or user.plan
    if (created, plan) != (user.last_event_created, user.plan):
        await _update(connection, user.discord_id, last_event_created=created, plan=plan)


async def save_locale(connection: AsyncConnection, user_id: Snowflake, locale: str) -> None:
    """Remember the user's last seen Discord locale."""
    await connection.execute(_insert(connection, user_id).on_conflict_do_nothing())
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


def _insert(connection: AsyncConnection, user_id: Snowflake) -> postgresql.Insert | sqlite.Insert:
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    query: postgresql.Insert | sqlite.Insert = insert(users)
    return query.values(discord_id=user_id, premium=False)


async def _update(connection: AsyncConnection, user_id: Snowflake, **values: object) -> None:
    await connection.execute(sa.update(users).where(users.c.discord_id == user_id).values(**values))


def _user(row: sa.Row[tuple[object, ...]]) -> User:
    values = dict(row._mapping)
    values["discord_id"] = Snowflake(values["discord_id"])
    return User(**values)
