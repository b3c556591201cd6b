"""Users, the audit trail, and small facts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.exc import StatementError

from moddy.models import MAX_SNOWFLAKE, Snowflake
from moddy.store import memory, premium_audit, users
from moddy.store.database import Database
from moddy.store.premium_audit import PremiumChange
from moddy.store.transactions import Connection
from moddy.store.users import User
from tests.store.rows import ADA, BEN, NOW

MOMENTS = [
    NOW,
    NOW + timedelta(microseconds=1),
    datetime(2025, 6, 1, 12, 30, 15, 999_999, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2025, 3, 30, 2, 30, tzinfo=timezone(timedelta(hours=5, minutes=45))),
]


async def find(database: Database, user_id: Snowflake = ADA) -> User:
    return await database.read(lambda c: users.find(c, user_id))


async def save_premium(
    database: Database, user_id: Snowflake, *, premium: bool, until: datetime | None = None
) -> None:
    async def work(connection: Connection) -> None:
        await users.lock(connection, user_id)
        await users.save_premium(connection, user_id, premium=premium, until=until)

    await database.transaction(work)


async def test_never_heard_of(database: Database) -> None:
    assert await find(database) == User(discord_id=ADA)


async def test_lock_makes_the_row_once(database: Database) -> None:
    first = await database.transaction(lambda c: users.lock(c, ADA))
    await save_premium(database, ADA, premium=True)
    second = await database.transaction(lambda c: users.lock(c, ADA))
    assert (first.premium, second.premium) == (False, True)


@pytest.mark.parametrize("number", [1, 2**53 + 1, 2**63 - 1, 2**63, MAX_SNOWFLAKE])
async def test_every_snowflake_fits(database: Database, number: int) -> None:
    user_id = Snowflake.parse(str(number))
    await save_premium(database, user_id, premium=True)
    found = await find(database, user_id)
    assert found == User(discord_id=user_id, premium=True)
    assert isinstance(found.discord_id, Snowflake)
    assert not (await find(database, Snowflake(number - 1))).premium


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
async def test_moments_come_back_to_the_microsecond_and_in_utc(
    database: Database, moment: datetime
) -> None:
    await save_premium(database, ADA, premium=True, until=moment)
    found = (await find(database)).premium_until
    assert found == moment
    assert found is not None
    assert found.tzinfo is UTC


async def test_naive_moment_is_refused(database: Database) -> None:
    with pytest.raises((StatementError, ValueError), match="aware"):
        await save_premium(database, ADA, premium=True, until=datetime(2025, 1, 1))  # noqa: DTZ001
    assert await find(database) == User(discord_id=ADA)


async def test_event_created_and_locale(database: Database) -> None:
    async def work(connection: Connection) -> None:
        ada = await users.lock(connection, ADA)
        await users.save_event(connection, ada, created=NOW, plan="moddy_max")
        ada = await users.lock(connection, ADA)
        # What an event does not tell stays as it was.
        await users.save_event(connection, ada, created=None, plan=None)

    await database.transaction(work)
    for locale in ("fr", "pt-BR"):
        await database.transaction(lambda c, new=locale: users.save_locale(c, ADA, new))  # type: ignore[misc]
    await database.transaction(lambda c: users.save_locale(c, BEN, "de"))
    ada = User(discord_id=ADA, locale="pt-BR", last_event_created=NOW, plan="moddy_max")
    assert await find(database) == ada
    assert await find(database, BEN) == User(discord_id=BEN, locale="de")


async def test_ended_premium_is_found(database: Database) -> None:
    for number, (premium, seconds) in enumerate(
        [(True, 0), (True, -5), (True, 1), (True, None), (False, -5)], start=1
    ):
        until = None if seconds is None else NOW + timedelta(seconds=seconds)
        await save_premium(database, Snowflake(number), premium=premium, until=until)
    assert await database.read(lambda c: users.find_ended(c, NOW, limit=10)) == ["2", "1"]
    assert await database.read(lambda c: users.find_ended(c, NOW, limit=1)) == ["2"]


async def test_ended_grace_is_found(database: Database) -> None:
    def seconds(number: float | None) -> datetime | None:
        return None if number is None else NOW + timedelta(seconds=number)

    kept = [(True, None, 0), (True, 1, -5), (True, -9, 1), (True, None, 1), (False, None, -5)]
    for number, (premium, until, grace) in enumerate(kept, start=1):

        async def work(connection: Connection) -> None:
            user_id = Snowflake(number)  # noqa: B023
            await users.lock(connection, user_id)
            await users.save_premium(
                connection,
                user_id,
                premium=premium,  # noqa: B023
                until=seconds(until),  # noqa: B023
                grace_until=seconds(grace),  # noqa: B023
            )

        await database.transaction(work)
    found = await database.read(lambda c: users.find_ended(c, NOW, limit=10))
    assert sorted(found) == ["1", "2", "3"]


async def test_transactions_of_one_user_wait_for_each_other(database: Database) -> None:
    """Each adds a letter to what it read; none may get lost."""

    async def work(connection: Connection) -> None:
        user = await users.lock(connection, ADA)
        await asyncio.sleep(0)
        await users.save_locale(connection, ADA, (user.locale or "") + "x")

    await asyncio.gather(*(database.transaction(work) for _ in range(12)))
    assert (await find(database)).locale == "x" * 12


async def test_audit_trail(database: Database) -> None:
    changes = [
        PremiumChange(
            discord_id=user_id,
            actor="backend",
            old_premium=False,
            old_until=None,
            new_premium=True,
            new_until=NOW,
            reason=reason,
            request_id=request_id,
            at=NOW,
        )
        for user_id, reason, request_id in (
            (ADA, "subscription_created", "r" * 64),
            (BEN, "plan_upgraded", None),
            (ADA, "plan_downgraded", None),
        )
    ]

    async def work(connection: Connection) -> None:
        for change in changes:
            await premium_audit.add(connection, change)

    await database.transaction(work)
    assert await database.read(lambda c: premium_audit.find(c, ADA)) == [changes[0], changes[2]]


async def test_memory(database: Database) -> None:
    assert await database.read(lambda c: memory.recall(c, "key")) is None
    for value in ("one", "two"):
        await database.transaction(lambda c, new=value: memory.remember(c, "key", new))  # type: ignore[misc]
        assert await database.read(lambda c: memory.recall(c, "key")) == value
    assert await database.read(lambda c: memory.recall(c, "other")) is None
