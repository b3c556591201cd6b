"""The services over a real store, with fakes for Discord and time."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from moddy.models import (
    InternalNotifyUserRequest,
    InternalUpdateRolesRequest,
    NotifyAction,
    Snowflake,
)
from moddy.services.deliveries import Carrier, Deliveries
from moddy.services.intake import Accepted
from moddy.services.notifications import Notifications
from moddy.services.premium import Premium
from moddy.services.roles import RoleUpdates
from moddy.store import leases
from moddy.store.database import Database
from moddy.store.deliveries import (
    LEASE,
    Answer,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Outcome,
    RequestContext,
)
from moddy.store.tables import deliveries
from moddy.store.transactions import Connection
from tests.fakes import FakeMessenger, FakeRoles, FixedClock

Attempt = Callable[[Delivery], Awaitable[Outcome]]

ADA = Snowflake("100000000000000001")
BEN = Snowflake("100000000000000002")
GUILD = Snowflake("200000000000000001")
PREMIUM_ROLE = Snowflake("300000000000000001")
OTHER_ROLE = Snowflake("300000000000000002")
CHANNEL = Snowflake("400000000000000001")
PREMIUM_PLANS = frozenset({"moddy_max"})
SOON_S = 5.0


class Stage:
    """Everything that a test of the services needs."""

    def __init__(self, database: Database, *, fallback: bool = True) -> None:
        self.database = database
        self.clock = FixedClock()
        self.messenger = FakeMessenger()
        self.roles = FakeRoles(GUILD)
        self.roles.add_role(PREMIUM_ROLE)
        self.roles.add_role(OTHER_ROLE)
        self.reachable = asyncio.Event()
        self.reachable.set()
        self.jitter: list[tuple[float, float]] = []
        self.woken = 0
        self.premium = self.make_premium(database)
        self.notifications = Notifications(
            database=database,
            clock=self.clock,
            messenger=self.messenger,
            premium=self.premium,
            fallback_channel_id=CHANNEL if fallback else None,
        )
        self.role_updates = self.make_role_updates()
        self.attempts: dict[DeliveryKind, Attempt] = {
            DeliveryKind.NOTIFY: self.notifications.attempt,
            DeliveryKind.ROLES: self.role_updates.attempt,
        }
        self.deliveries = self.make_worker()
        self._number = 0

    def make_premium(self, database: Database) -> Premium:
        """Premium over a store; what ends by itself wakes the worker, counted in `woken`."""
        return Premium(
            database=database,
            clock=self.clock,
            premium_plans=PREMIUM_PLANS,
            guild_id=GUILD,
            role_id=PREMIUM_ROLE,
            wake_deliveries=self._wake,
        )

    def _wake(self) -> None:
        self.woken += 1

    def make_role_updates(
        self,
        guild_id: Snowflake | None = GUILD,
        premium_role_id: Snowflake | None = PREMIUM_ROLE,
    ) -> RoleUpdates:
        return RoleUpdates(
            database=self.database,
            clock=self.clock,
            roles=self.roles,
            guild_id=guild_id,
            premium_role_id=premium_role_id,
            premium_plans=PREMIUM_PLANS,
        )

    def make_worker(self) -> Deliveries:
        """Another worker over the same store, as another process would have."""
        return Deliveries(
            database=self.database,
            clock=self.clock,
            carriers={
                kind: Carrier(attempt=attempt, is_ready=self.reachable.is_set)
                for kind, attempt in self.attempts.items()
            },
            uniform=self._uniform,
        )

    def _uniform(self, low: float, high: float) -> float:
        self.jitter.append((low, high))
        return 1.0

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Have the worker at work."""
        task = asyncio.create_task(self.deliveries.run())
        try:
            yield
        finally:
            task.cancel()
            results = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(results[0], asyncio.CancelledError), results

    def context(self, key: str | None = None, body: object = None) -> RequestContext:
        self._number += 1
        digest = hashlib.sha256(json.dumps(body).encode()).digest()
        return RequestContext(
            request_id=f"request-{self._number}", body_hash=digest, idempotency_key=key
        )

    async def accept_notice(
        self,
        action: NotifyAction = NotifyAction.SUBSCRIPTION_CREATED,
        *,
        user_id: Snowflake = ADA,
        plan: str | None = "moddy_max",
        metadata: dict[str, Any] | None = None,
        key: str | None = None,
    ) -> Accepted:
        request = InternalNotifyUserRequest(
            discord_id=user_id, action=action, plan=plan, metadata=metadata
        )
        body = [str(user_id), action.value, plan, metadata]
        return await self.notifications.accept(request, self.context(key, body))

    async def accept_roles(
        self,
        *,
        user_id: Snowflake = ADA,
        plan: str = "moddy_max",
        add: list[Snowflake] | None = None,
        remove: list[Snowflake] | None = None,
        key: str | None = None,
    ) -> Accepted:
        request = InternalUpdateRolesRequest(
            discord_id=user_id, plan=plan, add_roles=add, remove_roles=remove
        )
        return await self.role_updates.accept(request, self.context(key, [plan, add, remove]))

    async def answer(self, accepted: Accepted, within: float = SOON_S) -> Answer:
        return await self.deliveries.answer(accepted, within=within)

    async def lease(self, delivery_id: str) -> Delivery | None:
        """Begin an attempt and get no further, as a process does that is killed in the middle."""
        now = self.clock.now()
        return await self.database.transaction(
            lambda c: leases.lease(c, delivery_id, now=now, until=now + LEASE)
        )

    async def column(self, accepted: Accepted, name: str) -> Any:
        assert accepted.delivery is not None
        query = sa.select(deliveries.c[name]).where(deliveries.c.id == accepted.delivery.id)
        return await self.database.read(lambda c: c.scalar(query))

    async def state(self, accepted: Accepted) -> DeliveryState:
        return DeliveryState(await self.column(accepted, "state"))

    async def wait_for(self, accepted: Accepted, name: str, value: object) -> None:
        """Wait until a column of the delivery has this value."""
        async with asyncio.timeout(SOON_S):
            while (found := await self.column(accepted, name)) != value:
                await asyncio.sleep(0.005)
                assert found is not None or value is not None

    async def wait_for_state(self, accepted: Accepted, state: DeliveryState) -> None:
        await self.wait_for(accepted, "state", state.value)

    async def damage(self, accepted: Accepted, **values: object) -> None:
        """Change the stored row behind the services' back."""
        assert accepted.delivery is not None
        delivery_id = accepted.delivery.id

        async def work(connection: Connection) -> None:
            query = sa.update(deliveries).where(deliveries.c.id == delivery_id)
            await connection.execute(query.values(**values))

        await self.database.transaction(work)

    def tick(self, seconds: float) -> None:
        """Let time pass, and have the worker look."""
        self.clock.advance(timedelta(seconds=seconds))
        self.deliveries.wake()
