"""PostgreSQL, over asyncpg."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from moddy.store.transactions import Work, do_nothing

POOL_SIZE = 10
WRITERS = 4


def open_engine(url: str, *, connect_within: float, seconds: float) -> AsyncEngine:
    """Return an engine; a connection has `connect_within` seconds to come about, a command
    `seconds`."""
    import asyncpg  # noqa: PLC0415 (SQLite users need not wait for it)

    async def connect() -> Any:
        # asyncpg reads the address as libpq does (postgres://, sslmode=…); SQLAlchemy does not.
        return await asyncpg.connect(url, timeout=connect_within, command_timeout=seconds)

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_pre_ping=True,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=connect_within,
        hide_parameters=True,
    )


class PostgresqlTransactions:
    """Works run on the loop; the groups of several writers overlap."""

    writers = WRITERS

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(
        self,
        works: Sequence[Work[Any]],
        *,
        write: bool,
        before_commit: Callable[[], None] = do_nothing,
    ) -> list[Any]:
        """As `Transactions.run`."""
        async with self._engine.connect() as connection, connection.begin():
            results = [await work(connection) for work in works]
            before_commit()
        return results

    async def close(self) -> None:
        """The engine is its owner's."""
