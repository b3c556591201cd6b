"""Events for the website backend: stored when they happen, delivered when it can take them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog
from aiolimiter import AsyncLimiter

from moddy.breaker import BreakerOpen
from moddy.errors import (
    BackendError,
    BackendNotFound,
    BackendPaused,
    BackendRefused,
)
from moddy.models import EventType, Snowflake
from moddy.ports import Backend, Clock
from moddy.services.event_batches import SAME, EventPayload, History, store_batch
from moddy.services.occurrences import Occurrence
from moddy.services.schedule import GIVE_UP_AFTER, RETRY_DELAYS
from moddy.store import events as store
from moddy.store.database import Database
from moddy.store.deliveries import Delivery, DeliveryState, Outcome
from moddy.store.group_commit import Work
from moddy.store.transactions import Connection

log = structlog.get_logger(__name__)

MAX_WAITING_EVENTS = 50_000
# Events per second at most: a full backlog is gone within ten minutes.
EVENT_RATE = 100.0
BURST_SECONDS = 0.1
# Requests share the transactions that a sweep runs in, and must not wait long for it.
BATCH = 500
# Seconds between two batches, which are theirs alone.
PAUSE = 0.05
# What may be dropped, in this order; the rest tells of members and roles, and never is.
EXPENDABLE = (EventType.MESSAGE_SENT, EventType.COMMAND_USED)


# Role changes that a process remembers to have seen, at about 200 bytes each.
MAX_OWN_CHANGES = 50_000
# How much the clocks of two processes may differ.
CLOCK_SKEW = timedelta(seconds=10)


class Events:
    """Stores events, delivers them, and keeps the backlog within bounds.

    At most `max_waiting` events wait. Beyond that the oldest ``message_sent`` are dropped first,
    then the oldest ``command_used``; ``member_*`` and ``role_updated`` are kept in any number.
    However long the backend is away, no event is given up for it.
    `dropped` counts what was dropped since the start. At most `rate` events per second leave
    through `pace`. `wake` is called when there is something to deliver.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        backend: Backend,
        wake: Callable[[], None],
        max_waiting: int = MAX_WAITING_EVENTS,
        rate: float = EVENT_RATE,
        pause: float = PAUSE,
    ) -> None:
        self._database = database
        self._clock = clock
        self._backend = backend
        self._wake = wake
        self._max_waiting = max_waiting
        self._pause = pause
        # A limiter lets a whole period's worth through at once; so the period is a short one.
        burst = max(rate * BURST_SECONDS, 1.0)
        self._limiter = AsyncLimiter(burst, burst / rate)
        self._decoder = msgspec.json.Decoder(EventPayload)
        self.dropped = 0
        # When it was last seen here, by key, the oldest first.
        self._own_changes = OrderedDict[str, datetime]()
        self._since = clock.now() - CLOCK_SKEW
        # What a process before this one had to put off is due once the backend is found well.
        self._was_away = True
        self._has_failed = False

    async def store(self, batch: Sequence[Occurrence]) -> None:
        """Store events for delivery, in one transaction, each unless it is stored already.

        Raises StoreUnavailable: none of them is stored, as far as is known.
        """
        history = History(own=self._own_changes.keys(), since=self._since)
        # One writer for all of them: what happened first is stored first.
        seen = await self._database.transaction(
            lambda c: store_batch(c, batch, history), about="events"
        )
        self._remember(seen)
        self._wake()

    def _remember(self, keys: Iterable[str]) -> None:
        now = self._clock.now()
        for key in keys:
            self._own_changes[key] = now
        while self._own_changes:
            seen_at = next(iter(self._own_changes.values()))
            if len(self._own_changes) <= MAX_OWN_CHANGES and now - seen_at <= 2 * SAME:
                return
            self._own_changes.popitem(last=False)

    async def attempt(self, delivery: Delivery) -> Outcome:
        """Try once to tell the backend.

        Raises:
            BreakerOpen: nothing was tried; the backend did not answer lately.
            BackendError: it may work later: no answer, the secrets differ, or what answered is
                not the backend. All of this is for an operator to mend, not the event's fault.
        """
        event = self._decoder.decode(delivery.payload)
        try:
            response = await self._backend.notify_event(
                event.event_type, delivery.user_id, event.metadata, idempotency_key=event.key
            )
        except BackendPaused as error:
            raise BreakerOpen(error.retry_after or 1.0) from error
        except (BackendRefused, BackendNotFound) as error:
            return Outcome(state=DeliveryState.REFUSED, error=error.code)
        except BackendError as error:
            self._has_failed = True
            waited = self._clock.now() - delivery.created_at
            if self._was_away and waited >= GIVE_UP_AFTER:
                return self._put_off(error)
            raise
        if not response.event_received:
            return Outcome(state=DeliveryState.REFUSED, error="event_not_received")
        return Outcome(state=DeliveryState.DELIVERED)

    def _put_off(self, error: BackendError) -> Outcome:
        """Keep an event that the schedule would give up: it is the backend that fails, not it."""
        due_at = self._clock.now() + timedelta(seconds=RETRY_DELAYS[-1])
        return Outcome(state=DeliveryState.PENDING, due_at=due_at, error=error.code)

    async def pace(self, _user_id: Snowflake) -> None:
        """Return when the next event may leave."""
        await self._limiter.acquire()

    async def revive(self) -> int:
        """Make events due that an outage put off, as soon as it is over; returns how many.

        Their schedule would let them wait for up to an hour. The backend is asked for its health
        only after an event failed; one that fails while the backend is well keeps to its schedule.
        Raises StoreUnavailable.
        """
        if not (self._was_away or self._has_failed):
            return 0
        try:
            await self._backend.health_check()
        except BackendError:
            self._was_away = True
            return 0
        revived = 0
        if self._was_away:
            async for batch in self._batches(self._make_due):
                revived += batch
            self._wake()
        self._was_away = self._has_failed = False
        return revived

    async def trim(self) -> int:
        """Drop events beyond the bound; returns how many.

        What is dropped stays so, and is counted, when this is cancelled. Raises StoreUnavailable.
        """
        before = self.dropped
        try:
            async for batch in self._batches(self._drop_surplus):
                self.dropped += batch
        finally:
            if dropped := self.dropped - before:
                log.warning("events dropped", dropped=dropped, since_start=self.dropped)
        return dropped

    async def _make_due(self, connection: Connection) -> int:
        return await store.make_due(connection, self._clock.now(), limit=BATCH)

    async def _drop_surplus(self, connection: Connection) -> int:
        surplus = await store.count_waiting(connection) - self._max_waiting
        limit = min(surplus, BATCH)
        dropped = 0
        for event_type in EXPENDABLE:
            if dropped < limit:
                dropped += await store.drop_oldest(
                    connection, event_type, now=self._clock.now(), limit=limit - dropped
                )
        return dropped

    async def _batches(self, work: Work[int]) -> AsyncIterator[int]:
        """Run `work`, each time in a new transaction, until it has less than a batch to do."""
        while True:
            done = await self._database.transaction(work)
            yield done
            if done < BATCH:
                return
            await asyncio.sleep(self._pause)
