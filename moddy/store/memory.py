"""Small facts that Moddy remembers between starts."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from moddy.store.tables import memory
from moddy.store.transactions import Connection


async def recall(connection: Connection, key: str) -> str | None:
    """Return what was remembered under `key`."""
    query = sa.select(memory.c.value).where(memory.c.key == key)
    value: str | None = await connection.scalar(query)
    return value


async def remember(connection: Connection, key: str, value: str) -> None:
    """Remember `value` under `key` in place of what was there.

    Several processes may do so at once, as they do when they start together.
    """
    insert = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    query = insert(memory).values(key=key, value=value)
    await connection.execute(
        query.on_conflict_do_update(index_elements=[memory.c.key], set_={"value": value})
    )
