"""The reference backend's database: one SQLite file, one writer at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from msgspec import Struct, structs
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from moddy.sandbox.backend.billing import Billing, Seed
from moddy.sandbox.backend.tables import answers, metadata


class Books:
    """Hands out transactions on the database."""

    def __init__(self, engine: AsyncEngine, *, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._now = now
        # SQLite refuses a second writer at once; here they simply queue.
        self._writing = asyncio.Lock()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """Hold a transaction, committed at the end of the block."""
        async with self._writing, self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def billing(self) -> AsyncIterator[Billing]:
        """Hold a transaction and read or change the books in it."""
        async with self.connection() as connection:
            yield self.billing_on(connection)

    def billing_on(self, connection: AsyncConnection) -> Billing:
        """Return the books inside a transaction that is held already."""
        return Billing(connection, now=self._now)


@asynccontextmanager
async def open_books(
    directory: Path, *, seeds: Sequence[Seed], now: Callable[[], datetime]
) -> AsyncIterator[Books]:
    """Create the database in `directory`, enter the seeds, and close it at the end."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{directory / 'backend.db'}")
    try:
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        books = Books(engine, now=now)
        async with books.billing() as billing:
            for seed in seeds:
                await billing.add_account(seed)
        yield books
    finally:
        # aiosqlite keeps a thread for each connection until it is closed.
        await engine.dispose()


class KeptAnswer(Struct, frozen=True, kw_only=True):
    """What was answered to an Idempotency-Key, and to which request (canonical JSON)."""

    request: str
    status: int
    body: bytes


async def find_answer(connection: AsyncConnection, *, endpoint: str, key: str) -> KeptAnswer | None:
    """Return what was answered to an Idempotency-Key before."""
    query = select(answers.c.request, answers.c.status, answers.c.body).where(
        answers.c.endpoint == endpoint, answers.c.idempotency_key == key
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else KeptAnswer(**row._mapping)


async def keep_answer(
    connection: AsyncConnection, *, endpoint: str, key: str, kept: KeptAnswer
) -> None:
    """Keep what was answered to an Idempotency-Key."""
    values = {"endpoint": endpoint, "idempotency_key": key, **structs.asdict(kept)}
    await connection.execute(insert(answers).values(values))
