"""What a kind of database does with a group of works: run them in one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import sqlalchemy as sa

from moddy.store.prepared import Prepared, Row

T = TypeVar("T")
Result = sa.CursorResult[*tuple[Any, ...]]


class Connection(Protocol):
    """A connection inside a transaction, as works get it."""

    # Which kind of database it is.
    dialect: sa.Dialect

    async def fetch(self, statement: Prepared, values: Mapping[str, Any]) -> list[Row]:
        """Execute a prepared statement and return its rows."""

    async def execute(self, statement: sa.Executable, parameters: Any = None) -> Result:
        """Execute a statement and return SQLAlchemy's result."""

    async def scalar(self, statement: sa.Executable, parameters: Any = None) -> Any:
        """Return the first column of the first row, None without one."""
        return (await self.execute(statement, parameters)).scalar()

    async def scalars(
        self, statement: sa.Executable, parameters: Any = None
    ) -> sa.ScalarResult[Any]:
        """Return the first column of all rows."""
        return (await self.execute(statement, parameters)).scalars()

    async def run_sync(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function with SQLAlchemy's connection, which does not need to be awaited there."""


# Awaits nothing but its connection, and may run twice.
Work = Callable[[Connection], Awaitable[T]]


class Part(NamedTuple):
    """A caller's work in a group.

    Parts of different lanes touch different rows, so they may run in any order and in between
    each other; those of one lane run one after the other. Without a lane a part runs alone.
    """

    work: Work[Any]
    lane: str | None = None


def do_nothing() -> None:
    """Let the commit follow."""


class Transactions(Protocol):
    """Runs works in transactions; its callers bound the time."""

    # How many groups of writes it can have under way at a time.
    writers: int

    async def connect(self) -> None:
        """Open connections before they are needed. Raises what the driver does."""

    async def run(
        self,
        parts: Sequence[Part],
        *,
        write: bool,
        before_commit: Callable[[], None] = do_nothing,
    ) -> list[Any]:
        """Return what each work returned, once all that they did together is committed.

        Nothing is committed when a work or `before_commit` raises, nor when the caller is
        cancelled before the commit has begun.
        """

    async def close(self) -> None:
        """Give back all connections and threads."""
