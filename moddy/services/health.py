"""Whether Moddy can do its work: the gateway is ready and the store answers."""

from __future__ import annotations

import time
from collections.abc import Callable

from moddy.errors import StoreUnavailable
from moddy.models import HealthStatus
from moddy.store.database import Database

# Seconds for which the store's last answer is believed, so that a busy prober costs it nothing.
STORE_MEMORY = 1.0


class Health:
    """Answers health checks."""

    def __init__(self, *, database: Database, is_gateway_ready: Callable[[], bool]) -> None:
        self._database = database
        self._is_gateway_ready = is_gateway_ready
        self._store_answers = False
        self._asked_at = -STORE_MEMORY

    async def status(self) -> HealthStatus:
        """Return the health as of now (of the store: as of a second ago at most)."""
        if not self._is_gateway_ready():
            return HealthStatus.UNHEALTHY
        if time.monotonic() - self._asked_at >= STORE_MEMORY:
            try:
                await self._database.ping()
            except StoreUnavailable:
                self._store_answers = False
            else:
                self._store_answers = True
            self._asked_at = time.monotonic()
        return HealthStatus.HEALTHY if self._store_answers else HealthStatus.UNHEALTHY
