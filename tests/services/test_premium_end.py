"""Premium that ends by itself takes its role with it, once, whoever is at it at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import msgspec
import pytest
import sqlalchemy as sa

from moddy.models import NotifyAction, Snowflake
from moddy.services.premium import Premium, PremiumStatus
from moddy.services.roles import RolesPayload
from moddy.store import premium_audit, users
from moddy.store.database import Database, open_database
from moddy.store.deliveries import DeliveryState
from moddy.store.tables import deliveries
from moddy.store.transactions import Connection
from tests.fakes import RoleChange
from tests.services.stage import ADA, GUILD, OTHER_ROLE, PREMIUM_PLANS, PREMIUM_ROLE, Stage

GRACE = timedelta(days=7)
OFF = PremiumStatus(premium=False)
CANCELLED = NotifyAction.SUBSCRIPTION_CANCELLED
UPDATED = NotifyAction.SUBSCRIPTION_UPDATED
PENDING, REPLACED = DeliveryState.PENDING.value, DeliveryState.REPLACED.value
DELIVERED = DeliveryState.DELIVERED.value
REMOVAL = RolesPayload(guild_id=GUILD, add=(), remove=(PREMIUM_ROLE,))


@pytest.fixture
async def other_database(database: Database, migrated_url: str) -> AsyncIterator[Database]:
    """The same store, opened as another process would."""
    async with open_database(migrated_url) as opened:
        yield opened


async def give_premium(stage: Stage, *user_ids: Snowflake, until: datetime) -> None:
    async def work(connection: Connection) -> None:
        for user_id in user_ids:
            await users.lock(connection, user_id)
            await users.save_premium(connection, user_id, premium=True, until=until)

    await stage.database.transaction(work)


async def role_updates(stage: Stage) -> list[tuple[str, RolesPayload]]:
    """Return the state and payload of every role update, in the order of acceptance."""
    query = (
        sa.select(deliveries.c.state, deliveries.c.payload)
        .where(deliveries.c.kind == "roles")
        .order_by(deliveries.c.sequence)
    )
    rows = (await stage.database.read(lambda c: c.execute(query))).all()
    return [(state, msgspec.json.decode(payload, type=RolesPayload)) for state, payload in rows]


async def reasons(stage: Stage, user_id: Snowflake = ADA) -> list[str]:
    trail = await stage.database.read(lambda c: premium_audit.find(c, user_id))
    return [change.reason for change in trail]


async def test_the_role_goes_with_it(stage: Stage) -> None:
    stage.roles.add_member(ADA, PREMIUM_ROLE, OTHER_ROLE)
    end = stage.clock.now() + timedelta(days=30)
    await give_premium(stage, ADA, until=end)
    assert await stage.premium.end_due() == 0
    assert (stage.woken, await role_updates(stage)) == (0, [])
    stage.clock.advance(timedelta(days=30))
    assert await stage.premium.end_due() == 1
    assert stage.woken == 1
    assert await role_updates(stage) == [(PENDING, REMOVAL)]
    async with stage.working(), asyncio.timeout(5):
        while await role_updates(stage) != [(DELIVERED, REMOVAL)]:  # noqa: ASYNC110 (rows)
            await asyncio.sleep(0.005)
    assert stage.roles.changes == [RoleChange(user_id=ADA, add=(), remove=(PREMIUM_ROLE,))]
    assert stage.roles.members[ADA] == {OTHER_ROLE}
    assert await stage.premium.end_due() == 0


async def test_audit_and_role_update_carry_one_request_id(stage: Stage) -> None:
    await give_premium(stage, ADA, until=stage.clock.now())
    await stage.premium.end_due()
    [change] = await stage.database.read(lambda c: premium_audit.find(c, ADA))
    query = sa.select(deliveries.c.request_id)
    assert await stage.database.read(lambda c: c.scalar(query)) == change.request_id


async def test_older_role_updates_that_wait_are_replaced(stage: Stage) -> None:
    await stage.accept_roles()
    await give_premium(stage, ADA, until=stage.clock.now())
    await stage.premium.end_due()
    [older, newer] = await role_updates(stage)
    assert (older[0], newer) == (REPLACED, (PENDING, REMOVAL))


async def test_without_a_role_to_take(stage: Stage) -> None:
    await give_premium(stage, ADA, until=stage.clock.now())
    for guild_id, role_id in ((None, None), (GUILD, None), (None, PREMIUM_ROLE)):
        await give_premium(stage, ADA, until=stage.clock.now())
        premium = Premium(
            database=stage.database,
            clock=stage.clock,
            premium_plans=PREMIUM_PLANS,
            guild_id=guild_id,
            role_id=role_id,
        )
        assert await premium.end_due() == 1
        assert await premium.status(ADA) == OFF
    assert await role_updates(stage) == []


async def test_premium_again_before_the_sweep(stage: Stage) -> None:
    await give_premium(stage, ADA, until=stage.clock.now())
    await stage.accept_notice()
    assert await stage.premium.end_due() == 0
    assert await stage.premium.status(ADA) == PremiumStatus(premium=True)
    assert await role_updates(stage) == []


@pytest.mark.parametrize("action", [UPDATED, CANCELLED])
async def test_an_event_between_the_end_and_the_sweep(stage: Stage, action: NotifyAction) -> None:
    """It finds premium off; the role goes all the same, once."""
    await give_premium(stage, ADA, until=stage.clock.now())
    await stage.accept_notice(action, plan=None)
    assert await stage.premium.end_due() == 0
    assert await role_updates(stage) == [(PENDING, REMOVAL)]
    assert await reasons(stage) == ["period_ended"]


async def test_the_grace_ends_as_a_period_does(stage: Stage) -> None:
    await stage.accept_notice()
    past_due = {"status": "past_due"}
    await stage.accept_notice(UPDATED, metadata=past_due)
    end = stage.clock.now() + GRACE
    stage.clock.advance(timedelta(days=3))
    await stage.accept_notice(UPDATED, metadata=past_due)
    assert await stage.premium.status(ADA) == PremiumStatus(premium=True, until=end)
    stage.clock.advance(timedelta(days=4))
    assert await stage.premium.end_due() == 1
    assert await role_updates(stage) == [(PENDING, REMOVAL)]
    await stage.accept_notice(UPDATED, metadata=past_due)
    assert await stage.premium.status(ADA) == OFF
    assert await reasons(stage) == ["subscription_created", "subscription_updated", "grace_ended"]
    await stage.accept_notice(UPDATED, metadata={"status": "active"})
    assert await stage.premium.status(ADA) == PremiumStatus(premium=True)
    assert await stage.premium.end_due() == 0


async def test_paid_within_the_grace(stage: Stage) -> None:
    await stage.accept_notice()
    await stage.accept_notice(UPDATED, metadata={"status": "past_due"})
    await stage.accept_notice(UPDATED, plan=None, metadata={"status": "active"})
    stage.clock.advance(GRACE)
    assert await stage.premium.end_due() == 0
    assert await stage.premium.status(ADA) == PremiumStatus(premium=True)


async def test_two_processes_end_each_once(stage: Stage, other_database: Database) -> None:
    """Even when both sweep at the same time, as after a claim that was lost."""
    other = stage.make_premium(other_database)
    user_ids = [Snowflake(number) for number in range(1, 131)]
    await give_premium(stage, *user_ids, until=stage.clock.now())
    counts = await asyncio.gather(stage.premium.end_due(), other.end_due())
    assert sum(counts) == len(user_ids)
    assert await role_updates(stage) == [(PENDING, REMOVAL)] * len(user_ids)
    assert [await reasons(stage, user_id) for user_id in user_ids] == [["period_ended"]] * 130
