"""Attempts at deliveries: each leased, made and recorded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from msgspec import Struct

from moddy.breaker import BreakerOpen
from moddy.errors import ModdyError, StoreUnavailable
from moddy.models import Snowflake
from moddy.ports import Clock
from moddy.services.schedule import after_failure
from moddy.services.user_locks import UserLocks
from moddy.store import deliveries as store
from moddy.store import leases, users
from moddy.store.database import Database
from moddy.store.deliveries import Answer, Delivery, DeliveryKind, DeliveryState, Outcome
from moddy.store.transactions import Connection

log = structlog.get_logger(__name__)

# The share of its lease that an attempt may take: nobody else starts while it is under way.
ATTEMPT_SHARE = 2 / 3
# Seconds that attempts in hand have when Moddy stops.
FINISH_TIMEOUT = 3.0


def _always() -> bool:
    return True


async def _at_once(_user_id: Snowflake) -> None:
    return None


async def _never() -> None:
    await asyncio.Event().wait()


def _unguarded(_kind: DeliveryKind) -> AbstractContextManager[None]:
    return nullcontext()


class Observe(Protocol):
    """Takes what an attempt ended with; `waited`: seconds since acceptance, when delivered."""

    def __call__(self, kind: str, state: str, *, again: bool, waited: float | None) -> None: ...


def unobserved(kind: str, state: str, *, again: bool, waited: float | None) -> None:
    """Take it, and do nothing: nobody counts."""


class Carrier(Struct, frozen=True, kw_only=True):
    """How deliveries of one kind are carried out.

    `attempt` makes one attempt and says what it ended with; a `ModdyError` that it raises leads
    to another by the schedule. `is_ready` tells whether an attempt makes sense now; while it does
    not, nothing is tried and nobody waits. `until_hanging` returns once the other side is known
    to hang: the attempts go on, and nobody waits for them. `pace` returns when the next attempt
    for a user may start. `guard` is around each attempt; it may raise BreakerOpen instead of
    letting it be made. `given_up` is the final answer to the request when nothing helped.
    """

    attempt: Callable[[Delivery], Awaitable[Outcome]]
    is_ready: Callable[[], bool] = _always
    until_hanging: Callable[[], Awaitable[None]] = _never
    pace: Callable[[Snowflake], Awaitable[None]] = _at_once
    guard: Callable[[DeliveryKind], AbstractContextManager[None]] = _unguarded
    given_up: Answer | None = None


class Attempts:
    """The attempts under way: one for a delivery, and one at a time for a user and kind.

    `recorded` is called after each whose outcome was recorded, and `observe` told of it.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        carriers: Mapping[DeliveryKind, Carrier],
        uniform: Callable[[float, float], float],
        lease: timedelta,
        checkpoint: Callable[[str], None],
        recorded: Callable[[], None],
        observe: Observe = unobserved,
    ) -> None:
        self._database = database
        self._clock = clock
        self._carriers = carriers
        self._uniform = uniform
        self._lease_time = lease
        self._checkpoint = checkpoint
        self._recorded = recorded
        self._observe = observe
        self._locks = UserLocks()
        self._running: dict[str, asyncio.Task[Answer | None]] = {}
        # Of those that were cancelled in the middle.
        self._leases_left: dict[str, datetime] = {}

    @property
    def running(self) -> Mapping[str, asyncio.Task[Answer | None]]:
        """What is under way, by the delivery's id."""
        return self._running

    def count(self, kind: DeliveryKind) -> int:
        """Return how many of a kind are under way."""
        return sum(task.get_name() == kind.value for task in self._running.values())

    def start(
        self, delivery_id: str, kind: DeliveryKind, user_id: Snowflake
    ) -> asyncio.Task[Answer | None]:
        """Start an attempt, unless one is under way; its result is the final answer, if any."""
        task = self._running.get(delivery_id)
        if task is None:
            work = self._process(delivery_id, kind, user_id)
            task = asyncio.create_task(work, name=kind.value)
            self._running[delivery_id] = task
            task.add_done_callback(lambda _: self._running.pop(delivery_id, None))
        return task

    async def finish(self) -> None:
        """Give attempts in hand a moment, then cancel them and free their deliveries."""
        tasks = list(self._running.values())
        if not tasks:
            return
        _, pending = await asyncio.wait(tasks, timeout=FINISH_TIMEOUT)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        left, self._leases_left = self._leases_left, {}
        if left:
            now = self._clock.now()
            try:
                # Otherwise the next process would have to wait for the leases to end.
                await self._database.transaction(lambda c: leases.free(c, left, now=now))
            except StoreUnavailable as error:
                log.warning("store unavailable", task="deliveries", cause=str(error))

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
                return await self._carry_out(delivery)
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
            lambda c: leases.lease(c, delivery_id, now=now, until=until),
            about=user_id,
            only_about=True,
        )

    async def _carry_out(self, delivery: Delivery) -> Answer | None:
        started = time.perf_counter()
        try:
            self._checkpoint("before send")
            outcome = await self._attempt(delivery)
            self._checkpoint("after send")
            answer = await self._record(delivery, outcome, started)
        except asyncio.CancelledError:
            if delivery.leased_until is not None:
                self._leases_left[delivery.id] = delivery.leased_until
            raise
        self._checkpoint("after record")
        return answer

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

    async def _record(self, delivery: Delivery, outcome: Outcome, started: float) -> Answer | None:
        async def work(connection: Connection) -> tuple[bool, Outcome]:
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
            return await leases.record(connection, delivery, final, now=now), final

        recorded, final = await self._database.transaction(
            work, about=delivery.user_id, only_about=True
        )
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
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
        )
        if recorded:
            self._count(delivery, final)
        self._recorded()
        return outcome.answer if recorded else None

    def _count(self, delivery: Delivery, outcome: Outcome) -> None:
        waited = None
        if outcome.state is DeliveryState.DELIVERED:
            waited = (self._clock.now() - delivery.created_at).total_seconds()
        self._observe(
            delivery.kind.value, outcome.state.value, again=delivery.tries > 0, waited=waited
        )
