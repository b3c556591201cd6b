"""Attempting deliveries: at once when accepted, and again until they are done.

The first attempt is started by whoever accepted the request, who may wait for its answer; the
worker owns everything after that. Per user and kind there is one attempt at a time, in the order
of acceptance.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from moddy.errors import ModdyError, StoreUnavailable
from moddy.models import Snowflake
from moddy.ports import Clock
from moddy.services.intake import Accepted
from moddy.services.user_locks import UserLocks
from moddy.store import deliveries as store
from moddy.store import users
from moddy.store.database import Database
from moddy.store.deliveries import Answer, Delivery, DeliveryKind, DeliveryState, Outcome

log = structlog.get_logger(__name__)

Attempt = Callable[[Delivery], Awaitable[Outcome]]

# Seconds until the next try, by how many were made; after the last one it stays hourly.
RETRY_DELAYS = (1, 5, 30, 120, 600, 1800, 3600)
GIVE_UP_AFTER = timedelta(hours=72)
# Seconds; whatever a header says, a delivery is tried again before it is given up.
LONGEST_RETRY_AFTER = 86_400.0
# A lease outlives the longest attempt, so that nobody else starts while one is under way.
ATTEMPT_TIMEOUT = 40.0
LEASE = timedelta(seconds=60)
POLL_INTERVAL = 1.0
# How many attempts the worker keeps under way at most.
BATCH = 50


class Deliveries:
    """The worker and the door to it.

    `attempts` makes one attempt at a delivery of a kind and says what it ended with; an error
    that is `retryable` leads to another try by the schedule. `wait_reachable` returns once
    Discord can be called at all, and `is_reachable` tells so at once.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        attempts: Mapping[DeliveryKind, Attempt],
        is_reachable: Callable[[], bool],
        wait_reachable: Callable[[], Awaitable[object]],
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._database = database
        self._clock = clock
        self._attempts = attempts
        self._is_reachable = is_reachable
        self._wait_reachable = wait_reachable
        self._uniform = uniform
        self._locks = UserLocks()
        self._running: dict[str, asyncio.Task[Answer | None]] = {}
        self._due = asyncio.Event()
        self._stopping = asyncio.Event()

    async def answer(self, accepted: Accepted, *, within: float) -> Answer:
        """Return the answer to an accepted request.

        A new delivery is attempted at once, and its final answer awaited up to `within` seconds;
        after that the attempt goes on, and others follow.
        """
        delivery = accepted.delivery
        if accepted.answer is not None or delivery is None:
            return accepted.answer or accepted.queued
        if not self._is_reachable():
            return accepted.queued
        task = self._start(delivery.id, delivery.kind, delivery.user_id)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait(
                {task, stopping}, timeout=within, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            stopping.cancel()
        done = task.done() and not task.cancelled()
        return (task.result() if done else None) or accepted.queued

    def stop(self) -> None:
        """Let nobody wait for an attempt any longer: what is accepted is stored, and can wait."""
        self._stopping.set()

    def wake(self) -> None:
        """Let the worker look for due deliveries now."""
        self._due.set()

    async def release_waiting(self, user_id: Snowflake | None = None) -> None:
        """Try the deliveries again that wait for a member to join; of one user, or all."""
        now = self._clock.now()

        async def work(connection: AsyncConnection) -> int:
            return await store.release_waiting(connection, now, user_id=user_id)

        if await self._database.transaction(work):
            self.wake()

    async def run(self) -> None:
        """Attempt whatever is due, until cancelled; then let what is in hand finish briefly."""
        if self._database.is_sqlite:
            await self._take_over()
        try:
            while True:
                await self._wait_reachable()
                self._due.clear()
                free = BATCH - len(self._running)
                started = await self._start_due(free) if free > 0 else 0
                # With all places taken there is probably more: look again once one is free.
                if started < free:
                    await self._sleep_until_due()
                elif self._running:
                    await asyncio.wait(self._running.values(), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._finish()

    async def _take_over(self) -> None:
        """Free what an earlier process of this file held: it is gone, or it would be locked."""
        now = self._clock.now()

        async def work(connection: AsyncConnection) -> int:
            # What was accepted since the start may be in hand here already.
            return await store.release_leases(connection, now, besides=list(self._running))

        while True:
            try:
                await self._database.transaction(work)
            except StoreUnavailable:
                log.warning("store unavailable", task="deliveries")
                await asyncio.sleep(POLL_INTERVAL)
            else:
                return

    async def _sleep_until_due(self) -> None:
        try:
            async with asyncio.timeout(POLL_INTERVAL):
                await self._due.wait()
        except TimeoutError:
            pass

    async def _start_due(self, limit: int) -> int:
        now = self._clock.now()
        try:
            due = await self._database.read(lambda c: store.find_due(c, now, limit=limit))
        except StoreUnavailable:
            log.warning("store unavailable", task="deliveries")
            return 0
        except Exception:  # the edge of the worker: looking again may succeed
            log.exception("looking for due deliveries failed unexpectedly")
            return 0
        for delivery_id, kind, user_id in due:
            self._start(delivery_id, kind, user_id)
        return len(due)

    def _start(
        self, delivery_id: str, kind: DeliveryKind, user_id: Snowflake
    ) -> asyncio.Task[Answer | None]:
        task = self._running.get(delivery_id)
        if task is None:
            task = asyncio.create_task(self._process(delivery_id, kind, user_id))
            self._running[delivery_id] = task
            task.add_done_callback(lambda _: self._running.pop(delivery_id, None))
        return task

    async def _process(
        self, delivery_id: str, kind: DeliveryKind, user_id: Snowflake
    ) -> Answer | None:
        """Attempt one delivery; returns the final answer, None while there is none."""
        try:
            async with self._locks.hold(f"{kind.value} {user_id}"):
                delivery = await self._lease(delivery_id)
                if delivery is None:  # not its turn, or done by somebody else meanwhile
                    return await self._database.read(lambda c: store.find_answer(c, delivery_id))
                outcome = await self._attempt(delivery)
                return await self._record(delivery, outcome)
        except StoreUnavailable:
            log.warning("store unavailable", task="deliveries", delivery_id=delivery_id)
        except Exception:  # the edge of the task: one bad delivery must not end the worker
            log.exception("delivery failed unexpectedly", delivery_id=delivery_id)
        return None

    async def _lease(self, delivery_id: str) -> Delivery | None:
        now = self._clock.now()
        return await self._database.transaction(
            lambda c: store.lease(c, delivery_id, now=now, until=now + LEASE)
        )

    async def _attempt(self, delivery: Delivery) -> Outcome:
        try:
            async with asyncio.timeout(ATTEMPT_TIMEOUT):
                return await self._attempts[delivery.kind](delivery)
        except TimeoutError:
            return self._retry(delivery, error="timeout")
        except ModdyError as error:
            retry_after = getattr(error, "retry_after", None)
            return self._retry(delivery, error=error.code, retry_after=retry_after)
        except Exception:  # a fault of ours: keep the row, and try again by the schedule
            log.exception("delivery attempt failed unexpectedly", delivery_id=delivery.id)
            return self._retry(delivery, error="internal_error")

    def _retry(
        self, delivery: Delivery, *, error: str, retry_after: float | None = None
    ) -> Outcome:
        now = self._clock.now()
        if now - delivery.created_at >= GIVE_UP_AFTER:
            return Outcome(state=DeliveryState.DEAD, error=error)
        delay = RETRY_DELAYS[min(delivery.tries, len(RETRY_DELAYS) - 1)]
        asked = min(retry_after or 0.0, LONGEST_RETRY_AFTER)
        seconds = max(delay * self._uniform(0.8, 1.2), asked)
        due_at: datetime = now + timedelta(seconds=seconds)
        return Outcome(state=DeliveryState.PENDING, due_at=due_at, error=error)

    async def _record(self, delivery: Delivery, outcome: Outcome) -> Answer | None:
        async def work(connection: AsyncConnection) -> tuple[bool, Outcome]:
            final = outcome
            if delivery.kind is DeliveryKind.ROLES and outcome.state in (
                DeliveryState.PENDING,
                DeliveryState.WAITING,
            ):
                # Wait for a newer update that another process is just accepting.
                await users.lock(connection, delivery.user_id)
                if await store.has_younger(connection, delivery):
                    final = Outcome(
                        state=DeliveryState.REPLACED, answer=outcome.answer, error=outcome.error
                    )
            now = self._clock.now()
            return await store.record(connection, delivery, final, now=now), final

        recorded, final = await self._database.transaction(work, about=delivery.user_id)
        log.info(
            "delivery attempted",
            delivery_id=delivery.id,
            kind=delivery.kind.value,
            discord_id=delivery.user_id,
            request_id=delivery.request_id,
            state=final.state.value,
            tries=delivery.tries + 1,
            error=outcome.error,
            recorded=recorded,
        )
        self.wake()
        return outcome.answer if recorded else None

    async def _finish(self) -> None:
        """Give attempts in hand a moment, then cancel them; their leases end by themselves."""
        tasks = list(self._running.values())
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=3.0)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
