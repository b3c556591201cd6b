"""Users: what Moddy knows of a Discord user."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from moddy.models import Snowflake
from moddy.store.tables import users


class User(Struct, frozen=True, kw_only=True):
    """A row of ``users``; see there for the meaning of each field."""

    discord_id: Snowflake
    locale: str | None = None
    premium: bool = False
    premium_until: datetime | None = None
    last_event_created: datetime | None = None


async def find(connection: AsyncConnection, user_id: Snowflake) -> User:
    """Return the user; one never heard of has no locale and no premium."""
    row = (await connection.execute(sa.select(users).where(users.c.discord_id == user_id))).first()
    return _user(row) if row else User(discord_id=user_id)


async def lock(connection: AsyncConnection, user_id: Snowflake) -> User:
    """Return the user, making the row if need be; no other transaction changes it until the end.

    Two requests for one user thus commit one after the other on PostgreSQL as well.
    """
    await _insert_missing(connection, user_id)
    query = sa.select(users).where(users.c.discord_id == user_id).with_for_update()
    return _user((await connection.execute(query)).one())


async def save_premium(
    connection: AsyncConnection, user_id: Snowflake, *, premium: bool, until: datetime | None
) -> None:
    """Set the PREMIUM attribute of an existing user."""
    await _update(connection, user_id, premium=premium, premium_until=until)


async def save_event_created(
    connection: AsyncConnection, user_id: Snowflake, moment: datetime
) -> None:
    """Remember when the newest accepted event of an existing user was created."""
    await _update(connection, user_id, last_event_created=moment)


async def save_locale(connection: AsyncConnection, user_id: Snowflake, locale: str) -> None:
    """Remember the user's last seen Discord locale."""
    await _insert_missing(connection, user_id)
    await _update(connection, user_id, locale=locale)


async def find_ended(connection: AsyncConnection, now: datetime, *, limit: int) -> list[Snowflake]:
    """Return users whose premium ended at or before `now` and is still marked as on."""
    query = (
        sa.select(users.c.discord_id)
        .where(users.c.premium, users.c.premium_until <= now)
        .order_by(users.c.premium_until)
        .limit(limit)
    )
    return [Snowflake(found) for found in (await connection.execute(query)).scalars()]


async def _insert_missing(connection: AsyncConnection, user_id: Snowflake) -> None:
    insert = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    await connection.execute(
        insert(users).values(discord_id=user_id, premium=False).on_conflict_do_nothing()
    )


async def _update(connection: AsyncConnection, user_id: Snowflake, **values: object) -> None:
    await connection.execute(sa.update(users).where(users.c.discord_id == user_id).values(**values))


def _user(row: sa.Row[tuple[object, ...]]) -> User:
    values = dict(row._mapping)
    values["discord_id"] = Snowflake(values["discord_id"])
    return User(**values)
