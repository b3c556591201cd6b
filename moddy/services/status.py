"""How Moddy stands, in one Struct: for people as JSON, for Prometheus as gauges."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from msgspec import Struct, structs

from moddy import __version__
from moddy.errors import StoreUnavailable
from moddy.metrics import Metrics
from moddy.ports import Clock
from moddy.services.passes import Counters
from moddy.store import backlog
from moddy.store.backlog import Backlog
from moddy.store.database import Database

# Seconds. Who asks wants to know that the store does not answer, rather than wait for it.
STORE_PATIENCE = 2.0
_STATM = Path("/proc/self/statm")


class Shard(Struct, frozen=True, kw_only=True):
    """One connection to the gateway; `latency_ms` is null until the first heartbeat."""

    id: int
    latency_ms: int | None


class Gateway(Struct, frozen=True, kw_only=True):
    """How the bot stands with Discord; `sessions` by kind: new, resumed, lost."""

    ready: bool
    guilds: int
    shards: tuple[Shard, ...]
    sessions: dict[str, int]


class DeliveryCount(Struct, frozen=True, kw_only=True):
    """How many deliveries of a kind are in a state; `oldest_seconds`: how long one has been."""

    kind: str
    state: str
    count: int
    oldest_seconds: int


class EventCounts(Struct, frozen=True, kw_only=True):
    """Events for the backend: held in memory, not stored yet; given up since the start."""

    held: int
    dropped: dict[str, int]


class StatusResponse(Struct, frozen=True, kw_only=True):
    """``GET /internal/status``.

    `deliveries` has those that are not finished, or were given up; null while the store is away.
    What is counted, is since the start of this process.
    """

    version: str
    started_at: datetime
    uptime_seconds: int
    memory_bytes: int | None
    gateway: Gateway
    store_answers: bool
    deliveries: tuple[DeliveryCount, ...] | None
    breakers: dict[str, str]
    requests: dict[str, int]
    attempts: dict[str, int]
    discord_calls: dict[str, int]
    events: EventCounts
    reconciliation: dict[str, int]


class Status:
    """Looks at everything at once.

    `look_at_gateway` gives readiness, guilds and the shards' latencies in seconds, infinity until
    known; `breakers` the states by the other side's name.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        look_at_gateway: Callable[[], tuple[bool, int, Mapping[int, float]]],
        breakers: Mapping[str, Callable[[], str]],
        look_at_events: Callable[[], EventCounts],
        reconciliation: Counters,
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._look_at_gateway = look_at_gateway
        self._breakers = breakers
        self._look_at_events = look_at_events
        self._reconciliation = reconciliation
        self._started_at = clock.now()
        self._started = time.monotonic()

    async def look(self) -> StatusResponse:
        """Return how Moddy stands now, whether or not the store answers."""
        waiting = await self._count_deliveries()
        metrics = self._metrics
        return StatusResponse(
            version=__version__,
            started_at=self._started_at,
            uptime_seconds=int(time.monotonic() - self._started),
            memory_bytes=resident_bytes(),
            gateway=self._gateway(),
            store_answers=waiting is not None,
            deliveries=None if waiting is None else self._deliveries(waiting),
            breakers={name: state() for name, state in self._breakers.items()},
            requests=metrics.requests.by("status"),
            attempts=metrics.attempts.by("state"),
            discord_calls=metrics.discord_calls.by("status"),
            events=self._look_at_events(),
            reconciliation=structs.asdict(self._reconciliation),
        )

    async def render_metrics(self) -> bytes:
        """Return all metrics, those of the present moment included."""
        waiting = await self._count_deliveries()
        metrics = self._metrics
        metrics.set_store_up(waiting is not None)
        found = () if waiting is None else self._deliveries(waiting)
        metrics.set_deliveries(
            {(one.kind, one.state): one.count for one in found},
            {one.kind: one.oldest_seconds for one in found if one.state == backlog.PENDING},
        )
        ready, guilds, latencies = self._look_at_gateway()
        metrics.set_gateway(ready=ready, guilds=guilds, latencies=latencies)
        for name, state in self._breakers.items():
            metrics.set_breaker(name, state())
        events = self._look_at_events()
        metrics.set_events(held=events.held, dropped=events.dropped)
        metrics.set_reconciliation(structs.asdict(self._reconciliation))
        return metrics.render()

    async def _count_deliveries(self) -> Backlog | None:
        try:
            async with asyncio.timeout(STORE_PATIENCE):
                return await self._database.read(backlog.count)
        except (StoreUnavailable, TimeoutError):
            return None

    def _deliveries(self, waiting: Backlog) -> tuple[DeliveryCount, ...]:
        now = self._clock.now()
        return tuple(
            DeliveryCount(
                kind=one.kind,
                state=one.state,
                count=one.count,
                oldest_seconds=max(int((now - one.oldest).total_seconds()), 0),
            )
            for one in waiting
        )

    def _gateway(self) -> Gateway:
        ready, guilds, latencies = self._look_at_gateway()
        shards = (
            Shard(id=shard, latency_ms=round(latency * 1000) if math.isfinite(latency) else None)
            for shard, latency in sorted(latencies.items())
        )
        sessions = self._metrics.gateway_sessions.by("kind")
        return Gateway(ready=ready, guilds=guilds, shards=tuple(shards), sessions=sessions)


def resident_bytes() -> int | None:
    """Return this process's resident memory; None where the system does not tell."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
