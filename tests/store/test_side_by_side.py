"""Works of one group that go side by side: each gets what is its own, and nothing gets lost."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from moddy.models import Snowflake
from moddy.services import intake
from moddy.services.intake import Accepted
from moddy.store import deliveries, users
from moddy.store.database import Database
from moddy.store.delivery_rows import Answer, Delivery, DeliveryKind, DeliveryState, RequestContext
from moddy.store.prepared import Prepared
from moddy.store.tables import deliveries as table
from moddy.store.tables import users as users_table
from moddy.store.transactions import Connection
from tests.store.holding import Holding

QUEUED = Answer(202, b"{}")
NOW = datetime(2026, 11, 21, 12, 30, 15, 123456, tzinfo=UTC)


def make_delivery(number: int, user: str) -> Delivery:
    return Delivery(
        id=f"{number:024x}",
        kind=DeliveryKind.NOTIFY,
        user_id=Snowflake(user),
        state=DeliveryState.PENDING,
        payload=b"{}",
        created_at=NOW,
    )


def make_context(key: str | None) -> RequestContext:
    return RequestContext(request_id="r", body_hash=bytes(32), idempotency_key=key)


async def accept(connection: Connection, number: int, user: str, key: str | None = None) -> bool:
    """Do as a request's acceptance does; returns whether the user was known with a locale."""
    known = await deliveries.find_known(connection, DeliveryKind.NOTIFY, key or "none")
    found = await users.lock(connection, Snowflake(user))
    assert found.discord_id == user
    assert known is None
    await deliveries.insert(connection, make_delivery(number, user), make_context(key))
    return found.locale is not None


async def hold_up(database: Database, group: asyncio.TaskGroup) -> Holding:
    """Keep every writer busy, so that what comes next goes in groups."""
    holding = Holding(database)
    for writer in range(database.writers):
        about = next(str(n) for n in range(1000) if hash(str(n)) % database.writers == writer)
        group.create_task(database.transaction(holding.hold, about=about))
    await holding.inside.wait()
    await asyncio.sleep(0.05)
    return holding


async def test_each_gets_its_own(database: Database) -> None:
    """New users and known ones, several requests of one user, all in a few groups."""
    for n in range(1000, 1060, 2):
        await database.transaction(
            lambda c, n=n: users.save_locale(c, Snowflake(str(n)), "fr")  # type: ignore[misc]
        )
    order = [str(1000 + n % 60) for n in range(180)]
    random.Random(7).shuffle(order)  # noqa: S311
    async with asyncio.TaskGroup() as group:
        holding = await hold_up(database, group)
        tasks = [
            group.create_task(
                database.transaction(
                    lambda c, n=n, user=user: accept(c, n, user),  # type: ignore[misc]
                    about=user,
                    only_about=True,
                )
            )
            for n, user in enumerate(order)
        ]
        await asyncio.sleep(0.05)
        holding.release()
    assert [task.result() for task in tasks] == [int(user) % 2 == 0 for user in order]
    query = sa.select(table.c.discord_id, table.c.id).order_by(table.c.sequence)
    stored = (await database.read(lambda c: c.execute(query))).all()
    for one in set(order):
        accepted = [f"{n:024x}" for n, user in enumerate(order) if user == one]
        assert [row.id for row in stored if row.discord_id == one] == accepted


async def test_work_without_a_lane_runs_alone(database: Database) -> None:
    """Whatever it touches, nobody's work goes on in the middle of it."""
    steps: list[str] = []

    async def work(connection: Connection, name: str) -> None:
        for _ in range(3):
            steps.append(name)
            await users.find(connection, Snowflake("1"))

    async with asyncio.TaskGroup() as group:
        holding = await hold_up(database, group)
        for name in "abcdef":
            group.create_task(
                database.transaction(
                    lambda c, name=name: work(c, name),  # type: ignore[misc]
                    about="7",
                    only_about=name in "bcf",
                )
            )
        await asyncio.sleep(0.05)
        holding.release()
    text = "".join(steps)
    assert "aaa" in text
    assert "ddd" in text
    assert "eee" in text
    assert text.index("aaa") < text.index("b") < text.index("ddd") < text.index("f")


async def test_one_key_in_several_requests_of_a_group(database: Database) -> None:
    """All look before any of them is stored, and yet only one is."""

    async def store_new(connection: Connection, number: int) -> Accepted:
        await users.lock(connection, Snowflake(str(number)))
        delivery = make_delivery(number, str(number))
        await deliveries.insert(connection, delivery, make_context("key"))
        return Accepted(queued=QUEUED, delivery=delivery)

    async with asyncio.TaskGroup() as group:
        holding = await hold_up(database, group)
        tasks = [
            asyncio.create_task(
                intake.accept(
                    database,
                    DeliveryKind.NOTIFY,
                    make_context("key"),
                    user_id=Snowflake(str(n)),
                    queued=QUEUED,
                    store_new=lambda c, n=n: store_new(c, n),  # type: ignore[misc]
                )
            )
            for n in range(8)
        ]
        await asyncio.sleep(0.05)
        holding.release()
        results = await asyncio.gather(*tasks)
    assert sum(result.delivery is not None for result in results) == 1


async def test_failure_of_one_is_nobody_elses(database: Database) -> None:
    async def fail(connection: Connection) -> None:
        await accept(connection, 999, "5")
        raise LookupError("5")

    async with asyncio.TaskGroup() as group:
        holding = await hold_up(database, group)
        tasks = [
            asyncio.create_task(
                database.transaction(
                    fail if n == 5 else lambda c, n=n: accept(c, n, str(n)),  # type: ignore[misc]
                    about=str(n),
                    only_about=True,
                )
            )
            for n in range(10)
        ]
        await asyncio.sleep(0.05)
        holding.release()
        await asyncio.gather(*tasks, return_exceptions=True)
        with pytest.raises(LookupError):
            tasks.pop(5).result()
    query = sa.select(sa.func.count()).select_from(table)
    assert await database.read(lambda c: c.scalar(query)) == 9


async def test_cancellation_is_never_lost(database: Database) -> None:
    """It does not turn into an outage that the caller would go on after."""
    query = sa.select(users_table)

    async def work(connection: Connection) -> None:
        await users.lock(connection, Snowflake("1"))
        await connection.execute(query)

    await database.transaction(work)
    for step in range(150):
        use = database.read if step % 2 else database.transaction
        task = asyncio.create_task(use(work))
        await asyncio.sleep(0.003 * random.random())  # noqa: S311
        is_cancelled = task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        assert result is None or (is_cancelled and isinstance(result, asyncio.CancelledError))
    await database.transaction(work)


async def test_prepared_gives_what_sqlalchemy_gives(database: Database) -> None:
    """Moments with their offset, empty values, bytes, truth values."""
    moment = NOW.astimezone()
    delivery = make_delivery(1, "1")

    async def work(connection: Connection) -> None:
        await users.lock(connection, Snowflake("1"))
        await users.save_premium(
            connection, Snowflake("1"), premium=True, until=moment + timedelta(days=1)
        )
        await deliveries.insert(connection, delivery, make_context("a key"))
        for one in (users_table, table):
            prepared = Prepared(sa.select(one))
            (row,) = await connection.fetch(prepared, {})
            expected = (await connection.execute(sa.select(one))).one()
            assert dict(zip(prepared.names, row, strict=True)) == expected._asdict()
        assert (await users.find(connection, Snowflake("1"))).premium_until == moment + timedelta(
            days=1
        )

    await database.transaction(work)


async def test_prepared_wants_all_its_values(database: Database) -> None:
    prepared = Prepared(
        sa.insert(users_table).inline(), writes=["discord_id", "premium", "premium_until"]
    )

    async def work(connection: Connection) -> None:
        await connection.fetch(prepared, {"discord_id": "1", "premium": False})

    with pytest.raises(KeyError, match="premium_until"):
        await database.transaction(work)


async def test_error_of_a_prepared_statement_holds_no_values(database: Database) -> None:
    await database.transaction(lambda c: accept(c, 1, "1", "a-key"))
    with pytest.raises(IntegrityError) as caught:
        await database.transaction(
            lambda c: deliveries.insert(c, make_delivery(2, "2"), make_context("a-key"))
        )
    assert caught.value.params is None
    assert caught.value.statement is None
