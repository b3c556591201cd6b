"""Housekeeping: finished deliveries leave when they are old enough, everything else stays."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from moddy.models import NotifyAction
from moddy.services import housekeeping
from moddy.services.housekeeping import Housekeeping
from moddy.store import premium_audit
from moddy.store.database import Database
from moddy.store.deliveries import DeliveryState
from moddy.store.tables import deliveries
from tests.fakes import START, FixedClock
from tests.services.stage import ADA, Stage

RETENTION = timedelta(days=30)


def make(database: Database, clock: FixedClock) -> Housekeeping:
    return Housekeeping(database=database, clock=clock, retention=RETENTION, pause=0.001)


async def fill(database: Database, count: int) -> None:
    """Store deliveries that finished one second after the other, the last one at START."""
    rows = [
        {
            "id": f"{number:024x}",
            "kind": "notify",
            "discord_id": ADA,
            "state": DeliveryState.DELIVERED.value,
            "payload": b"{}",
            "body_hash": b"",
            "tries": 1,
            "created_at": START,
            "finished_at": START - timedelta(seconds=number),
        }
        for number in range(count)
    ]
    await database.transaction(lambda c: c.execute(sa.insert(deliveries), rows))


async def count_rows(database: Database) -> int:
    query: sa.Select[Any] = sa.select(sa.func.count()).select_from(deliveries)
    found: int = await database.read(lambda c: c.scalar(query))
    return found


async def test_many_batches(database: Database) -> None:
    clock = FixedClock()
    count = 2 * housekeeping.BATCH + 10
    await fill(database, count)
    upkeep = make(database, clock)
    assert await upkeep.remove_finished() == 0
    clock.advance(RETENTION - timedelta(seconds=9))
    assert await upkeep.remove_finished() == count - 10
    assert await count_rows(database) == 10
    clock.advance(timedelta(days=1))
    assert await upkeep.remove_finished() == 10
    assert await count_rows(database) == 0


async def test_two_at_once_remove_each_row_once(database: Database) -> None:
    clock = FixedClock()
    count = 2 * housekeeping.BATCH + 10
    await fill(database, count)
    clock.advance(2 * RETENTION)
    removed = await asyncio.gather(*(make(database, clock).remove_finished() for _ in range(2)))
    assert sum(removed) == count
    assert await count_rows(database) == 0


async def test_a_key_is_known_as_long_as_its_delivery(stage: Stage) -> None:
    upkeep = make(stage.database, stage.clock)
    first = await stage.accept_notice(key="once")
    assert (await stage.answer(first)).status == 200
    stage.clock.advance(RETENTION)
    await upkeep.remove_finished()
    assert (await stage.accept_notice(key="once")).replayed
    stage.clock.advance(timedelta(seconds=1))
    assert await upkeep.remove_finished() == 1
    again = await stage.accept_notice(key="once", action=NotifyAction.PLAN_UPGRADED)
    assert again.delivery is not None
    # What was changed stays in the trail.
    assert len(await stage.database.read(lambda c: premium_audit.find(c, ADA))) == 1
