"""What a kind of database does with a group of works: run them in one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")
# Does nothing but use its connection, and may run twice.
Work = Callable[[AsyncConnection], Awaitable[T]]


def do_nothing() -> None:
    """Let the commit follow."""


class Transactions(Protocol):
    """Runs works in transactions; its callers bound the time."""

    # How many groups of writes it can have under way at a time.
    writers: int

    async def run(
        self,
        works: Sequence[Work[Any]],
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
