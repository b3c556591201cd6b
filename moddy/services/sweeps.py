"""Sweeps: work that is done again and again, by one process at a time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog
from msgspec import Struct

from moddy.errors import StoreUnavailable
from moddy.ports import Clock
from moddy.store import claims
from moddy.store.database import Database

log = structlog.get_logger(__name__)

# Processes that were started together come to differ.
JITTER = (0.9, 1.1)


class Sweep(Struct, frozen=True, kw_only=True):
    """Work to be done every `interval` seconds or so.

    `claim` is how long one process has for it: the others wait as long when it dies at it, and it
    stops there by itself when it is not done. So what `work` has done must stay done when it is
    cancelled. It returns how many things it has done.
    """

    name: str
    work: Callable[[], Awaitable[int]]
    interval: float
    claim: timedelta


class Sweeps:
    """Does every sweep, in whichever process comes first."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        sweeps: Sequence[Sweep],
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._database = database
        self._clock = clock
        self._sweeps = sweeps
        self._uniform = uniform

    async def run(self) -> None:
        """Do every sweep at once, and then at its interval, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for sweep in self._sweeps:
                group.create_task(self._repeat(sweep), name=sweep.name)

    async def _repeat(self, sweep: Sweep) -> None:
        while True:
            try:
                await self._do(sweep)
            except StoreUnavailable as error:
                log.warning("store unavailable", task=sweep.name, cause=str(error))
            except Exception:  # the edge of the task: the next time may succeed
                log.exception("sweep failed unexpectedly", task=sweep.name)
            await asyncio.sleep(sweep.interval * self._uniform(*JITTER))

    async def _do(self, sweep: Sweep) -> None:
        """Do a sweep, unless another process is at it."""
        now = self._clock.now()
        until = now + sweep.claim
        if not await self._database.transaction(
            lambda c: claims.take(c, sweep.name, now=now, until=until)
        ):
            return
        try:
            await self._work(sweep, seconds=(until - self._clock.now()).total_seconds())
        finally:
            await self._database.transaction(
                lambda c: claims.give_back(c, sweep.name, until=until, now=self._clock.now())
            )

    async def _work(self, sweep: Sweep, *, seconds: float) -> None:
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                done = await sweep.work()
        except TimeoutError:
            if not limit.expired():
                raise
            log.warning("sweep not done in its time", task=sweep.name)
            return
        if done:
            log.info("swept", task=sweep.name, count=done)
