"""Delivering what was accepted: at once, and again until it is done.

The first attempt is started by whoever accepted the request, who may wait for its answer; the
worker owns everything after that. Per user and kind there is one attempt at a time, in the order
of acceptance.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from itertools import islice

import structlog

from moddy.errors import StoreUnavailable
from moddy.models import Snowflake
from moddy.ports import Clock
from moddy.services.attempts import Attempts, Carrier, Observe, unobserved
from moddy.services.intake import Accepted
from moddy.store import leases
from moddy.store.database import Database
from moddy.store.deliveries import LEASE, Answer, DeliveryKind
from moddy.store.transactions import Connection

__all__ = ["BATCH", "Carrier", "Deliveries"]

log = structlog.get_logger(__name__)

# How many users are looked for in one statement.
JOINED_AT_ONCE = 500
POLL_INTERVAL = 1.0
# How many attempts of a kind the worker keeps under way at most.
BATCH = 50


class Deliveries:
    """The worker and the door to it.

    `checkpoint` is told of named moments, for tests that end the process there, `observe` of each
    attempt.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        carriers: Mapping[DeliveryKind, Carrier],
        uniform: Callable[[float, float], float] = random.uniform,
        lease: timedelta = LEASE,
        checkpoint: Callable[[str], None] = lambda _name: None,
        observe: Observe = unobserved,
    ) -> None:
        self._database = database
        self._clock = clock
        self._carriers = carriers
        self._checkpoint = checkpoint
        self._attempts = Attempts(
            database=database,
            clock=clock,
            carriers=carriers,
            uniform=uniform,
            lease=lease,
            checkpoint=checkpoint,
            recorded=self.wake,
            observe=observe,
        )
        self._due = asyncio.Event()
        self._stopping = asyncio.Event()
        # Whose waiting deliveries are to be released; None stands for everybody's.
        self._joined: set[Snowflake | None] = set()

    async def answer(self, accepted: Accepted, *, within: float) -> Answer:
        """Return the answer to an accepted request.

        A new delivery is attempted at once, and its final answer awaited up to `within` seconds,
        or until the other side is known to hang; after that the attempt goes on, and others
        follow.
        """
        delivery = accepted.delivery
        if accepted.answer is not None or delivery is None:
            return accepted.answer or accepted.queued
        self._checkpoint("accepted")
        carrier = self._carriers[delivery.kind]
        if not carrier.is_ready():
            return accepted.queued
        task = self._attempts.start(delivery.id, delivery.kind, delivery.user_id)
        ends = [
            asyncio.ensure_future(self._stopping.wait()),
            asyncio.ensure_future(carrier.until_hanging()),
        ]
        try:
            await asyncio.wait({task, *ends}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
        done = task.done() and not task.cancelled()
        return (task.result() if done else None) or accepted.queued

    def stop(self) -> None:
        """Let nobody wait for an attempt any longer: what is accepted is stored, and can wait."""
        self._stopping.set()

    def wake(self) -> None:
        """Let the worker look for due deliveries now."""
        self._due.set()

    def release_waiting(self, user_id: Snowflake | None = None) -> None:
        """Have the deliveries tried that wait for a member to join; of one user, or all.

        The worker does it, and goes on trying while the store is away.
        """
        self._joined.add(user_id)
        self.wake()

    async def run(self) -> None:
        """Attempt whatever is due, until cancelled; then let what is in hand finish briefly."""
        if self._database.is_sqlite:
            await self._take_over()
        try:
            while True:
                self._due.clear()
                await self._release_joined()
                if await self._start_due():
                    # All places of a kind are taken, and there is probably more.
                    await asyncio.wait(
                        self._attempts.running.values(),
                        timeout=POLL_INTERVAL,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                else:
                    await self._sleep_until_due()
        finally:
            await self._attempts.finish()

    async def _take_over(self) -> None:
        """Free what an earlier process of this file held: it is gone, or it would be locked."""
        now = self._clock.now()

        async def work(connection: Connection) -> int:
            # What was accepted since the start may be in hand here already.
            return await leases.release_leases(
                connection, now, besides=list(self._attempts.running)
            )

        while True:
            try:
                await self._database.transaction(work)
            except StoreUnavailable as error:
                log.warning("store unavailable", task="deliveries", cause=str(error))
                await asyncio.sleep(POLL_INTERVAL)
            else:
                return

    async def _release_joined(self) -> None:
        """Release what waits for those who joined, so many of them in one transaction."""
        while self._joined:
            everybody = None in self._joined
            joined = set(self._joined if everybody else islice(self._joined, JOINED_AT_ONCE))
            some = None if everybody else [one for one in joined if one is not None]
            now = self._clock.now()
            try:
                await self._database.transaction(
                    partial(leases.release_waiting, now=now, user_ids=some)
                )
            except StoreUnavailable as error:
                log.warning("store unavailable", task="deliveries", cause=str(error))
                return
            self._joined -= joined

    async def _sleep_until_due(self) -> None:
        try:
            async with asyncio.timeout(POLL_INTERVAL):
                await self._due.wait()
        except TimeoutError:
            pass

    async def _start_due(self) -> bool:
        """Start what is due; returns whether a kind has all its places taken.

        Each kind has places of its own: what waits for its pace holds up no other kind.
        """
        crowded = False
        for kind, carrier in self._carriers.items():
            places = BATCH - self._attempts.count(kind)
            if places > 0 and carrier.is_ready():
                places -= await self._start_due_of(kind, places)
            crowded = crowded or places <= 0
        return crowded

    async def _start_due_of(self, kind: DeliveryKind, limit: int) -> int:
        now = self._clock.now()
        try:
            due = await self._database.read(
                lambda c: leases.find_due(c, now, kinds=[kind], limit=limit)
            )
        except StoreUnavailable as error:
            log.warning("store unavailable", task="deliveries", cause=str(error))
            return 0
        except Exception:  # the edge of the worker: looking again may succeed
            log.exception("looking for due deliveries failed unexpectedly")
            return 0
        for delivery_id, _, user_id in due:
            self._attempts.start(delivery_id, kind, user_id)
        return len(due)
