"""What may be removed, and that finding it reads no more than that."""

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
from moddy.store.transactions import Connection
from tests.store.rows import ADA, NOW

# The states that the contract of housekeeping names, written another way than in the module.
STAYS = {"pending", "waiting", "kept", "uncertain"}
MANY = 8_000


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


async def test_reads_by_index(database: Database) -> None:
    """Among many rows, nothing is read from one end to the other."""
    states = ("delivered", "pending", "kept", "refused")
    rows = [row(n, states[n % 4], None if n % 4 in (1, 2) else n - MANY // 2) for n in range(MANY)]
    await insert(database, *rows)
    plan = await database.transaction(explain_removal)
    assert "ix_deliveries_finished_at" in plan, plan
    assert "ix_deliveries_state" not in plan, plan
    assert "Seq Scan" not in plan  # PostgreSQL's word
    assert "SCAN deliveries" not in plan  # SQLite's, when without an index
    assert "TEMP B-TREE" not in plan


async def explain_removal(connection: Connection) -> str:
    """Return the plan of the statement that `remove_finished` really makes."""
    statements: list[tuple[str, object]] = []

    def note(_c: object, _cursor: object, statement: str, given: object, *_: object) -> None:
        statements.append((statement, given))

    engine = await connection.run_sync(lambda sync: sync.engine)
    is_sqlite = connection.dialect.name == "sqlite"
    if not is_sqlite:
        await connection.execute(sa.text("ANALYZE deliveries"))
    sa.event.listen(engine, "before_cursor_execute", note)
    await upkeep.remove_finished(connection, NOW - timedelta(days=1000), limit=500)
    sa.event.remove(engine, "before_cursor_execute", note)
    [(statement, given)] = statements
    prefix = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
    assert isinstance(given, tuple)
    found = await connection.run_sync(
        lambda sync: sync.exec_driver_sql(prefix + statement, given).all()
    )
    return "\n".join(str(line[-1]) for line in found)
