"""Works that go side by side on one connection: all a step, then what they asked for, together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from moddy.store.prepared import Prepared, Row
from moddy.store.transactions import Connection, Part, Result

T = TypeVar("T")
# The rows for each of the values that a statement is executed with.
FetchAll = Callable[[Prepared, Sequence[Mapping[str, Any]]], Awaitable[list[list[Row]]]]
# The works of a lane, one after the other.
_Lane = Coroutine["_Fetch | _Call | None", Any, None]


class SideBySide:
    """Runs the parts of a group.

    Of those that wait for the same prepared statement, all executions go to `fetch_all` at once;
    whatever else they ask for is done with `connection`, one after the other.
    """

    def __init__(self, connection: AsyncConnection, fetch_all: FetchAll) -> None:
        self._connection = connection
        self._fetch_all = fetch_all
        self._given = _Connection(connection.dialect)

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
            found = await self._fetch_all(statement, [values for _, values in fetches])
            answers += zip((lane for lane, _ in fetches), found, strict=True)
        return answers


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


class _Connection(Connection):
    """What a work is given: it only passes on what is asked for."""

    def __init__(self, dialect: sa.Dialect) -> None:
        self.dialect = dialect

    async def fetch(self, statement: Prepared, values: Mapping[str, Any]) -> list[Row]:
        """Execute a prepared statement and return its rows."""
        return await _Fetch(statement, values)

    async def execute(self, statement: sa.Executable, parameters: Any = None) -> Result:
        """Execute a statement and return SQLAlchemy's result."""
        result: Result = await _Call(lambda c: c.execute(statement, parameters))
        return result

    async def run_sync(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function with the connection that does not need to be awaited."""
        result: T = await _Call(lambda c: c.run_sync(function, *arguments))
        return result
