"""PostgreSQL, over asyncpg: the works of a group go side by side, and share their round trips.

Of those that wait for the same prepared statement, all executions are sent together. A trip for
each would cost several times as much as the statements.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, cast

import asyncpg
import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from moddy.store.group_commit import Contention
from moddy.store.prepared import Prepared, Row
from moddy.store.side_by_side import SideBySide
from moddy.store.transactions import Part, do_nothing

POOL_SIZE = 10
ROLLBACK_WITHIN = 1.0  # seconds; else the connection is dropped
WRITERS = 2
CONNECTED_EARLY = WRITERS + 2
CONNECT_EARLY_WITHIN = 2.0  # seconds, after the first
# The server gives a command up after so many times the seconds after which Moddy does.
SERVER_PATIENCE = 2


def open_engine(
    url: str, *, connect_within: float, seconds: float, autocommit: bool = False
) -> AsyncEngine:
    """Return an engine; connecting has `connect_within` seconds, and a command `seconds`.

    `PostgresqlTransactions` wants one with `autocommit`, as it begins and commits by itself.
    """

    async def connect() -> Any:
        connecting = asyncio.ensure_future(_connect(url, within=connect_within, seconds=seconds))
        try:
            return await asyncio.shield(connecting)
        except asyncio.CancelledError:
            # Cancelled itself, asyncpg leaves a future behind whose error nobody takes, and of
            # which asyncio then writes a line.
            connecting.add_done_callback(_drop)
            raise

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_pre_ping=True,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=connect_within,
        hide_parameters=True,
        **({"isolation_level": "AUTOCOMMIT"} if autocommit else {}),
    )


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # it has no types
    """One that still stops its statement on the server when it is dropped.

    asyncpg would cancel the request for that, so that the statement went on with its locks; and
    it would leave a future behind whose error nobody takes.
    """

    def _clean_tasks(self) -> None:
        """Let such requests be; each ends by itself within `command_timeout`."""


async def _connect(url: str, *, within: float, seconds: float) -> asyncpg.Connection:
    # asyncpg reads the address as libpq does (postgres://, sslmode=…); SQLAlchemy does not.
    connection = await asyncpg.connect(
        url, timeout=within, command_timeout=seconds, connection_class=_Connection
    )
    # When this process cannot say so any more, its locks must not keep others waiting. Not sent
    # with the connect, where poolers refuse what they do not know.
    limit = round(seconds * SERVER_PATIENCE * 1000)
    try:
        await connection.execute(
            f"SET statement_timeout = {limit}; SET idle_in_transaction_session_timeout = {limit}"
        )
    except BaseException:
        connection.terminate()
        raise
    return connection


def _drop(connecting: asyncio.Future[asyncpg.Connection]) -> None:
    """Close a connection that nobody waits for any longer, if there is one."""
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().terminate()


class PostgresqlTransactions:
    """Works run on the loop; the groups of several writers overlap."""

    writers = WRITERS

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def connect(self) -> None:
        """As `Transactions.connect`: as many as a quiet Moddy uses, as far as there are so many."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._engine.connect())
            with suppress(DBAPIError, OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_EARLY_WITHIN):
                    for _ in range(CONNECTED_EARLY - 1):
                        await stack.enter_async_context(self._engine.connect())

    async def run(
        self,
        parts: Sequence[Part],
        *,
        write: bool,
        before_commit: Callable[[], None] = do_nothing,
    ) -> list[Any]:
        """As `Transactions.run`."""
        async with self._engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            transaction = _Transaction(connection.dialect, cast("asyncpg.Connection", driver))
            async with transaction.committed():
                results = await SideBySide(connection, transaction.fetch_all).run(parts)
                before_commit()
            return results

    async def close(self) -> None:
        """The engine is its owner's."""


class _Transaction:
    """One transaction on one connection."""

    def __init__(self, dialect: sa.Dialect, driver: asyncpg.Connection) -> None:
        self._dialect = dialect
        self._driver = driver

    @asynccontextmanager
    async def committed(self) -> AsyncIterator[None]:
        """Commit what the body does, or nothing of it.

        A connection on which it did not certainly end is dropped: whoever got it next would be
        inside this transaction, and be told of a commit that is none. (asyncpg's own transactions
        do not notice a BEGIN that was interrupted and yet took place.)
        """
        has_ended = False
        try:
            await self._execute("BEGIN")
            try:
                yield
            except BaseException:
                # The caller is to learn of this, and of nothing that follows from it.
                with suppress(Exception):
                    async with asyncio.timeout(ROLLBACK_WITHIN):
                        has_ended = await self._driver.execute("ROLLBACK") == "ROLLBACK"
                raise
            await self._execute("COMMIT")
            has_ended = True
        finally:
            if not has_ended:
                self._driver.terminate()

    async def _execute(self, command: str) -> None:
        """Execute a command about the transaction, which may be what the server then does not do.

        Raises:
            sqlalchemy.exc.DBAPIError: whatever was the matter, as nobody may take it for the
                fault of one of the works, and do the others once more.
        """
        try:
            done = await self._driver.execute(command)
        except Exception as error:
            raise DBAPIError(None, None, error) from error
        if done != command:
            raise DBAPIError(None, None, asyncpg.InternalClientError(f"{command}: {done}"))

    async def fetch_all(
        self, statement: Prepared, asked: Sequence[Mapping[str, Any]]
    ) -> list[list[Row]]:
        """Return the rows for each of the values."""
        form = statement.on(self._dialect)
        bound = [form.bind(values) for values in asked]
        try:
            if not statement.columns:
                await self._driver.executemany(form.sql, bound)
                return [[] for _ in asked]
            if len(asked) > 1 and statement.told_by:
                rows = form.read(await self._driver.fetchmany(form.sql, bound))
                return statement.tell_apart(rows, asked)
            return [form.read(await self._driver.fetch(form.sql, *values)) for values in bound]
        except asyncpg.InvalidCachedStatementError as error:
            # Another process has changed the schema. With this one gone the pool's others are
            # looked at anew as well.
            self._driver.terminate()
            raise Contention(type(error).__name__) from error
        except (
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
        ) as error:
            raise _said_by_sqlalchemy(error) from error


def _said_by_sqlalchemy(error: Exception) -> DBAPIError:
    """Return what SQLAlchemy would have raised. Its text may hold values, as theirs does."""
    kinds: list[tuple[type[Exception], type[DBAPIError]]] = [
        (asyncpg.IntegrityConstraintViolationError, IntegrityError),
        (asyncpg.SyntaxOrAccessError, ProgrammingError),
        (asyncpg.DataError, DataError),
    ]
    kind = next((ours for theirs, ours in kinds if isinstance(error, theirs)), DBAPIError)
    return kind(None, None, error)
