"""Attempting deliveries: at once when accepted, and again until they are done.

The first attempt is started by whoever accepted the request, who may wait for its answer; the
worker owns everything after that. Per user and kind there is one attempt at a time, in the order
of acceptance.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta

import structlog
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from moddy.breaker import BreakerOpen
from moddy.errors import ModdyError, StoreUnavailable
from moddy.models import Snowflake
from moddy.ports import Clock
from moddy.services.intake import Accepted
from moddy.services.schedule import after_failure
from moddy.services.user_locks import UserLocks
from moddy.store import deliveries as store
from moddy.store import users
from moddy.store.database import Database
from moddy.store.deliveries import Answer, Delivery, DeliveryKind, DeliveryState, Outcome

log = structlog.get_logger(__name__)

# The share of its lease that an attempt may take: nobody else starts while it is under way.
ATTEMPT_SHARE = 2 / 3
POLL_INTERVAL = 1.0
# Seconds that attempts in hand have when Moddy stops.
FINISH_TIMEOUT = 3.0
# How many attempts of a kind the worker keeps under way at most.
BATCH = 50


def _always() -> bool:
    return True


async def _at_once(_user_id: Snowflake) -> None:
    return None


def _unguarded(_kind: DeliveryKind) -> AbstractContextManager[None]:
    return nullcontext()


class Carrier(Struct, frozen=True, kw_only=True):
    """How deliveries of one kind are carried out.

    `attempt` makes one attempt and says what it ended with; a `ModdyError` that it raises leads
    to another by the schedule. `is_ready` tells whether an attempt makes sense now; while it does
    not, nothing is tried and nobody waits. `pace` returns when the next attempt for a user may
    start. `guard` is around each attempt; it may raise BreakerOpen instead of letting it be made.
    `given_up` is the final answer to the request when nothing helped.
    """

    attempt: Callable[[Delivery], Awaitable[Outcome]]
    is_ready: Callable[[], bool] = _always
    pace: Callable[[Snowflake], Awaitable[None]] = _at_once
    guard: Callable[[DeliveryKind], AbstractContextManager[None]] = _unguarded
    given_up: Answer | None = None


class Deliveries:
    """The worker and the door to it.

    `checkpoint` is told of named moments, for tests that end the process there.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        carriers: Mapping[DeliveryKind, Carrier],
        uniform: Callable[[float, float], float] = random.uniform,
        lease: timedelta = store.LEASE,
        checkpoint: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._carriers = carriers
        self._uniform = uniform
        self._lease_time = lease
        self._checkpoint = checkpoint
        self._locks = UserLocks()
        self._running: dict[str, asyncio.Task[Answer | None]] = {}
        self._leases: dict[str, datetime] = {}
        self._due = asyncio.Event()
        self._stopping = asyncio.Event()
        # Whose waiting deliveries are to be released; None stands for everybody's.
        self._joined: set[Snowflake | None] = set()

    async def answer(self, accepted: Accepted, *, within: float) -> Answer:
        """Return the answer to an accepted request.

        A new delivery is attempted at once, and its final answer awaited up to `within` seconds;
        after that the attempt goes on, and others follow.
        """
        delivery = accepted.delivery
        if accepted.answer is not None or delivery is None:
            return accepted.answer or accepted.queued
        self._checkpoint("accepted")
        if not self._carriers[delivery.kind].is_ready():
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
                        self._running.values(),
                        timeout=POLL_INTERVAL,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                else:
                    await self._sleep_until_due()
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
            except StoreUnavailable as error:
                log.warning("store unavailable", task="deliveries", cause=str(error))
                await asyncio.sleep(POLL_INTERVAL)
            else:
                return

    async def _release_joined(self) -> None:
        joined, now = frozenset(self._joined), self._clock.now()
        if not joined:
            return

        async def work(connection: AsyncConnection) -> None:
            for user_id in joined:
                await store.release_waiting(connection, now, user_id=user_id)

        try:
            await self._database.transaction(work)
        except StoreUnavailable as error:
            log.warning("store unavailable", task="deliveries", cause=str(error))
        else:
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
            places = BATCH - sum(task.get_name() == kind.value for task in self._running.values())
            if places > 0 and carrier.is_ready():
                places -= await self._start_due_of(kind, places)
            crowded = crowded or places <= 0
        return crowded

    async def _start_due_of(self, kind: DeliveryKind, limit: int) -> int:
        now = self._clock.now()
        try:
            due = await self._database.read(
                lambda c: store.find_due(c, now, kinds=[kind], limit=limit)
            )
        except StoreUnavailable as error:
            log.warning("store unavailable", task="deliveries", cause=str(error))
            return 0
        except Exception:  # the edge of the worker: looking again may succeed
            log.exception("looking for due deliveries failed unexpectedly")
            return 0
        for delivery_id, _, user_id in due:
            self._start(delivery_id, kind, user_id)
        return len(due)

    def _start(
        self, delivery_id: str, kind: DeliveryKind, user_id: Snowflake
    ) -> asyncio.Task[Answer | None]:
        task = self._running.get(delivery_id)
        if task is None:
            work = self._process(delivery_id, kind, user_id)
            task = asyncio.create_task(work, name=kind.value)
            self._running[delivery_id] = task
            task.add_done_callback(lambda _: self._running.pop(delivery_id, None))
        return task

    async def _process(
        self, delivery_id: str, kind: DeliveryKind, user_id: Snowflake
    ) -> Answer | None:
        """Attempt one delivery; returns the final answer, None while there is none."""
        try:
            async with self._locks.hold(f"{kind.value} {user_id}"):
                await self._carriers[kind].pace(user_id)
                delivery = await self._lease(delivery_id, user_id)
                if delivery is None:  # not its turn, or done by somebody else meanwhile
                    return await self._database.read(lambda c: store.find_answer(c, delivery_id))
                if delivery.leased_until is not None:
                    self._leases[delivery_id] = delivery.leased_until
                self._checkpoint("before send")
                outcome = await self._attempt(delivery)
                self._checkpoint("after send")
                answer = await self._record(delivery, outcome)
                self._leases.pop(delivery_id, None)
                self._checkpoint("after record")
                return answer
        except StoreUnavailable as error:
            cause = str(error)
            log.warning("store unavailable", delivery_id=delivery_id, cause=cause)
        except Exception:  # the edge of the task: one bad delivery must not end the worker
            log.exception("delivery failed unexpectedly", delivery_id=delivery_id)
        return None

    async def _lease(self, delivery_id: str, user_id: Snowflake) -> Delivery | None:
        now = self._clock.now()
        until = now + self._lease_time
        return await self._database.transaction(
            lambda c: store.lease(c, delivery_id, now=now, until=until), about=user_id
        )

    async def _attempt(self, delivery: Delivery) -> Outcome:
        try:
            carrier = self._carriers[delivery.kind]
            with carrier.guard(delivery.kind):
                async with asyncio.timeout(self._lease_time.total_seconds() * ATTEMPT_SHARE):
                    return await carrier.attempt(delivery)
        except TimeoutError:
            return self._failed(delivery, error="timeout", maybe_done=True)
        except BreakerOpen as error:
            due_at = self._clock.now() + timedelta(seconds=error.retry_after)
            return Outcome(
                state=DeliveryState.PENDING,
                due_at=due_at,
                error=error.code,
                maybe_done=delivery.is_left_open,
                counted=False,
            )
        except ModdyError as error:
            return self._failed(
                delivery,
                error=error.code,
                maybe_done=getattr(error, "maybe_done", False),
                retry_after=getattr(error, "retry_after", None),
            )
        except Exception:  # a fault of ours: keep the row, and try again by the schedule
            log.exception("delivery attempt failed unexpectedly", delivery_id=delivery.id)
            return self._failed(delivery, error="internal_error", maybe_done=True)

    def _failed(
        self,
        delivery: Delivery,
        *,
        error: str,
        maybe_done: bool,
        retry_after: float | None = None,
    ) -> Outcome:
        return after_failure(
            delivery,
            now=self._clock.now(),
            error=error,
            maybe_done=maybe_done,
            retry_after=retry_after,
            uniform=self._uniform,
            given_up=self._carriers[delivery.kind].given_up,
        )

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
        """Give attempts in hand a moment, then cancel them and free their deliveries."""
        tasks = dict(self._running)
        if not tasks:
            return
        _, pending = await asyncio.wait(tasks.values(), timeout=FINISH_TIMEOUT)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        cancelled = {key: lease for key, lease in self._leases.items() if key in tasks}
        if cancelled:
            now = self._clock.now()
            try:
                # Otherwise the next process would have to wait for the leases to end.
                await self._database.transaction(lambda c: store.free(c, cancelled, now=now))
            except StoreUnavailable as error:
                log.warning("store unavailable", task="deliveries", cause=str(error))
