"""Opening the database and running transactions on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from moddy.errors import StoreUnavailable

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

# Seconds. SQLite waits this long for another process's write lock before it gives up; the whole
# transaction may take a little longer, and still leaves room before the 9 s answer limit.
BUSY_TIMEOUT = 3.0
TRANSACTION_TIMEOUT = 5.0
_OUR_FAULT = (IntegrityError, ProgrammingError, DataError)


class Database:
    """One SQLite file or PostgreSQL database.

    Work runs in `transaction` (may write) or `read`; both give it a connection inside a
    transaction. No network call belongs in there.
    """

    def __init__(self, engine: AsyncEngine, *, timeout: float = TRANSACTION_TIMEOUT) -> None:
        self._engine = engine
        self._timeout = timeout
        # SQLite has one writer at a time; queueing here is fair, its own lock is not.
        self._writer = asyncio.Lock() if self.is_sqlite else None

    @property
    def is_sqlite(self) -> bool:
        """Whether this is a SQLite file, which only one process serves from."""
        return self._engine.dialect.name == "sqlite"

    @property
    def engine(self) -> AsyncEngine:
        """The engine, for migrations."""
        return self._engine

    async def transaction(self, work: Work[T]) -> T:
        """Run `work` in a transaction and return its result once that is committed.

        Raises:
            StoreUnavailable: the database did not answer in time, is locked, full or gone;
                nothing was committed, unless the connection broke during the commit itself.
            sqlalchemy.exc.IntegrityError: a constraint refused the write.
        """
        if self._writer is None:
            return await self._run(work, write=True)
        async with self._bounded(), self._writer:
            return await self._run(work, write=True)

    async def read(self, work: Work[T]) -> T:
        """Run `work`, which only reads. Raises StoreUnavailable."""
        return await self._run(work, write=False)

    async def ping(self) -> None:
        """Ask the database for an answer. Raises StoreUnavailable."""

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(sa.text("SELECT 1"))

        await self.read(work)

    async def _run(self, work: Work[T], *, write: bool) -> T:
        async with self._bounded(), self._engine.connect() as connection:
            await connection.execution_options(moddy_write=write)
            async with connection.begin():
                return await work(connection)

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except _OUR_FAULT:
            raise
        except (DBAPIError, PoolTimeoutError, OSError, TimeoutError) as error:
            # Only the kind of error: its text may hold values.
            raise StoreUnavailable(type(error).__name__) from error


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    """Open the database at `url` and dispose of its connections at the end.

    `url` is ``sqlite:///path``, ``postgres://…`` or ``postgresql://…`` as Railway gives them.
    Nothing is connected before the first use.
    """
    engine = _sqlite_engine(url) if url.startswith("sqlite") else _postgresql_engine(url)
    try:
        yield Database(engine)
    finally:
        # Also ends aiosqlite's threads, which would keep the process alive.
        await engine.dispose()


def _sqlite_engine(url: str) -> AsyncEngine:
    path = url.partition("///")[2]
    Path(path).absolute().parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(
        sa.URL.create("sqlite+aiosqlite", database=path),
        connect_args={"timeout": BUSY_TIMEOUT},
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


def _postgresql_engine(url: str) -> AsyncEngine:
    import asyncpg  # noqa: PLC0415 (SQLite users need not wait for it)

    async def connect() -> Any:
        # asyncpg reads the address as libpq does (postgres://, sslmode=…); SQLAlchemy does not.
        return await asyncpg.connect(
            url, timeout=TRANSACTION_TIMEOUT, command_timeout=TRANSACTION_TIMEOUT
        )

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=0,
        pool_timeout=TRANSACTION_TIMEOUT,
        hide_parameters=True,
    )
