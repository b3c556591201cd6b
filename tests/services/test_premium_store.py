"""Premium as it is stored: the audit trail and the sweep."""

from __future__ import annotations

from datetime import timedelta

import pytest

from moddy.models import NotifyAction, Snowflake
from moddy.notices import NotifyMetadata
from moddy.services.premium import Premium, PremiumStatus
from moddy.store import premium_audit, users
from moddy.store.database import Database
from moddy.store.premium_audit import PremiumChange
from moddy.store.transactions import Connection
from tests.fakes import START, FixedClock

NOW = START

AHEAD = NOW + timedelta(days=30)

ADA = Snowflake("100000000000000001")

PREMIUM_PLANS = frozenset({"moddy_max"})

CREATED = NotifyAction.SUBSCRIPTION_CREATED

UPDATED = NotifyAction.SUBSCRIPTION_UPDATED

CANCELLED = NotifyAction.SUBSCRIPTION_CANCELLED

DOWNGRADED = NotifyAction.PLAN_DOWNGRADED

OFF = PremiumStatus(premium=False)

ON = PremiumStatus(premium=True)

ON_UNTIL_AHEAD = PremiumStatus(premium=True, until=AHEAD)

NOTHING = NotifyMetadata()

ENDING = NotifyMetadata(cancel_at_period_end=True, current_period_end=AHEAD)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def premium(database: Database, clock: FixedClock) -> Premium:
    return Premium(database=database, clock=clock, premium_plans=PREMIUM_PLANS)


async def apply(
    database: Database,
    premium: Premium,
    action: NotifyAction,
    *,
    plan: str | None = "moddy_max",
    metadata: NotifyMetadata = NOTHING,
    user_id: Snowflake = ADA,
) -> None:
    async def work(connection: Connection) -> None:
        user = await users.lock(connection, user_id)
        await premium.apply(
            connection, user, action, plan=plan, metadata=metadata, request_id="request"
        )

    await database.transaction(work)


async def trail(database: Database, user_id: Snowflake = ADA) -> list[PremiumChange]:
    return await database.read(lambda c: premium_audit.find(c, user_id))


async def test_unknown_user_has_none(premium: Premium) -> None:
    assert await premium.status(ADA) == OFF


async def test_each_change_is_in_the_trail_and_nothing_else(
    database: Database, premium: Premium, clock: FixedClock
) -> None:
    await apply(database, premium, CREATED)
    clock.advance(timedelta(seconds=60))
    await apply(database, premium, UPDATED)  # changes nothing
    await apply(database, premium, CANCELLED, metadata=ENDING)
    await apply(database, premium, DOWNGRADED, plan="moddy_mini")
    told = [
        (one.old_premium, one.old_until, one.new_premium, one.new_until, one.reason)
        for one in await trail(database)
    ]
    assert told == [
        (False, None, True, None, "subscription_created"),
        (True, None, True, AHEAD, "subscription_cancelled"),
        (True, AHEAD, False, None, "plan_downgraded"),
    ]
    first, second, _ = await trail(database)
    assert (first.actor, first.request_id, first.at) == ("backend", "request", NOW)
    assert second.at == NOW + timedelta(seconds=60)


async def test_ends_by_itself(database: Database, premium: Premium, clock: FixedClock) -> None:
    await apply(database, premium, CANCELLED, metadata=ENDING)
    assert await premium.status(ADA) == ON_UNTIL_AHEAD
    clock.advance(AHEAD - timedelta(microseconds=1) - NOW)
    assert await premium.end_due() == 0
    clock.advance(AHEAD - clock.now())
    assert await premium.status(ADA) == OFF  # before any sweep
    assert await premium.end_due() == 1
    assert await premium.end_due() == 0
    assert await premium.status(ADA) == OFF
    last = (await trail(database))[-1]
    assert (last.actor, last.reason) == ("moddy", "period_ended")
    assert (last.old_premium, last.old_until, last.new_premium) == (True, AHEAD, False)
    assert last.at == AHEAD


async def test_renewed_before_the_sweep(
    database: Database, premium: Premium, clock: FixedClock
) -> None:
    await apply(database, premium, CANCELLED, metadata=ENDING)
    clock.advance(AHEAD - clock.now())
    await apply(database, premium, CREATED)
    assert await premium.end_due() == 0
    assert await premium.status(ADA) == ON


async def test_update_without_a_plan_does_not_revive_what_has_ended(
    database: Database, premium: Premium, clock: FixedClock
) -> None:
    await apply(database, premium, CANCELLED, metadata=ENDING)
    clock.advance(AHEAD - clock.now())
    await apply(database, premium, UPDATED, plan=None)
    assert await premium.status(ADA) == OFF


async def test_sweep_ends_many(database: Database, premium: Premium, clock: FixedClock) -> None:
    async def work(connection: Connection) -> None:
        for number in range(1, 121):
            user_id = Snowflake(number)
            await users.lock(connection, user_id)
            await users.save_premium(connection, user_id, premium=True, until=NOW)

    await database.transaction(work)
    assert await premium.end_due() + await premium.end_due() == 120
    assert await premium.end_due() == 0
    assert len(await trail(database, Snowflake(120))) == 1
