"""Small facts that Moddy remembers between starts."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from moddy.store.tables import memory


async def recall(connection: AsyncConnection, key: str) -> str | None:
    """Return what was remembered under `key`."""
    query = sa.select(memory.c.value).where(memory.c.key == key)
    return (await connection.execute(query)).scalar()


async def remember(connection: AsyncConnection, key: str, value: str) -> None:
    """Remember `value` under `key` in place of what was there."""
    await connection.execute(sa.delete(memory).where(memory.c.key == key))
    await connection.execute(sa.insert(memory).values(key=key, value=value))
