"""Reconciliation over a real store, with fakes for Discord, the backend and time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import sqlalchemy as sa

from moddy.models import Snowflake, Subscription, SubscriptionInfoResponse, SubscriptionStatus
from moddy.services.newcomers import Newcomers
from moddy.services.passes import Counters
from moddy.services.reconciliation import Reconciliation
from moddy.services.removal_brake import RemovalBrake
from moddy.services.role_repairs import Repairs, RolesPayload
from moddy.services.subscription_checks import SubscriptionChecks
from moddy.store import role_grants, users
from moddy.store.database import Database
from moddy.store.tables import deliveries
from moddy.store.transactions import Connection
from tests.fakes import START, FakeBackend
from tests.services.stage import GUILD, PREMIUM_ROLE, Stage

INTERVAL = timedelta(minutes=5)
GRACE = timedelta(days=7)
BRAKE = 5
NONE = SubscriptionInfoResponse(success=True, message="", has_subscription=False)


def subscription(
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE,
    *,
    cancelled: bool = False,
    days: float = 20,
) -> SubscriptionInfoResponse:
    """A backend's answer; the period began ten days ago and ends in `days`."""
    found = Subscription(
        subscription_id="sub_1",
        customer_id="cus_1",
        status=status,
        subscription_type="monthly",
        current_period_start=START - timedelta(days=10),
        current_period_end=START + timedelta(days=days),
        cancel_at_period_end=cancelled,
        amount=990,
        currency="eur",
    )
    return SubscriptionInfoResponse(
        success=True, message="", has_subscription=True, subscription=found
    )


class ManyCustomers(FakeBackend):
    """A backend that knows customers; of all others it says that they have no subscription."""

    def __init__(self) -> None:
        super().__init__()
        self.customers: dict[str, SubscriptionInfoResponse | Exception] = {}

    async def get_subscription_info(self, discord_id: Snowflake) -> SubscriptionInfoResponse:
        """Return the customer's subscription."""
        await self._called("get_subscription_info", discord_id)
        found = self.customers.get(discord_id, NONE)
        if isinstance(found, Exception):
            raise found
        return found


class Watch:
    """A stage with reconciliation; `held` has how many were held."""

    def __init__(self, database: Database, *, max_due: int = 200) -> None:
        self.stage = Stage(database)
        self.backend = ManyCustomers()
        self.counters = Counters()
        self.held: list[int] = []
        self.is_ready = True
        self.brake = RemovalBrake(
            database=database,
            clock=self.stage.clock,
            limit=BRAKE,
            hold=self._hold,
        )
        self.max_due = max_due
        self.start()

    def start(self) -> None:
        """Have reconciliation anew, as another process would."""
        stage = self.stage
        self.desk = Repairs(
            database=stage.database,
            clock=stage.clock,
            guild_id=GUILD,
            premium_role_id=PREMIUM_ROLE,
            counters=self.counters,
        )
        self.newcomers = Newcomers(database=stage.database, clock=stage.clock, repairs=self.desk)
        self.guild = Reconciliation(
            database=stage.database,
            clock=stage.clock,
            roles=stage.roles,
            repairs=self.desk,
            brake=self.brake,
            interval=INTERVAL,
            counters=self.counters,
            is_ready=lambda: self.is_ready,
            wake=stage.deliveries.wake,
            max_due=self.max_due,
        )
        self.subscriptions = SubscriptionChecks(
            database=stage.database,
            clock=stage.clock,
            backend=self.backend,
            premium=stage.premium,
            repairs=self.desk,
            brake=self.brake,
            grace=GRACE,
            counters=self.counters,
            rate=10_000.0,
            wake=stage.deliveries.wake,
        )

    async def _hold(self, _connection: Connection, count: int) -> None:
        self.held.append(count)

    async def join(self, *user_ids: Snowflake) -> None:
        """Have users looked at as when they join."""
        for user_id in user_ids:
            self.newcomers.joined(user_id)
        await self.newcomers.settle()
        self.stage.deliveries.wake()

    async def allow(self) -> int:
        """Say the word for everything that is held."""
        return await self.stage.database.transaction(self.brake.allow)

    async def make_premium(self, *user_ids: Snowflake, plan: str = "moddy_max") -> None:
        """Have the backend say that users are premium, long ago."""
        for user_id in user_ids:
            await self.stage.accept_notice(user_id=user_id, plan=plan)
        self.stage.clock.advance(timedelta(hours=1))

    async def give(self, *user_ids: Snowflake) -> None:
        """Have premium, and the role from Moddy's hand, for members."""
        for user_id in user_ids:
            self.stage.roles.add_member(user_id)
        await self.make_premium(*user_ids)
        await self.reconcile()

    async def turn_off(self, *user_ids: Snowflake) -> None:
        """Edit rows: these users are not premium any more, and nobody says why."""

        async def work(connection: Connection) -> None:
            for user_id in user_ids:
                await users.save_premium(connection, user_id, premium=False, until=None)

        await self.stage.database.transaction(work)

    async def look(self) -> int:
        """Do one pass over the guild; returns how many roles were amiss."""
        self.stage.clock.advance(INTERVAL)
        return await self.guild.sweep()

    async def reconcile(self) -> int:
        """Do one pass, and all that is owed then."""
        amiss = await self.look()
        await self.deliver()
        return amiss

    async def check(self) -> int:
        """Do one pass over the subscriptions, and all that is owed then."""
        self.stage.clock.advance(timedelta(hours=3))
        asked = await self.subscriptions.sweep()
        await self.deliver()
        return asked

    async def deliver(self) -> None:
        """Have the worker at work until nothing is due."""
        table = deliveries.c
        due = sa.select(sa.func.count()).where(
            table.kind == "roles",
            table.state == "pending",
            table.due_at <= self.stage.clock.now(),
        )

        async def count(connection: Connection) -> int:
            found: int = await connection.scalar(due)
            return found

        if not await self.stage.database.read(count):
            return
        async with self.stage.working(), asyncio.timeout(60):
            while await self.stage.database.read(count):  # noqa: ASYNC110 (rows)
                await asyncio.sleep(0.005)

    async def repairs(self, *states: str) -> list[tuple[str, RolesPayload]]:
        """Return the state and payload of every role update that is a repair."""
        query = (
            sa.select(deliveries.c.state, deliveries.c.payload)
            .where(deliveries.c.kind == "roles")
            .order_by(deliveries.c.sequence)
        )
        rows = (await self.stage.database.read(lambda c: c.execute(query))).all()
        found = [(row[0], msgspec.json.decode(row[1], type=RolesPayload)) for row in rows]
        return [one for one in found if one[1].repair and (not states or one[0] in states)]

    async def granted(self, user_id: Snowflake) -> set[str]:
        """Return the roles that Moddy is noted to have given."""
        found = await self.stage.database.read(lambda c: role_grants.find(c, GUILD, user_id))
        return set(found.granted)

    def has_role(self, user_id: Snowflake, role_id: Snowflake = PREMIUM_ROLE) -> bool:
        """Tell whether a member has a role on Discord."""
        return role_id in self.stage.roles.members[user_id]
