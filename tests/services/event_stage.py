"""Events over a real store, with a fake backend behind a real breaker, and a clock that is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from moddy.breaker import Breaker, BreakerOpen, BreakerState
from moddy.errors import BackendPaused, BackendUnavailable
from moddy.models import BackendHealthResponse, EventNotifyResponse, EventType, Snowflake
from moddy.services.deliveries import Carrier, Deliveries
from moddy.services.events import Events
from moddy.services.occurrences import JSON, Occurrence, event_key
from moddy.store import leases
from moddy.store.database import Database
from moddy.store.deliveries import LEASE, Delivery, DeliveryKind
from moddy.store.tables import deliveries
from tests.fakes import FakeBackend, FixedClock
from tests.services.stage import ADA, GUILD, SOON_S

DOWN = BackendUnavailable("down")


class TakingBackend(FakeBackend):
    """Takes each Idempotency-Key once, as the real one does, while `error` is not set.

    `asked` has every call's key and number, `taken` the numbers that had an effect, by user.
    Numbers in `poison` are answered with the error of theirs.
    """

    def __init__(self, clock: FixedClock) -> None:
        super().__init__()
        self.breaker = Breaker(
            counts=lambda error: isinstance(error, BackendUnavailable),
            clock=lambda: clock.now().timestamp(),
        )
        self.poison: dict[int, Exception] = {}
        self.received = True
        self.asked: list[tuple[str, int]] = []
        self.taken: dict[str, list[int]] = {}
        self.keys: set[str] = set()

    async def notify_event(
        self,
        event_type: EventType,
        discord_id: Snowflake,
        metadata: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
    ) -> EventNotifyResponse:
        """Take the event, unless it was taken before."""
        assert idempotency_key is not None
        number = metadata["number"]
        try:
            with self.breaker.call():
                self.asked.append((idempotency_key, number))
                await self._called("notify_event", event_type, discord_id, dict(metadata))
                if number in self.poison:
                    raise self.poison[number]
        except BreakerOpen as error:
            raise BackendPaused(retry_after=error.retry_after) from None
        if idempotency_key not in self.keys:
            self.keys.add(idempotency_key)
            self.taken.setdefault(discord_id, []).append(number)
        return EventNotifyResponse(success=True, message="", event_received=self.received)

    async def health_check(self) -> BackendHealthResponse:
        """Tell that all is well, while it is."""
        try:
            with self.breaker.call():
                return await super().health_check()
        except BreakerOpen as error:
            raise BackendPaused(retry_after=error.retry_after) from None


class EventStage:
    """Everything that a test of events needs. `rate` is in events per virtual second."""

    def __init__(
        self, database: Database, *, max_waiting: int = 50_000, rate: float = 100.0
    ) -> None:
        self.database = database
        self.clock = FixedClock()
        self.backend = TakingBackend(self.clock)
        self.max_waiting = max_waiting
        self.rate = rate
        self.events = self.make_events()
        self.deliveries = self.make_worker(self.events)
        self.number = 0

    def make_events(self) -> Events:
        """The events of another process over the same store."""
        return Events(
            database=self.database,
            clock=self.clock,
            backend=self.backend,
            wake=self._wake,
            max_waiting=self.max_waiting,
            pause=0.0,
        )

    def _wake(self) -> None:
        self.deliveries.wake()

    async def lease(self, delivery_id: str) -> Delivery | None:
        """Begin an attempt and get no further, as a process does that is killed in the middle."""
        now = self.clock.now()
        return await self.database.transaction(
            lambda c: leases.lease(c, delivery_id, now=now, until=now + LEASE)
        )

    def make_worker(self, events: Events) -> Deliveries:
        """The worker of another process."""
        return Deliveries(
            database=self.database,
            clock=self.clock,
            carriers={
                DeliveryKind.EVENT: Carrier(
                    attempt=events.attempt,
                    is_ready=lambda: self.backend.breaker.state is not BreakerState.OPEN,
                    pace=self._pace,
                )
            },
            uniform=lambda _low, _high: 1.0,
        )

    async def _pace(self, _user_id: Snowflake) -> None:
        # What waiting for one's turn takes while there is a backend to deliver to.
        if self.backend.error is None:
            self.clock.advance(timedelta(seconds=1 / self.rate))

    async def record(
        self, user_id: Snowflake = ADA, event_type: EventType = EventType.COMMAND_USED
    ) -> int:
        """Record an event; returns its number."""
        self.number += 1
        key = event_key(event_type, user_id, str(self.number))
        await self.events.store([self.make(event_type, user_id, key=key)])
        return self.number

    def make(
        self,
        event_type: EventType,
        user_id: Snowflake = ADA,
        *,
        key: str | None = None,
        membership: str | None = None,
        **metadata: JSON,
    ) -> Occurrence:
        """Return an event seen now, with the number of the last one recorded."""
        return Occurrence(
            event_type=event_type,
            user_id=user_id,
            metadata={"number": self.number, "guild_id": str(GUILD), **metadata},
            seen_at=self.clock.now(),
            key=key,
            membership=membership,
        )

    @asynccontextmanager
    async def working(self, *more: Deliveries) -> AsyncIterator[None]:
        """Have the worker at work, and those of other processes."""
        tasks = [asyncio.create_task(worker.run()) for worker in (self.deliveries, *more)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(one, asyncio.CancelledError) for one in results), results

    async def settle(self) -> None:
        """Have the worker do all that is due now; nothing else may have it at work."""
        while True:
            await self.deliveries._start_due()
            if not self.deliveries._attempts.running:
                return
            await asyncio.gather(*self.deliveries._attempts.running.values())

    async def pass_time(self, seconds: float) -> None:
        """Let virtual time pass, and the worker do what is due then."""
        self.clock.advance(timedelta(seconds=seconds))
        await self.settle()

    async def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        """Return these columns of all deliveries, in the order of acceptance."""
        query = sa.select(*(deliveries.c[name] for name in columns)).order_by(deliveries.c.sequence)
        return [tuple(row) for row in await self.database.read(lambda c: c.execute(query))]

    async def wait_for_states(self, *states: str) -> None:
        """Wait until the deliveries are in these states, in the order of acceptance."""
        async with asyncio.timeout(SOON_S):
            while True:
                if [row[0] for row in await self.rows("state")] == list(states):
                    return
                await asyncio.sleep(0.005)
