"""Group commit: what concurrent callers write goes to disk in common transactions.

A transaction costs a write to the disk, however little it holds; under load a hundred requests
share one. A caller is answered only after the commit that holds its work.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from moddy.errors import StoreUnavailable
from moddy.store.transactions import Part, Work

__all__ = ["Contention", "GroupCommit", "Work"]

T = TypeVar("T")
# Runs works in one transaction, and the function just before its commit; either may raise.
Write = Callable[[Sequence[Part], Callable[[], None]], Awaitable[list[Any]]]

GROUP_SIZE = 100
TRIES = 3


class _Entry:
    """A caller's work and its result to come."""

    __slots__ = ("part", "result")

    def __init__(self, part: Part) -> None:
        self.part = part
        self.result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class Contention(Exception):
    """The database undid a transaction in favour of another one; it may be tried again."""


class _CallerGone(Exception):
    """A caller stopped waiting before the commit."""


class GroupCommit:
    """Runs submitted work, as much as waits in one transaction; in the order of submission, but for
    `Part`'s lanes.

    Work may run more than once, when another's failure undid the transaction they shared; it must
    do nothing but use its connection. `checkpoint` is told of the moment before a group's commit,
    for tests that end the process there.
    """

    def __init__(self, write: Write, *, checkpoint: Callable[[str], None]) -> None:
        self._write = write
        self._checkpoint = checkpoint
        self._waiting: deque[_Entry] = deque()
        self._arrived = asyncio.Event()

    async def submit(self, work: Work[T], *, within: float, lane: str | None = None) -> T:
        """Return what `work` returns, once it is committed; `lane` is as in `Part`.

        Cancelled before that, nothing of it is committed, unless the commit has begun.

        Raises:
            StoreUnavailable: it is not committed `within` so many seconds; it is as cancelled.
        """
        entry = _Entry(Part(work, lane))
        self._waiting.append(entry)
        self._arrived.set()
        # Instead of asyncio.timeout, which costs a request three times as much.
        loop = asyncio.get_running_loop()
        expiry = loop.call_later(within, _fail, [entry], StoreUnavailable("TimeoutError"))
        try:
            result: T = await entry.result
        finally:
            expiry.cancel()
        return result

    async def run(self) -> None:
        """Commit whatever is submitted, until cancelled; what still waits then is refused."""
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while group := self._take():
                    await self._commit(group)
        finally:
            _fail(self._waiting, StoreUnavailable("stopped"))

    def _take(self) -> list[_Entry]:
        group: list[_Entry] = []
        while self._waiting and len(group) < GROUP_SIZE:
            entry = self._waiting.popleft()
            if not entry.result.done():
                group.append(entry)
        return group

    async def _commit(self, group: list[_Entry], *, tries: int = TRIES) -> None:
        try:
            await self._commit_together(group)
        except StoreUnavailable as error:
            _fail(group, error)
        except Contention as error:
            if tries == 1:
                _fail(group, StoreUnavailable(str(error)))
                return
            for entry in group:
                await self._commit([entry], tries=tries - 1)
        except Exception as error:  # noqa: BLE001 (it is the caller's, and raised to them)
            if len(group) == 1:
                _fail(group, error)
                return
            # One of them undid the others: each for itself.
            for entry in group:
                await self._commit([entry])
        finally:
            # Cancelled: nobody must wait for ever.
            _fail(group, StoreUnavailable("stopped"))

    async def _commit_together(self, group: list[_Entry]) -> None:
        if all(entry.result.done() for entry in group):
            return

        def before_commit() -> None:
            # Perhaps on another thread: a caller who goes away at this very moment is as one who
            # went after it.
            if any(entry.result.done() for entry in group):
                raise _CallerGone
            self._checkpoint("group commit")

        results = await self._write([entry.part for entry in group], before_commit)
        for entry, result in zip(group, results, strict=True):
            if not entry.result.done():
                entry.result.set_result(result)


def _fail(entries: Iterable[_Entry], error: Exception) -> None:
    for entry in entries:
        if not entry.result.done():
            entry.result.set_exception(error)
