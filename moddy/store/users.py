"""Users: what Moddy knows of a Discord user."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects import postgresql, sqlite

from moddy.models import Snowflake
from moddy.store.prepared import Prepared
from moddy.store.tables import users
from moddy.store.transactions import Connection

Insert = TypeVar("Insert", postgresql.Insert, sqlite.Insert)


def _add(insert: Insert) -> Prepared:
    return Prepared(
        # Setting the id to itself takes the lock and gives the row back in the same statement.
        insert.on_conflict_do_update(
            index_elements=[users.c.discord_id], set_={"discord_id": insert.excluded.discord_id}
        ).returning(*users.c),
        writes=["discord_id", "premium"],
        told_by=["discord_id"],
    )


_IS_USER = users.c.discord_id == sa.bindparam("discord_id")
_FIND = Prepared(sa.select(users).where(_IS_USER), told_by=["discord_id"])
_LOCK = Prepared(sa.select(users).where(_IS_USER).with_for_update(), told_by=["discord_id"])
_ADD = {
    "sqlite": _add(sqlite.insert(users)),
    "postgresql": _add(postgresql.insert(users)),
}
_SAVE_PREMIUM, _SAVE_EVENT, _SAVE_LOCALE = (
    Prepared(sa.update(users).where(users.c.discord_id == sa.bindparam("user_id")), writes=columns)
    for columns in (
        ["premium", "premium_until", "grace_until"],
        ["last_event_created", "plan"],
        ["locale"],
    )
)


class User(Struct, frozen=True):
    """A row of ``users``, in the order of its columns; see there for the meaning of each."""

    discord_id: Snowflake
    locale: str | None = None
    premium: bool = False
    premium_until: datetime | None = None
    grace_until: datetime | None = None
    last_event_created: datetime | None = None
    plan: str | None = None


async def find(connection: Connection, user_id: Snowflake) -> User:
    """Return the user; one never heard of has no locale and no premium."""
    for row in await connection.fetch(_FIND, {"discord_id": user_id}):
        return _user(row)
    return User(discord_id=user_id)


async def find_many(connection: Connection, user_ids: Collection[Snowflake]) -> list[User]:
    """Return those of these users that were ever heard of."""
    query = sa.select(users).where(users.c.discord_id.in_(user_ids))
    return [_user(row) for row in await connection.execute(query)]


async def lock(connection: Connection, user_id: Snowflake) -> User:
    """Return the user, making the row if need be; no other transaction changes it until the end.

    Two requests for one user thus commit one after the other on PostgreSQL as well.
    """
    for row in await connection.fetch(_LOCK, {"discord_id": user_id}):
        return _user(row)
    add = _ADD[connection.dialect.name]
    (row,) = await connection.fetch(add, {"discord_id": user_id, "premium": False})
    return _user(row)


async def save_premium(
    connection: Connection,
    user_id: Snowflake,
    *,
    premium: bool,
    until: datetime | None,
    grace_until: datetime | None = None,
) -> None:
    """Set the PREMIUM attribute of an existing user."""
    values = {"premium": premium, "premium_until": until, "grace_until": grace_until}
    await connection.fetch(_SAVE_PREMIUM, {"user_id": user_id, **values})


async def save_event(
    connection: Connection, user: User, *, created: datetime | None, plan: str | None
) -> None:
    """Remember when a user's newest accepted event was created, and the plan it told of."""
    # PostgreSQL takes no U+0000 in text.
    plan = (plan or "").replace("\0", "") or user.plan
    created = created or user.last_event_created
    if (created, plan) != (user.last_event_created, user.plan):
        values = {"last_event_created": created, "plan": plan}
        await connection.fetch(_SAVE_EVENT, {"user_id": user.discord_id, **values})


async def save_locale(connection: Connection, user_id: Snowflake, locale: str) -> None:
    """Remember the user's last seen Discord locale."""
    await lock(connection, user_id)
    await connection.fetch(_SAVE_LOCALE, {"user_id": user_id, "locale": locale})


async def find_ended(connection: Connection, now: datetime, *, limit: int) -> list[Snowflake]:
    """Return users whose premium ended at or before `now` and is still marked as on."""
    ended = sa.or_(users.c.premium_until <= now, users.c.grace_until <= now)
    query = (
        sa.select(users.c.discord_id)
        .where(users.c.premium, ended)
        .order_by(sa.func.coalesce(users.c.premium_until, users.c.grace_until))
        .limit(limit)
    )
    return [Snowflake(found) for found in (await connection.execute(query)).scalars()]


def _user(row: Sequence[Any]) -> User:
    user_id, *values = row
    return User(Snowflake(user_id), *values)
