"""Recording events: taken at once from whoever sees them, stored a moment later in batches.

A thousand members who join within a minute cost the gateway a thousand additions to a list, and
the store a few transactions.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence

import structlog

from moddy.errors import StoreUnavailable
from moddy.services.attribution import Attribution
from moddy.services.events import EXPENDABLE
from moddy.services.occurrences import Occurrence

log = structlog.get_logger(__name__)

# Seconds in which events are gathered for a common transaction.
WINDOW = 0.1
# Requests share the transactions that a batch is stored in, and must not wait long for it.
BATCH = 500
# Seconds between two tries while the store is away.
RETRY = 1.0
# How many events are kept in memory while the store is away. A member's event has about 1 KB.
MAX_HELD = 20_000
# One in so many goes at once when there are too many: looking for them costs a pass.
SHED_SHARE = 20
# Seconds for storing what is left when Moddy stops.
FLUSH_TIMEOUT = 2.0


class EventRecorder:
    """Holds events until `store` has them, which takes a batch and may raise StoreUnavailable.

    Events about members come through `attribution`. `dropped` counts what was lost since the
    start because the store was away for too long. `monotonic` measures seconds.
    """

    def __init__(
        self,
        *,
        store: Callable[[Sequence[Occurrence]], Awaitable[None]],
        max_held: int = MAX_HELD,
        window: float = WINDOW,
        retry: float = RETRY,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._max_held = max_held
        self._window = window
        self._retry = retry
        self._held: deque[Occurrence] = deque()
        self._arrived = asyncio.Event()
        self._is_store_away = False
        self.attribution = Attribution(
            emit=self.record, wake=self._arrived.set, monotonic=monotonic
        )
        self.dropped = 0

    @property
    def held(self) -> int:
        """How many events are not stored yet, those left out that wait for their cause."""
        return len(self._held)

    def record(self, occurrence: Occurrence) -> None:
        """Take an event; it is stored soon. Never blocks, never fails."""
        self._held.append(occurrence)
        if len(self._held) > self._max_held:
            self._shed()
        self._arrived.set()

    async def run(self) -> None:
        """Store what is recorded, until cancelled; then store the rest, briefly."""
        try:
            while True:
                await self._arrived.wait()
                await asyncio.sleep(self._window)
                self._arrived.clear()
                if self.attribution.settle():
                    self._arrived.set()
                if not await self._store_held():
                    self._arrived.set()
                    await asyncio.sleep(self._retry)
        finally:
            await self._finish()

    async def flush(self) -> bool:
        """Store all there is now, also what waits for its cause; returns whether that worked."""
        self.attribution.settle(at_once=True)
        return await self._store_held()

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT):
                await self.flush()
        except TimeoutError:
            pass
        if self._held:
            log.warning("events lost: the store is away", lost=len(self._held))

    async def _store_held(self) -> bool:
        while self._held:
            if not await self._store_batch():
                return False
        return True

    async def _store_batch(self) -> bool:
        """Store the oldest events; returns False when the store is away."""
        batch = [self._held.popleft() for _ in range(min(BATCH, len(self._held)))]
        try:
            await self._store(batch)
        except StoreUnavailable as error:
            self._held.extendleft(reversed(batch))
            self._note_outage(str(error))
            return False
        except asyncio.CancelledError:
            # Storing one again that was stored after all changes nothing.
            self._held.extendleft(reversed(batch))
            raise
        except Exception:  # the edge of the task: one bad event must not keep the others
            log.exception("recording events failed unexpectedly", events=len(batch))
            await self._store_singly(batch)
        if self._is_store_away:
            log.info("store is back: events are recorded again", held=len(self._held))
        self._is_store_away = False
        return True

    def _note_outage(self, cause: str) -> None:
        if not self._is_store_away:
            log.warning("store unavailable", task="events", cause=cause, held=len(self._held))
        self._is_store_away = True

    async def _store_singly(self, batch: Sequence[Occurrence]) -> None:
        for place, occurrence in enumerate(batch):
            try:
                await self._store([occurrence])
            except StoreUnavailable as error:
                self._held.extendleft(reversed(batch[place:]))
                self._note_outage(str(error))
                return
            except Exception:  # as above: this is the one
                self.dropped += 1
                event_type = occurrence.event_type.value
                log.exception("event dropped: it cannot be stored", event_type=event_type)

    def _shed(self) -> None:
        """Drop some events: the oldest messages first, then the oldest commands, then the rest."""
        held = list(self._held)
        share = self._max_held // SHED_SHARE + 1
        gone: list[int] = []
        for event_type in EXPENDABLE:
            gone += (n for n, one in enumerate(held) if one.event_type is event_type)
        # Sparing the rest: it goes only where there is nothing else.
        gone = gone[:share] or list(range(share))
        chosen = frozenset(gone)
        self._held = deque(one for n, one in enumerate(held) if n not in chosen)
        self.dropped += len(gone)
        counts = Counter(held[n].event_type.value for n in gone)
        log.warning("events dropped", dropped=dict(counts), since_start=self.dropped)
