"""Among many rows, those that are looked for are found by an index."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from moddy.models import EventType, Snowflake
from moddy.store import deliveries, events, upkeep
from moddy.store.database import Database
from moddy.store.deliveries import DeliveryState
from moddy.store.tables import deliveries as table
from moddy.store.transactions import Connection
from tests.store.rows import NOW

MANY = 8_000
USERS = [Snowflake(10**17 + number) for number in range(100)]
JOINED, LEFT = EventType.MEMBER_JOINED, EventType.MEMBER_LEFT
LONG_AGO = NOW - timedelta(days=1000)
READS: dict[str, tuple[Callable[[Connection], Awaitable[object]], str]] = {
    "remove_finished": (
        lambda c: upkeep.remove_finished(c, LONG_AGO, limit=500),
        "ix_deliveries_finished_at",
    ),
    "count_waiting": (events.count_waiting, "ix_deliveries_topic_state_sequence"),
    "drop_oldest": (
        lambda c: events.drop_oldest(c, JOINED, now=NOW, limit=500),
        "ix_deliveries_topic_state_sequence",
    ),
    "find_newest": (
        lambda c: events.find_newest(c, USERS[:3], [JOINED, LEFT]),
        "ix_deliveries_discord_id_topic_sequence",
    ),
    "find_since": (
        lambda c: events.find_since(c, USERS[:3], JOINED, LONG_AGO),
        "ix_deliveries_discord_id_topic_sequence",
    ),
    "claim_kept": (
        lambda c: deliveries.claim_kept(c, USERS[0], now=NOW, limit=5),
        "ix_deliveries_discord_id",
    ),
}
# Words for reading from one end to the other: PostgreSQL's and SQLite's.
WHOLE = ("Seq Scan", "SCAN deliveries")


def row(number: int) -> dict[str, object]:
    """Return one of many; each twentieth is an event, each fifth kept, and most are finished."""
    is_event = number % 20 == 0
    waits = number % 100 == 0
    is_kept = number % 5 == 1
    state = DeliveryState.DELIVERED
    if waits or is_kept:
        state = DeliveryState.PENDING if waits else DeliveryState.KEPT
    return {
        "id": f"{number:024x}",
        "kind": "event" if is_event else "notify",
        "topic": JOINED.value if is_event else None,
        "discord_id": USERS[number % 7 * 13],
        "state": state.value,
        "payload": b"{}",
        "body_hash": b"",
        "tries": 1,
        "created_at": NOW,
        "finished_at": None if waits or is_kept else NOW - timedelta(seconds=number - MANY // 2),
    }


@pytest.mark.parametrize("name", READS)
async def test_reads_by_index(database: Database, name: str) -> None:
    read, index = READS[name]
    plan = await explain_among_many(database, read)
    assert index in plan, plan
    assert not [word for word in WHOLE if word in plan], plan


async def test_the_oldest_need_not_be_sorted(database: Database) -> None:
    plan = await explain_among_many(database, READS["remove_finished"][0])
    assert "ix_deliveries_state" not in plan, plan
    assert "TEMP B-TREE" not in plan, plan


async def explain_among_many(
    database: Database, work: Callable[[Connection], Awaitable[object]]
) -> str:
    rows = [row(number) for number in range(MANY)]
    await database.transaction(lambda c: c.execute(sa.insert(table), rows))
    return await database.transaction(lambda c: explain(c, work))


async def explain(connection: Connection, work: Callable[[Connection], Awaitable[object]]) -> str:
    """Return the plan of the statement that a work really makes."""
    statements: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, given: object, *_: object) -> None:
        statements.append((statement, given))

    engine = await connection.run_sync(lambda sync: sync.engine)
    is_sqlite = connection.dialect.name == "sqlite"
    if not is_sqlite:
        await connection.execute(sa.text("ANALYZE deliveries"))
    sa.event.listen(engine, "before_cursor_execute", note)
    await work(connection)
    sa.event.remove(engine, "before_cursor_execute", note)
    [(statement, given)] = statements
    prefix = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
    found = await connection.run_sync(
        lambda sync: sync.exec_driver_sql(prefix + statement, given).all()
    )
    return "\n".join(str(line[-1]) for line in found)
