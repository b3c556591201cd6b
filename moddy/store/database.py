"""Opening the database and running transactions on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from moddy.errors import StoreUnavailable
from moddy.store.group_commit import Contention, GroupCommit, Work

T = TypeVar("T")

# Seconds for a transaction; leaves room before the 9 s answer limit.
TRANSACTION_TIMEOUT = 5.0
# The share of it that SQLite waits for another process's write lock before it gives up.
BUSY_SHARE = 0.6
BUSY_TIMEOUT = TRANSACTION_TIMEOUT * BUSY_SHARE
# Seconds for a schema upgrade.
PATIENCE = 300.0
POSTGRESQL_WRITERS = 4
# serialization_failure and deadlock_detected. Source:
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_CONTENTION = ("40001", "40P01")
_OUR_FAULT = (IntegrityError, ProgrammingError, DataError)


def _pass(_checkpoint: str) -> None:
    """Nobody wants to know."""


class Database:
    """One SQLite file or PostgreSQL database.

    Work runs in `transaction` (may write) or `read`; both give it a connection inside a
    transaction. No network call belongs in there.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        patient: Callable[[], AsyncEngine] | None = None,
        timeout: float = TRANSACTION_TIMEOUT,
        checkpoint: Callable[[str], None] = _pass,
    ) -> None:
        self.checkpoint = checkpoint
        self._engine = engine
        self._patient = patient
        self._timeout = timeout
        # SQLite has one writer at a time; PostgreSQL's groups can overlap.
        writers = 1 if self.is_sqlite else POSTGRESQL_WRITERS
        self._writers = [
            GroupCommit(self._begin_write, checkpoint=checkpoint) for _ in range(writers)
        ]

    @property
    def is_sqlite(self) -> bool:
        """Whether this is a SQLite file, which only one process serves from."""
        return self._engine.dialect.name == "sqlite"

    @property
    def engine(self) -> AsyncEngine:
        """The engine."""
        return self._engine

    @asynccontextmanager
    async def connect_patiently(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection of its own, whose statements and waits may take minutes."""
        engine = self._engine if self._patient is None else self._patient()
        try:
            async with engine.connect() as connection:
                yield connection
        finally:
            if engine is not self._engine:
                await engine.dispose()

    async def run_writes(self) -> None:
        """Commit what `transaction` is given, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for writer in self._writers:
                group.create_task(writer.run(), name="writer")

    async def transaction(self, work: Work[T], *, about: str = "") -> T:
        """Run `work` in a transaction and return its result once that is committed.

        Concurrent callers share transactions, so `work` may run twice; it must do nothing but
        use its connection. `about` is the user that it locks: what is about one user is done one
        after the other, so that two groups never wait for each other's locks.

        Raises:
            StoreUnavailable: the database did not answer in time, is locked, full or gone;
                nothing was committed, unless the connection broke during the commit itself or
                the answer came too late.
            sqlalchemy.exc.IntegrityError: a constraint refused the write.
        """
        writer = self._writers[hash(about) % len(self._writers)]
        async with self._bounded():
            return await writer.submit(work)

    async def read(self, work: Work[T]) -> T:
        """Run `work`, which only reads. Raises StoreUnavailable."""
        async with self._begin(write=False) as connection:
            return await work(connection)

    async def ping(self) -> None:
        """Ask the database for an answer. Raises StoreUnavailable."""

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(sa.text("SELECT 1"))

        await self.read(work)

    def _begin_write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self._begin(write=True)

    @asynccontextmanager
    async def _begin(self, *, write: bool) -> AsyncIterator[AsyncConnection]:
        async with self._bounded(), self._engine.connect() as connection:
            await connection.execution_options(moddy_write=write)
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
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


@asynccontextmanager
async def open_database(
    url: str, *, checkpoint: Callable[[str], None] = _pass
) -> AsyncIterator[Database]:
    """Open the database at `url` and dispose of its connections at the end.

    `url` is ``sqlite:///path``, ``postgres://…`` or ``postgresql://…`` as Railway gives them.
    Nothing is connected before the first use. `checkpoint` is told of named moments, for tests
    that end the process there.
    """
    make = _sqlite_engine if url.startswith("sqlite") else _postgresql_engine
    engine = make(url, TRANSACTION_TIMEOUT)
    database = Database(engine, patient=lambda: make(url, PATIENCE), checkpoint=checkpoint)
    writes = asyncio.create_task(database.run_writes(), name="writes")
    try:
        yield database
    finally:
        writes.cancel()
        await asyncio.gather(writes, return_exceptions=True)
        # Also ends aiosqlite's threads, which would keep the process alive.
        await engine.dispose()


def _sqlite_engine(url: str, seconds: float) -> AsyncEngine:
    path = url.partition("///")[2]
    try:
        Path(path).absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(type(error).__name__) from error
    engine = create_async_engine(
        sa.URL.create("sqlite+aiosqlite", database=path),
        connect_args={"timeout": seconds * BUSY_SHARE},
        hide_parameters=True,
    )
    sa.event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    sa.event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(dbapi_connection: Any, _record: object) -> None:
    # Without an isolation level the driver starts no transaction of its own; `_begin_sqlite` does.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # An acknowledged write must survive a power cut; WAL's usual NORMAL may lose the last ones.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # A writer takes the lock first: upgrading a read transaction later can fail at once.
    write = connection.get_execution_options().get("moddy_write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _postgresql_engine(url: str, seconds: float) -> AsyncEngine:
    import asyncpg  # noqa: PLC0415 (SQLite users need not wait for it)

    async def connect() -> Any:
        # asyncpg reads the address as libpq does (postgres://, sslmode=…); SQLAlchemy does not.
        return await asyncpg.connect(url, timeout=TRANSACTION_TIMEOUT, command_timeout=seconds)

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=0,
        pool_timeout=TRANSACTION_TIMEOUT,
        hide_parameters=True,
    )
