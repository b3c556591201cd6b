"""PostgreSQL, over asyncpg: the works of a group go side by side, and share their round trips.

Of those that wait for the same prepared statement, all executions are sent together. A trip for
each would cost several times as much as the statements.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, cast

import asyncpg
import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from moddy.store.group_commit import Contention
from moddy.store.prepared import Prepared, Row
from moddy.store.transactions import Connection, Part, Result, do_nothing

T = TypeVar("T")

POOL_SIZE = 10
ROLLBACK_WITHIN = 1.0  # seconds; else the connection is dropped
WRITERS = 2

# A part of a group that has nothing left to do but this.
_Lane = Coroutine["_Fetch | _Call | None", Any, None]


def open_engine(
    url: str, *, connect_within: float, seconds: float, autocommit: bool = False
) -> AsyncEngine:
    """Return an engine; a connection has `connect_within` seconds to come about, a command
    `seconds`. `PostgresqlTransactions` wants one with `autocommit`, as it begins and commits by
    itself."""

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
        **({"isolation_level": "AUTOCOMMIT"} if autocommit else {}),
    )


class PostgresqlTransactions:
    """Works run on the loop; the groups of several writers overlap."""

    writers = WRITERS

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

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
            group = _Group(connection, cast("asyncpg.Connection", driver))
            async with group.transaction():
                results = await group.run(parts)
                before_commit()
            return results

    async def close(self) -> None:
        """The engine is its owner's."""


class _Group:
    """One transaction's works on one connection."""

    def __init__(self, connection: AsyncConnection, driver: asyncpg.Connection) -> None:
        self._connection = connection
        self._driver = driver
        self._given: Connection = _Connection(connection.dialect)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
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

    async def run(self, parts: Sequence[Part]) -> list[Any]:
        """Return what each work returned."""
        results: list[Any] = [None] * len(parts)
        numbers: dict[str, list[int]] = {}
        for number, part in enumerate(parts):
            if part.lane is not None:
                numbers.setdefault(part.lane, []).append(number)
                continue
            await self._run_side_by_side(parts, numbers, results)
            numbers = {}
            await self._run_lanes([self._lane(parts, [number], results)])
        await self._run_side_by_side(parts, numbers, results)
        return results

    async def _run_side_by_side(
        self, parts: Sequence[Part], numbers: Mapping[str, Sequence[int]], results: list[Any]
    ) -> None:
        # In this order groups of different processes seldom wait for each other's rows in a circle.
        await self._run_lanes(self._lane(parts, numbers[lane], results) for lane in sorted(numbers))

    async def _lane(
        self, parts: Sequence[Part], numbers: Sequence[int], results: list[Any]
    ) -> None:
        for number in numbers:
            results[number] = await parts[number].work(self._given)

    async def _run_lanes(self, lanes: Iterable[_Lane]) -> None:
        """Run lanes until each has come to its end: all a step, then what they asked for."""
        steps: list[tuple[_Lane, Any]] = [(lane, None) for lane in lanes]
        try:
            while steps:
                asking = []
                for lane, answer in steps:
                    try:
                        asking.append((lane, lane.send(answer)))
                    except StopIteration:
                        continue
                steps = await self._answer(asking)
        finally:
            for lane, _ in steps:
                lane.close()

    async def _answer(
        self, asking: Sequence[tuple[_Lane, _Fetch | _Call | None]]
    ) -> list[tuple[_Lane, Any]]:
        """Do what was asked for, and return the lanes with their answers."""
        answers: list[tuple[_Lane, Any]] = []
        alike: dict[Prepared, list[tuple[_Lane, Mapping[str, Any]]]] = {}
        for lane, asked in asking:
            if isinstance(asked, _Fetch):
                alike.setdefault(asked.statement, []).append((lane, asked.values))
            elif isinstance(asked, _Call):
                answers.append((lane, await asked.function(self._connection)))
            elif asked is None:  # `asyncio.sleep(0)`
                answers.append((lane, None))
            else:
                raise TypeError("a work may await nothing but its connection")
        for statement, fetches in alike.items():
            found = await self._fetch(statement, [values for _, values in fetches])
            answers += zip((lane for lane, _ in fetches), found, strict=True)
        return answers

    async def _fetch(
        self, statement: Prepared, asked: Sequence[Mapping[str, Any]]
    ) -> list[list[Row]]:
        """Return the rows for each of the values."""
        form = statement.on(self._connection.dialect)
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


class _Fetch:
    """What a work waits for: the rows of a prepared statement."""

    __slots__ = ("statement", "values")

    def __init__(self, statement: Prepared, values: Mapping[str, Any]) -> None:
        self.statement = statement
        self.values = values

    def __await__(self) -> Generator[_Fetch, list[Row], list[Row]]:
        return (yield self)


class _Call:
    """What a work waits for: something else to be done with SQLAlchemy's connection."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[AsyncConnection], Awaitable[Any]]) -> None:
        self.function = function

    def __await__(self) -> Generator[_Call, Any, Any]:
        return (yield self)


class _Connection:
    """What a work is given: it only passes on what is asked for."""

    __slots__ = ("dialect",)

    def __init__(self, dialect: sa.Dialect) -> None:
        self.dialect = dialect

    async def fetch(self, statement: Prepared, values: Mapping[str, Any]) -> list[Row]:
        """Execute a prepared statement and return its rows."""
        return await _Fetch(statement, values)

    async def execute(self, statement: sa.Executable, parameters: Any = None) -> Result:
        """Execute a statement and return SQLAlchemy's result."""
        result: Result = await _Call(lambda c: c.execute(statement, parameters))
        return result

    async def scalar(self, statement: sa.Executable, parameters: Any = None) -> Any:
        """Return the first column of the first row, None without one."""
        return (await self.execute(statement, parameters)).scalar()

    async def scalars(
        self, statement: sa.Executable, parameters: Any = None
    ) -> sa.ScalarResult[Any]:
        """Return the first column of all rows."""
        return (await self.execute(statement, parameters)).scalars()

    async def run_sync(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function with the connection that does not need to be awaited."""
        result: T = await _Call(lambda c: c.run_sync(function, *arguments))
        return result


def _said_by_sqlalchemy(error: Exception) -> DBAPIError:
    """Return what SQLAlchemy would have raised. Its text may hold values, as theirs does."""
    kinds: list[tuple[type[Exception], type[DBAPIError]]] = [
        (asyncpg.IntegrityConstraintViolationError, IntegrityError),
        (asyncpg.SyntaxOrAccessError, ProgrammingError),
        (asyncpg.DataError, DataError),
    ]
    kind = next((ours for theirs, ours in kinds if isinstance(error, theirs)), DBAPIError)
    return kind(None, None, error)
