"""A database that cannot be used for a while."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import asyncpg


@asynccontextmanager
async def locked(url: str) -> AsyncIterator[None]:
    """Hold a lock on the database that lets nobody else write, as another program may."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.partition("///")[2])) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.rollback()
        return
    connection = await asyncpg.connect(url)
    try:
        while not await _lock_tables(connection):
            pass
        yield
    finally:
        await connection.close()


async def _lock_tables(connection: asyncpg.Connection) -> bool:
    """Return whether a transaction holds them now: others take them in another order."""
    await connection.execute("BEGIN")
    try:
        await connection.execute("LOCK TABLE users, deliveries IN ACCESS EXCLUSIVE MODE")
    except asyncpg.DeadlockDetectedError:
        await connection.execute("ROLLBACK")
        return False
    return True


@asynccontextmanager
async def closed(url: str) -> AsyncIterator[None]:
    """Cut all connections to a PostgreSQL database and let nobody in, as a restart of it does."""
    server, _, name = url.rpartition("/")
    connection = await asyncpg.connect(f"{server}/postgres")
    try:
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
        )
        yield
    finally:
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await connection.close()
