"""SQLite: a whole group of works takes one trip to a thread, and one commit.

The library blocks, so it cannot run on the loop. A trip for each statement, as aiosqlite makes
them, costs more than the statement; so a work runs on the thread as a whole. It is written for
the loop, and yet never waits there: each statement is done when its `await` begins.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from moddy.errors import StoreUnavailable
from moddy.store.prepared import Prepared, Row
from moddy.store.transactions import Connection, Part, Result, do_nothing

T = TypeVar("T")

READERS = 4
READER_CACHE = 256  # KiB for each, instead of SQLite's 2,000


class Engines(NamedTuple):
    """The engines of one file: for the loop, for the thread that writes and for those that read."""

    on_loop: AsyncEngine
    writing: sa.Engine
    reading: sa.Engine


def open_engines(url: str, *, busy_timeout: float) -> Engines:
    """Return the engines of the file at ``sqlite:///path``; none connects before its first use.

    `busy_timeout` is how many seconds another process's lock is waited for.

    Raises:
        StoreUnavailable: the file's folder cannot be made.
    """
    path = url.partition("///")[2]
    try:
        Path(path).absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(type(error).__name__) from error
    options: dict[str, Any] = {"connect_args": {"timeout": busy_timeout}, "hide_parameters": True}
    on_loop = create_async_engine(sa.URL.create("sqlite+aiosqlite", database=path), **options)
    address = sa.URL.create("sqlite", database=path)
    # One connection for each thread; a thread never waits for one.
    writing = sa.create_engine(address, pool_size=1, max_overflow=0, **options)
    reading = sa.create_engine(address, pool_size=READERS, max_overflow=0, **options)
    for engine in (on_loop.sync_engine, writing, reading):
        sa.event.listen(engine, "connect", partial(_prepare, patience=busy_timeout))
        sa.event.listen(engine, "begin", _begin)
    sa.event.listen(reading, "connect", _keep_little)
    return Engines(on_loop, writing, reading)


def _prepare(dbapi_connection: Any, _record: object, *, patience: float) -> None:
    # Without an isolation level the driver starts no transaction of its own; `_begin` does.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    _use_wal(cursor, patience)
    # An acknowledged write must survive a power cut; WAL's usual NORMAL may lose the last ones.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _use_wal(cursor: Any, patience: float) -> None:
    """Have the file in WAL mode, in which it stays.

    For a new one's first connections that is a race, in which SQLite itself waits for nobody.
    """
    end = time.monotonic() + patience
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > end:
                raise
        else:
            return
        time.sleep(0.005)


def _keep_little(dbapi_connection: Any, _record: object) -> None:
    # The system has the file's pages in its memory already, once for all readers.
    dbapi_connection.execute(f"PRAGMA cache_size=-{READER_CACHE}")


def _begin(connection: sa.Connection) -> None:
    # A writer takes the lock first: upgrading a read transaction later can fail at once.
    write = connection.get_execution_options().get("moddy_write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


class SqliteTransactions:
    """Works run on threads: one for writes, as SQLite has one writer at a time, some for reads."""

    writers = 1

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._writer = ThreadPoolExecutor(1, "store-writer")
        self._readers = ThreadPoolExecutor(READERS, "store-reader")

    async def connect(self) -> None:
        """As `Transactions.connect`: all that there will be."""
        await asyncio.get_running_loop().run_in_executor(self._readers, self._connect)

    def _connect(self) -> None:
        with ExitStack() as stack:
            stack.enter_context(self._engines.writing.connect())
            for _ in range(READERS):
                stack.enter_context(self._engines.reading.connect())

    async def run(
        self,
        parts: Sequence[Part],
        *,
        write: bool,
        before_commit: Callable[[], None] = do_nothing,
    ) -> list[Any]:
        """As `Transactions.run`. A work must await nothing but its connection."""
        engines, threads = self._engines, self._writer if write else self._readers
        engine = engines.writing if write else engines.reading
        trip = _Trip(engine, parts, write=write, before_commit=before_commit)
        done = asyncio.get_running_loop().run_in_executor(threads, copy_context().run, trip.make)
        try:
            return await done
        except asyncio.CancelledError:
            trip.abandon()
            raise

    async def close(self) -> None:
        """End the threads, once what they are at is done."""
        for threads in (self._writer, self._readers):
            # Nobody waits for what they are at: it was abandoned, and so is short.
            threads.shutdown(cancel_futures=True)
        self._engines.writing.dispose()
        self._engines.reading.dispose()


class _Abandoned(Exception):
    """Nobody waits for the result any longer."""


class _Trip:
    """One transaction on a thread. Only `abandon` is called from another one."""

    def __init__(
        self,
        engine: sa.Engine,
        parts: Sequence[Part],
        *,
        write: bool,
        before_commit: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._parts = parts
        self._write = write
        self._before_commit = before_commit
        self._abandoned = False
        # Held while `abandon` interrupts, so that it never meets the connection's next user.
        self._lock = threading.Lock()
        self._interruptible: Any = None

    def abandon(self) -> None:
        """Have it undone as soon as possible, unless its commit has begun."""
        self._abandoned = True
        with self._lock:
            if self._interruptible is not None:
                self._interruptible.interrupt()

    def check(self) -> None:
        """Raise _Abandoned once that is so."""
        if self._abandoned:
            raise _Abandoned

    def make(self) -> list[Any]:
        """Run the works and commit."""
        self.check()
        with self._engine.connect() as connection:
            connection.execution_options(moddy_write=self._write)
            try:
                with self._lock:
                    self._interruptible = connection.connection.driver_connection
                with connection.begin():
                    given = _Connection(connection, self.check)
                    results = [_finish(part.work(given)) for part in self._parts]
                    self.check()
                    self._before_commit()
                    self._release()
            finally:
                self._release()
        return results

    def _release(self) -> None:
        with self._lock:
            self._interruptible = None


class _Connection(Connection):
    """What a work is given."""

    def __init__(self, connection: sa.Connection, check: Callable[[], None]) -> None:
        self._check = check
        self._connection = connection
        self._driver: sqlite3.Connection = cast(
            "sqlite3.Connection", connection.connection.driver_connection
        )
        self.dialect = connection.dialect

    async def fetch(self, statement: Prepared, values: Mapping[str, Any]) -> list[Row]:
        """Execute a prepared statement and return its rows."""
        self._check()
        form = statement.on(self.dialect)
        try:
            return form.read(self._driver.execute(form.sql, form.bind(values)).fetchall())
        except sqlite3.Error as error:
            raise _said_by_sqlalchemy(error) from error

    async def execute(self, statement: sa.Executable, parameters: Any = None) -> Result:
        """Execute a statement and return SQLAlchemy's result."""
        self._check()
        return self._connection.execute(statement, parameters)

    async def run_sync(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function with the connection that does not need to be awaited."""
        self._check()
        return function(self._connection, *arguments)


def _said_by_sqlalchemy(error: sqlite3.Error) -> DBAPIError:
    """Return what SQLAlchemy would have raised: its errors have the driver's names."""
    kind: type[DBAPIError] = getattr(sa.exc, type(error).__name__, DBAPIError)
    return kind(None, None, error)


def _finish(work: Awaitable[Any]) -> Any:
    """Run a work to its end without a loop."""
    steps = work.__await__()
    try:
        while next(steps) is None:  # `asyncio.sleep(0)`
            pass
    except StopIteration as end:
        return end.value
    raise TypeError("a work may await nothing but its connection")
