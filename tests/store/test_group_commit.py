"""Concurrent callers share transactions, and nobody notices but the disk."""

from __future__ import annotations

import asyncio
import random

import pytest

from moddy.models import Snowflake
from moddy.store import memory, users
from moddy.store.database import BUSY_TIMEOUT, Database, open_database
from moddy.store.postgresql import WRITERS
from moddy.store.transactions import Connection
from tests.store.holding import Holding


async def recall(database: Database, key: str = "key") -> str | None:
    return await database.read(lambda c: memory.recall(c, key))


async def remember(database: Database, value: str, key: str = "key") -> None:
    await database.transaction(lambda c: memory.remember(c, key, value))


async def test_cancelled_before_its_turn_is_not_run(database: Database) -> None:
    holding = Holding(database)
    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):  # SQLite has one writer, and it is busy as well
            group.create_task(database.transaction(holding.hold))
            await asyncio.sleep(0.1)
        waiting = asyncio.create_task(remember(database, "value"))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        holding.release()
    assert await recall(database) is None


async def test_cancelled_at_any_moment(database: Database) -> None:
    """Whatever was going on, what follows finds no lock held and no half transaction."""

    async def both(connection: Connection, value: str) -> None:
        for key in ("one", "other"):
            await memory.remember(connection, key, value)

    for step in range(25):
        task = asyncio.create_task(
            database.transaction(lambda c, value=f"{step}": both(c, value))  # type: ignore[misc]
        )
        for _ in range(step):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await asyncio.wait_for(remember(database, "after"), BUSY_TIMEOUT)
    assert await recall(database) == "after"
    assert await recall(database, "one") == await recall(database, "other")


async def test_group_shares_a_commit_and_each_gets_its_own_result(migrated_url: str) -> None:
    commits: list[str] = []
    async with open_database(migrated_url, checkpoint=commits.append) as database:

        async def work(connection: Connection, n: int) -> int:
            await memory.remember(connection, f"key {n}", "value")
            return n

        tasks = [
            database.transaction(lambda c, n=n: work(c, n))  # type: ignore[misc]
            for n in range(200)
        ]
        assert await asyncio.gather(*tasks) == list(range(200))
        assert 1 <= len(commits) <= 20
        assert await recall(database, "key 199") == "value"


async def test_one_failure_in_a_group_is_nobody_elses(database: Database) -> None:
    async def fail(connection: Connection) -> None:
        await memory.remember(connection, "bad", "value")
        raise LookupError("of the caller's own")

    results = await asyncio.gather(
        *(
            database.transaction(fail) if n % 5 == 0 else remember(database, f"{n}", f"key {n}")
            for n in range(20)
        ),
        return_exceptions=True,
    )
    assert [isinstance(one, LookupError) for one in results] == [n % 5 == 0 for n in range(20)]
    assert await recall(database, "bad") is None
    assert [await recall(database, f"key {n}") for n in (1, 2, 19)] == ["1", "2", "19"]


async def test_groups_do_not_wait_for_each_other_in_a_circle(database: Database) -> None:
    """Each locks one user, in no order; sharing a transaction must not make a deadlock of it."""
    order = random.Random(7)  # noqa: S311 (the same order each time)
    ids = [Snowflake(order.randrange(1, 9)) for _ in range(200)]

    async def work(connection: Connection, user_id: Snowflake) -> None:
        await users.lock(connection, user_id)
        await asyncio.sleep(0)

    results = await asyncio.gather(
        *(database.transaction(lambda c, one=one: work(c, one)) for one in ids),  # type: ignore[misc]
        return_exceptions=True,
    )
    assert [one for one in results if one is not None] == []


async def test_writers_at_once_all_get_through(database: Database, migrated_url: str) -> None:
    async with open_database(migrated_url) as other:
        await asyncio.gather(
            *(remember((database, other)[n % 2], f"{n}", key=f"key {n}") for n in range(40))
        )
    values = [await recall(database, f"key {n}") for n in range(40)]
    assert values == [f"{n}" for n in range(40)]
