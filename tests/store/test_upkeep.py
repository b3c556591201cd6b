"""What may be removed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from moddy.store import upkeep
from moddy.store.database import Database, open_database
from moddy.store.deliveries import DeliveryState
from moddy.store.migrate import migrate
from moddy.store.tables import deliveries
from tests.store.rows import ADA, NOW

# The states that the contract of housekeeping names, written another way than in the module.
STAYS = {"pending", "waiting", "kept", "uncertain"}


def row(number: int, state: str, seconds: float | None) -> dict[str, object]:
    """Return a row that finished so many seconds before NOW."""
    return {
        "id": f"{number:024x}",
        "kind": "notify",
        "discord_id": ADA,
        "state": state,
        "payload": b"{}",
        "body_hash": b"",
        "tries": 1,
        "created_at": NOW,
        "finished_at": None if seconds is None else NOW - timedelta(seconds=seconds),
    }


async def insert(database: Database, *rows: dict[str, object]) -> None:
    await database.transaction(lambda c: c.execute(sa.insert(deliveries), list(rows)))


async def left(database: Database) -> list[str]:
    query = sa.select(deliveries.c.id).order_by(deliveries.c.sequence)
    return [str(int(found, 16)) for found in await database.read(lambda c: c.scalars(query))]


async def remove(database: Database, limit: int = 100) -> int:
    return await database.transaction(lambda c: upkeep.remove_finished(c, NOW, limit=limit))


@pytest.mark.parametrize("state", DeliveryState)
@pytest.mark.parametrize("seconds", [1, None])
async def test_by_state(database: Database, state: DeliveryState, seconds: float | None) -> None:
    await insert(database, row(1, state.value, seconds))
    goes = seconds is not None and state.value not in STAYS
    assert await remove(database) == int(goes)
    assert await left(database) == ([] if goes else ["1"])


async def test_the_oldest_first_and_none_that_is_young(database: Database) -> None:
    ages = [3, 1, 0, 2, -1]
    await insert(
        database, *(row(number, "delivered", age) for number, age in enumerate(ages, start=1))
    )
    assert await remove(database, limit=2) == 2
    assert await left(database) == ["2", "3", "5"]
    assert await remove(database, limit=2) == 1
    assert await left(database) == ["3", "5"]


async def test_one_that_is_retried_meanwhile_stays(postgresql_url: str) -> None:
    """The removal waits for the row on PostgreSQL, and then looks at it again."""
    async with open_database(postgresql_url) as database:
        await migrate(database)
        await check_retried_meanwhile(database)


async def check_retried_meanwhile(database: Database) -> None:
    await insert(database, row(1, "dead", 1))
    async with database.connect_patiently() as connection, connection.begin():
        await connection.execute(
            sa.update(deliveries).values(state="pending", finished_at=None, due_at=NOW)
        )
        removal = asyncio.create_task(remove(database))
        await wait_for_a_waiting_lock(database)
        assert not removal.done()
        await connection.commit()
    assert await removal == 0
    assert await left(database) == ["1"]


async def wait_for_a_waiting_lock(database: Database) -> None:
    query = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    async with asyncio.timeout(4):
        while not await database.read(lambda c: c.scalar(query)):  # noqa: ASYNC110 (a server's)
            await asyncio.sleep(0.005)
