"""Reconciliation of a large guild over real connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa

from moddy.messenger import DiscordRoles
from moddy.models import Snowflake
from moddy.ports import SystemClock
from moddy.services.deliveries import Carrier, Deliveries
from moddy.services.passes import Counters
from moddy.services.reconciliation import Reconciliation
from moddy.services.removal_brake import RemovalBrake
from moddy.services.role_repairs import Repairs
from moddy.services.roles import RoleUpdates
from moddy.store import role_grants, users
from moddy.store.database import Database
from moddy.store.deliveries import DeliveryKind
from moddy.store.tables import deliveries
from moddy.store.transactions import Connection
from tests.messenger.conftest import SmallBot, connected, make_roles
from tests.migrated import (
    database,
    migrated_postgresql_url,
    migrated_sqlite_file,
    migrated_url,
)
from tests.standins.discord import DiscordStandin, Guild, Member, Permission, Role

__all__ = ["database", "migrated_postgresql_url", "migrated_sqlite_file", "migrated_url"]

pytestmark = pytest.mark.slow
MANAGER = Permission.MANAGE_ROLES | Permission.VIEW_CHANNEL


class Crowd:
    """A guild with so many members, and reconciliation of its premium role."""

    def __init__(self, standin: DiscordStandin, guild: Guild, database: Database) -> None:
        self.standin = standin
        self.guild = guild
        self.database = database
        self.role: Role = guild.add_role("Premium")
        self.other: Role = guild.add_role("Other")
        self.members: list[Member] = []
        self.counters = Counters()

    def fill(self, count: int) -> None:
        """Have so many members, silently: a bot that was away heard nothing of them."""
        emit, self.guild.world.emit = self.guild.world.emit, lambda _event: None
        try:
            self.members = [
                self.standin.add_member(self.guild, self.standin.add_user(f"member{number}"))
                for number in range(count)
            ]
        finally:
            self.guild.world.emit = emit

    async def make_premium(self, members: Sequence[Member], *, granted: bool = False) -> None:
        """Have members premium in the store, with the role as Moddy gave it or without."""
        guild_id, role_id = Snowflake(self.guild.id), Snowflake(self.role.id)
        now = SystemClock().now() - timedelta(days=1)
        for start in range(0, len(members), 100):
            some = members[start : start + 100]

            async def work(connection: Connection, some: Sequence[Member] = some) -> None:
                for member in some:
                    user_id = Snowflake(member.user.id)
                    await users.lock(connection, user_id)
                    await users.save_premium(connection, user_id, premium=True, until=None)
                    if granted:
                        await role_grants.add(connection, guild_id, user_id, [role_id], now=now)

            await self.database.transaction(work)
        if granted:
            for member in members:
                member.roles.add(self.role.id)

    async def end_premium(self, members: Sequence[Member]) -> None:
        """Edit their rows."""

        async def work(connection: Connection) -> None:
            for member in members:
                await users.save_premium(
                    connection, Snowflake(member.user.id), premium=False, until=None
                )

        await self.database.transaction(work)

    def holders(self) -> set[int]:
        """Return who has the role on Discord."""
        return {one.user.id for one in self.members if self.role.id in one.roles}

    @asynccontextmanager
    async def reconciling(self, roles: DiscordRoles) -> AsyncIterator[Reconciliation]:
        """Have a worker at work, and reconciliation that can be swept."""
        clock, guild_id = SystemClock(), Snowflake(self.guild.id)
        role_id = Snowflake(self.role.id)
        updates = RoleUpdates(
            database=self.database,
            clock=clock,
            roles=roles,
            guild_id=guild_id,
            premium_role_id=role_id,
            premium_plans=frozenset({"moddy_max"}),
        )
        worker = Deliveries(
            database=self.database,
            clock=clock,
            carriers={DeliveryKind.ROLES: Carrier(attempt=updates.attempt)},
        )
        task = asyncio.create_task(worker.run())
        try:
            yield Reconciliation(
                database=self.database,
                clock=clock,
                roles=roles,
                repairs=Repairs(
                    database=self.database,
                    clock=clock,
                    guild_id=guild_id,
                    premium_role_id=role_id,
                    counters=self.counters,
                ),
                brake=RemovalBrake(database=self.database, clock=clock, limit=5),
                interval=timedelta(0),
                counters=self.counters,
                wake=worker.wake,
            )
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def delivered(self) -> None:
        """Wait until no role update is due."""
        query = sa.select(sa.func.count()).where(deliveries.c.state == "pending")
        async with asyncio.timeout(60):
            while await self.database.read(lambda c: c.scalar(query)):  # noqa: ASYNC110 (rows)
                await asyncio.sleep(0.02)


@pytest.fixture
def crowd(standin: DiscordStandin, guild: Guild, database: Database) -> Crowd:
    return Crowd(standin, guild, database)


@pytest.fixture
def bot(crowd: Crowd, bot: SmallBot) -> SmallBot:
    """The bot, which comes to a guild that has its roles already."""
    del crowd
    return bot


async def test_a_guild_of_5000(crowd: Crowd, roles: DiscordRoles) -> None:
    crowd.fill(5_000)
    premium, rest = crowd.members[::2], crowd.members[1::2]
    await crowd.make_premium(premium, granted=True)
    by_hand, stripped, ended = rest[:30], premium[100:140], premium[200:205]
    for member in by_hand:
        member.roles = {crowd.role.id}
    for member in stripped:
        member.roles = {crowd.other.id}
    await crowd.end_premium(ended)
    async with crowd.reconciling(roles) as reconciliation:
        crowd.standin.requests.clear()
        assert await reconciliation.sweep() == len(stripped) + len(ended)
        pages = crowd.standin.calls("GET", "/members")
        assert len(pages) == 5
        await crowd.delivered()
        assert await reconciliation.sweep() == 0
    expected = {member.user.id for member in (*premium, *by_hand)}
    assert crowd.holders() == expected - {member.user.id for member in ended}
    assert all(crowd.other.id in member.roles for member in stripped)
    assert len(crowd.standin.calls("PUT")) == len(stripped)
    assert len(crowd.standin.calls("DELETE")) == len(ended)


async def test_few_holders_in_a_large_guild_cost_few_calls(
    crowd: Crowd, roles: DiscordRoles
) -> None:
    crowd.fill(5_000)
    await crowd.make_premium([crowd.members[100], crowd.members[4_990]])
    async with crowd.reconciling(roles) as reconciliation:
        crowd.standin.requests.clear()
        assert await reconciliation.sweep() == 2
        assert len(crowd.standin.calls("GET", "/members")) == 2
        await crowd.delivered()
    assert crowd.holders() == {crowd.members[100].user.id, crowd.members[4_990].user.id}


@pytest.mark.parametrize("trouble", ["permission", "hierarchy", "role deleted"])
async def test_trouble_in_the_middle_of_a_sweep(
    crowd: Crowd, roles: DiscordRoles, trouble: str
) -> None:
    crowd.fill(2_500)
    premium = crowd.members[::100]
    await crowd.make_premium(premium)
    guild, standin = crowd.guild, crowd.standin
    standin.faults.add("GET", "*/members", delay=0.3, times=None)
    async with crowd.reconciling(roles) as reconciliation:
        sweep = asyncio.create_task(reconciliation.sweep())
        await standin.wait_until(lambda: len(standin.calls("GET", "/members")) == 2, 20)
        if trouble == "permission":
            guild.set_bot_permissions(0)
        elif trouble == "hierarchy":
            guild.move_role(crowd.role, 50)
        else:
            guild.remove_role(crowd.role)
        await sweep
        await crowd.delivered()
        assert {member.user.id for member in premium} - crowd.holders()
        # Nobody runs against the wall: a sweep finds it, and asks for no change.
        standin.requests.clear()
        assert await reconciliation.sweep() == 0
        assert standin.calls("PUT") == []
        if trouble == "role deleted":
            return
        guild.set_bot_permissions(MANAGER)
        guild.set_bot_position(60)
        assert await reconciliation.sweep() > 0
        await crowd.delivered()
    assert crowd.holders() == {member.user.id for member in premium}


async def test_discord_fails_in_the_middle(crowd: Crowd, roles: DiscordRoles) -> None:
    crowd.fill(2_500)
    premium = crowd.members[::100]
    await crowd.make_premium(premium)
    standin = crowd.standin
    async with crowd.reconciling(roles) as reconciliation:
        standin.faults.add("GET", "*/members", delay=0.0)
        standin.faults.add("GET", "*/members", status=503)
        assert await reconciliation.sweep() == 0
        assert await reconciliation.sweep() > 0
        await crowd.delivered()
    assert crowd.holders() == {member.user.id for member in premium}


@pytest.mark.parametrize("own", [0, 1])
async def test_the_guild_of_another_process_shard(
    standin: DiscordStandin, guild: Guild, database: Database, own: int
) -> None:
    crowd = Crowd(standin, guild, database)
    crowd.fill(10)
    await crowd.make_premium(crowd.members[:3])
    bot = SmallBot(shard_ids=[own], shard_count=2)
    async with connected(bot, standin), crowd.reconciling(make_roles(bot)) as reconciliation:
        assert await reconciliation.sweep() == 3
        await crowd.delivered()
    assert crowd.holders() == {member.user.id for member in crowd.members[:3]}
