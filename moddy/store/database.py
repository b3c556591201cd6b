"""Opening the database and running transactions on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from moddy.errors import StoreUnavailable
from moddy.store import sqlite
from moddy.store.group_commit import Contention, GroupCommit
from moddy.store.transactions import Connection, Part, Transactions, Work

T = TypeVar("T")

# Seconds for a transaction; leaves room before the 9 s answer limit.
TRANSACTION_TIMEOUT = 5.0
# The share of it that SQLite waits for another process's write lock before it gives up.
BUSY_SHARE = 0.6
BUSY_TIMEOUT = TRANSACTION_TIMEOUT * BUSY_SHARE
# Seconds for a schema upgrade.
PATIENCE = 300.0
# serialization_failure and deadlock_detected. Source:
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_CONTENTION = ("40001", "40P01")
_OUR_FAULT = (IntegrityError, ProgrammingError, DataError)
_PING = sa.text("SELECT 1")


def _pass(_checkpoint: str) -> None:
    """Nobody wants to know."""


def _unmeasured(_kind: str, _seconds: float) -> None:
    """Nobody wants to know."""


class Database:
    """One SQLite file or PostgreSQL database.

    Work runs in `transaction` (may write) or `read`; both give it a connection inside a
    transaction. It must await nothing else: on SQLite it runs on a thread, without a loop, and on
    PostgreSQL others of its group wait for it.
    `observe` is told the seconds of each `connect`, `transaction` and `read`, waiting included, and
    of each `commit` that transactions share; also of those that fail.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        transactions: Transactions,
        *,
        patient: Callable[[], AsyncEngine],
        timeout: float,
        checkpoint: Callable[[str], None] = _pass,
        observe: Callable[[str, float], None] = _unmeasured,
    ) -> None:
        self.checkpoint = checkpoint
        self._observe = observe
        self._engine = engine
        self._transactions = transactions
        self._patient = patient
        self._timeout = timeout
        self._writers = [
            GroupCommit(self._write, checkpoint=checkpoint) for _ in range(transactions.writers)
        ]

    @property
    def is_sqlite(self) -> bool:
        """Whether this is a SQLite file, which only one process serves from."""
        return self._engine.dialect.name == "sqlite"

    @property
    def writers(self) -> int:
        """How many groups of writes can be under way at a time."""
        return len(self._writers)

    @property
    def engine(self) -> AsyncEngine:
        """The engine."""
        return self._engine

    @asynccontextmanager
    async def connect_patiently(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection of its own, whose statements and waits may take minutes."""
        engine = self._patient()
        try:
            async with engine.connect() as connection:
                yield connection
        finally:
            await engine.dispose()

    async def connect(self) -> None:
        """Open connections now: later there may be no file descriptor left for them.

        Raises:
            StoreUnavailable: the database did not take them in time.
        """
        async with self._bounded("connect"):
            await self._transactions.connect()

    async def run_writes(self) -> None:
        """Commit what `transaction` is given, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for writer in self._writers:
                group.create_task(writer.run(), name="writer")

    async def transaction(self, work: Work[T], *, about: str = "", only_about: bool = False) -> T:
        """Run `work` in a transaction and return its result once that is committed.

        Concurrent callers share transactions, so `work` may run twice; it must do nothing but
        use its connection. `about` is the user that it locks: what is about one user is done one
        after the other, so that two groups never wait for each other's locks. Work that touches
        `only_about` that user's rows may go side by side with that about others.

        Raises:
            StoreUnavailable: the database did not answer in time, is locked, full or gone;
                nothing was committed, unless the connection broke during the commit itself or
                the answer came too late.
            sqlalchemy.exc.IntegrityError: a constraint refused the write.
        """
        writer = self._writers[hash(about) % len(self._writers)]
        started = time.perf_counter()
        try:
            lane = about if only_about else None
            return await writer.submit(work, within=self._timeout, lane=lane)
        finally:
            self._observe("transaction", time.perf_counter() - started)

    async def read(self, work: Work[T]) -> T:
        """Run `work`, which only reads. Raises StoreUnavailable."""
        try:
            async with self._bounded("read"):
                results: list[T] = await self._transactions.run([Part(work)], write=False)
        except Contention as error:
            raise StoreUnavailable(str(error)) from error
        return results[0]

    async def ping(self) -> None:
        """Ask the database for an answer. Raises StoreUnavailable."""

        async def work(connection: Connection) -> None:
            await connection.execute(_PING)

        await self.read(work)

    async def close(self) -> None:
        """Give back all connections and threads."""
        await self._transactions.close()
        # Also ends aiosqlite's threads, which would keep the process alive.
        await self._engine.dispose()

    async def _write(self, parts: Sequence[Part], before_commit: Callable[[], None]) -> list[Any]:
        async with self._bounded("commit"):
            return await self._transactions.run(parts, write=True, before_commit=before_commit)

    @asynccontextmanager
    async def _bounded(self, kind: str) -> AsyncIterator[None]:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except _OUR_FAULT:
            raise
        except (DBAPIError, PoolTimeoutError, OSError, TimeoutError) as error:
            if getattr(getattr(error, "orig", None), "sqlstate", None) in _CONTENTION:
                raise Contention(type(error).__name__) from error
            # Only the kind of error: its text may hold values.
            raise StoreUnavailable(type(error).__name__) from error
        finally:
            self._observe(kind, time.perf_counter() - started)


@asynccontextmanager
async def open_database(
    url: str,
    *,
    timeout: float = TRANSACTION_TIMEOUT,  # noqa: ASYNC109 (of each transaction, not of this)
    checkpoint: Callable[[str], None] = _pass,
    observe: Callable[[str, float], None] = _unmeasured,
) -> AsyncIterator[Database]:
    """Open the database at `url` and dispose of its connections at the end.

    `url` is ``sqlite:///path``, ``postgres://…`` or ``postgresql://…`` as Railway gives them.
    Nothing is connected before the first use. `timeout` is in seconds. `checkpoint` is told of
    named moments, for tests that end the process there. `observe` is told how long each use takes.
    """
    database = _make_database(url, timeout, checkpoint, observe)
    writes = asyncio.create_task(database.run_writes(), name="writes")
    try:
        yield database
    finally:
        writes.cancel()
        await asyncio.gather(writes, return_exceptions=True)
        await database.close()


def _make_database(
    url: str,
    seconds: float,
    checkpoint: Callable[[str], None],
    observe: Callable[[str, float], None],
) -> Database:
    transactions: Transactions
    if url.startswith("sqlite"):
        engines = sqlite.open_engines(url, busy_timeout=seconds * BUSY_SHARE)
        engine = engines.on_loop
        transactions = sqlite.SqliteTransactions(engines)
    else:
        from moddy.store import postgresql  # noqa: PLC0415 (SQLite users need not wait for asyncpg)

        engine = postgresql.open_engine(
            url, connect_within=seconds, seconds=seconds, autocommit=True
        )
        transactions = postgresql.PostgresqlTransactions(engine)

    def open_patient() -> AsyncEngine:
        if url.startswith("sqlite"):
            return sqlite.open_engines(url, busy_timeout=PATIENCE * BUSY_SHARE).on_loop
        from moddy.store import postgresql  # noqa: PLC0415 (see above)

        return postgresql.open_engine(url, connect_within=TRANSACTION_TIMEOUT, seconds=PATIENCE)

    return Database(
        engine,
        transactions,
        patient=open_patient,
        timeout=seconds,
        checkpoint=checkpoint,
        observe=observe,
    )
