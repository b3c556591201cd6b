"""Housekeeping: finished deliveries leave after a while, and their idempotency keys with them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from moddy.ports import Clock
from moddy.store import upkeep
from moddy.store.database import Database

# Requests share the transactions that this runs in, and must not wait long for it.
BATCH = 500
# Seconds between two batches, which are theirs alone.
PAUSE = 0.2


class Housekeeping:
    """Removes deliveries that have been finished for longer than `retention`."""

    def __init__(
        self, *, database: Database, clock: Clock, retention: timedelta, pause: float = PAUSE
    ) -> None:
        self._database = database
        self._clock = clock
        self._retention = retention
        self._pause = pause

    async def remove_finished(self) -> int:
        """Remove whatever is old enough, batch by batch; returns how many.

        What is removed stays so when this is cancelled. Raises StoreUnavailable.
        """
        before = self._clock.now() - self._retention
        removed = 0
        while True:
            batch = await self._database.transaction(
                lambda c: upkeep.remove_finished(c, before, limit=BATCH)
            )
            removed += batch
            if batch < BATCH:
                return removed
            await asyncio.sleep(self._pause)
