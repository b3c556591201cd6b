"""How many requests may be in hand at once, and for how long each."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from moddy.web.refusals import overloaded


class Places:
    """Places for requests in hand: each takes one, as a context manager, and nobody waits for one.

    A request is a task of its own, as aiohttp has it. One that holds its place for `seconds` is
    cancelled, and leaves with a TimeoutError. This is `asyncio.timeout` with one timer for all of
    them instead of one for each, which would be a twentieth of a request's cost.

    Raises:
        Refusal: 503 with ``Retry-After``, on entering while all `limit` are taken.
        TimeoutError: on leaving, too late.
    """

    def __init__(self, limit: int, *, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        # Since when, on the loop's clock; the oldest comes first.
        self._taken: dict[asyncio.Task[Any] | None, float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        if len(self._taken) >= self._limit:
            raise overloaded()
        loop = asyncio.get_running_loop()
        self._taken[asyncio.current_task(loop)] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._cancel_late)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        task = asyncio.current_task()
        del self._taken[task]
        if task is not None and task in self._late:
            self._late.remove(task)
            # Somebody else may have cancelled it as well, and that goes on.
            if task.uncancel() == 0 and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def _cancel_late(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task, since in self._taken.items():
            due = since + self._seconds
            if due > now:
                self._timer = loop.call_at(due, self._cancel_late)
                break
            if task is not None and task not in self._late:
                self._late.add(task)
                task.cancel()
